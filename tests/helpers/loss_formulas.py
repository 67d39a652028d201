"""The formulas of the losses written out step by step in float64, and what they are tried on."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from embrec.network.losses import bpr, bpr_max, cross_entropy, smooth_ndcg

LOSSES = [cross_entropy, bpr, bpr_max, smooth_ndcg]
#: those that make use of how often each negative is expected
CORRECTED = [cross_entropy, smooth_ndcg]
DTYPES = [torch.float32, torch.float64]
RELATIVE_TOLERANCES = {torch.float32: 5e-5, torch.float64: 1e-10}
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
each_choice = pytest.mark.parametrize("sampled", [False, True], ids=["all", "sampled"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def step_cross_entropy(positive, scores, log_expected):
    # -s + log(exp(s) + sum of the others' exp), with the least rounding
    return -torch.cat([positive[None], scores - log_expected]).log_softmax(0)[0]


def step_bpr(positive, scores, log_expected):
    return -F.logsigmoid(positive - scores).mean()


def step_bpr_max(positive, scores, log_expected, regularization=1.0):
    weights = scores.softmax(0)
    better = (weights * torch.sigmoid(positive - scores)).sum()
    return -(better + 1e-24).log() + regularization * (weights * scores**2).sum()


def step_smooth_ndcg(positive, scores, log_expected, cross_entropy_weight=0.1):
    rank = 1 + (torch.sigmoid(scores - positive) / log_expected.exp()).sum()
    other = step_cross_entropy(positive, scores, log_expected)
    return 1 - 1 / (1 + rank).log2() + cross_entropy_weight * other


STEPS = {
    cross_entropy: step_cross_entropy,
    bpr: step_bpr,
    bpr_max: step_bpr_max,
    smooth_ndcg: step_smooth_ndcg,
}


def reference(
    loss,
    predicted,
    items,
    targets,
    negatives=None,
    *,
    log_expected=None,
    weights=None,
    **options,
):
    """Mean of the losses of all steps, one at a time."""
    predicted, items = predicted.double(), items.double()
    drawn = range(len(items)) if negatives is None else negatives.tolist()
    if log_expected is None:
        log_expected = torch.zeros(len(drawn))
    losses = [0 * (predicted.sum() + items.sum())]
    weights = [1.0] * len(targets) if weights is None else weights.tolist()
    for query, target, weight in zip(predicted, targets.tolist(), weights, strict=True):
        left = [place for place, row in enumerate(drawn) if row != target]
        if left:
            scores = items[[drawn[place] for place in left]] @ query
            positive = items[target] @ query
            expected = log_expected.double()[left]
            losses.append(weight * STEPS[loss](positive, scores, expected, **options))
    return torch.stack(losses).sum() / sum(weights)


def value_and_gradients(loss, predicted, items, *arguments, **options):
    """In float64 whatever the inputs are in, to be compared."""
    predicted, items = (tensor.detach().requires_grad_() for tensor in (predicted, items))
    value = loss(predicted, items, *arguments, **options)
    value.backward()
    assert value.shape == ()
    assert predicted.grad.dtype == predicted.dtype
    assert items.grad.dtype == items.dtype
    return value.detach().double(), predicted.grad.double(), items.grad.double()


def assert_equal_up_to_rounding(found, expected, dtype, sizes=(1, 1, 1)):
    """Relative to the largest entry, and to the ``sizes`` of what may have cancelled out in it."""
    for one, other, size in zip(found, expected, sizes, strict=True):
        rounding = 16 * torch.finfo(dtype).eps * size
        atol = RELATIVE_TOLERANCES[dtype] * other.abs().max().item() + rounding
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


def assert_follows_formula(loss, predicted, items, *arguments, memory=None, **options):
    found = value_and_gradients(loss, predicted, items, *arguments, memory=memory, **options)
    expected = value_and_gradients(
        partial(reference, loss), predicted.double(), items.double(), *arguments, **options
    )
    assert_equal_up_to_rounding(found, expected, predicted.dtype)


def inputs(n_steps=13, n_items=29, d=6, dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    predicted = scale * torch.randn(n_steps, d, generator=generator, dtype=dtype)
    items = torch.randn(n_items, d, generator=generator, dtype=dtype)
    targets = torch.randint(0, n_items, (n_steps,), generator=generator)
    targets[:4] = 3  # repeated positives
    return predicted, items, targets


def draws(sampled, n_items=29, n_negatives=17):
    """Negatives of which some come twice and one is a target."""
    if not sampled:
        return None
    generator = torch.Generator().manual_seed(1)
    negatives = torch.randint(0, n_items, (n_negatives,), generator=generator)
    negatives[:3] = 3
    negatives[3:5] = n_items - 1
    return negatives


def corrections(negatives):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(len(negatives), generator=generator, dtype=torch.float64) * 4 - 3


def assert_costs_nothing(loss, predicted, items, negatives, memory):
    targets = torch.zeros(len(predicted), dtype=torch.int64)
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    # cross-entropy is the difference of two equal numbers
    assert found[0].abs() <= (100 * torch.finfo(predicted.dtype).eps if loss in CORRECTED else 0)
    assert (found[1] == 0).all()
    assert (found[2] == 0).all()
