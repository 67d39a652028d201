"""The losses in bounded memory, against their formulas written out step by step in float64."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork
from embrec.network.gru import GRUModule
from embrec.network.items import TowerItems
from embrec.network.losses import bpr, bpr_max, cosine_distance, cross_entropy, shared_cross_entropy
from embrec.network.packing import pack

LOSSES = [cross_entropy, bpr, bpr_max]
DTYPES = [torch.float32, torch.float64]
RELATIVE_TOLERANCES = {torch.float32: 5e-5, torch.float64: 1e-10}

each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
each_choice = pytest.mark.parametrize("sampled", [False, True], ids=["all", "sampled"])
each_kind = pytest.mark.parametrize(
    ("sampled", "precision"),
    [(False, None), (True, None), (True, torch.bfloat16)],
    ids=["all", "sampled", "bfloat16"],
)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


# the formulas: one step, its positive score and the scores of the negatives it has left


def step_cross_entropy(positive, scores, log_expected):
    # -s + log(exp(s) + sum of the others' exp), with the least rounding
    return -torch.cat([positive[None], scores - log_expected]).log_softmax(0)[0]


def step_bpr(positive, scores, log_expected):
    return -F.logsigmoid(positive - scores).mean()


def step_bpr_max(positive, scores, log_expected, regularization=1.0):
    weights = scores.softmax(0)
    better = (weights * torch.sigmoid(positive - scores)).sum()
    return -(better + 1e-24).log() + regularization * (weights * scores**2).sum()


STEPS = {cross_entropy: step_cross_entropy, bpr: step_bpr, bpr_max: step_bpr_max}


def reference(loss, predicted, items, targets, negatives=None, *, log_expected=None, **options):
    """Mean of the losses of all steps, one at a time."""
    predicted, items = predicted.double(), items.double()
    drawn = range(len(items)) if negatives is None else negatives.tolist()
    if log_expected is None:
        log_expected = torch.zeros(len(drawn))
    losses = [0 * (predicted.sum() + items.sum())]
    for query, target in zip(predicted, targets.tolist(), strict=True):
        left = [place for place, row in enumerate(drawn) if row != target]
        if left:
            scores = items[[drawn[place] for place in left]] @ query
            positive = items[target] @ query
            expected = log_expected.double()[left]
            losses.append(STEPS[loss](positive, scores, expected, **options))
    return torch.stack(losses).sum() / len(targets)


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


# values and gradients


@each_loss
@each_choice
@each_dtype
@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_value_and_gradients(loss, sampled, dtype, chunk):
    predicted, items, targets = inputs(dtype=dtype)
    negatives = draws(sampled)
    n_scores = len(items if negatives is None else negatives)
    memory = chunk * dtype.itemsize * n_scores
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1, 239, 2**40])
def test_any_memory_will_do(loss, sampled, memory):
    assert_follows_formula(loss, *inputs(), draws(sampled), memory=memory)


@each_loss
@each_choice
@pytest.mark.parametrize("chunk", [7, 70, 129, 300, 530])
def test_many_steps(loss, sampled, chunk):
    arguments = *inputs(150, 9, 3), draws(sampled, 9, 8)
    assert_follows_formula(loss, *arguments, memory=chunk * 8 * (8 if sampled else 9))


@pytest.mark.parametrize("memory", [None, 1, 300])
@each_dtype
def test_correction_of_sampled_cross_entropy(memory, dtype):
    negatives = draws(True)
    assert_follows_formula(
        cross_entropy,
        *inputs(dtype=dtype),
        negatives,
        log_expected=corrections(negatives).to(dtype),
        memory=memory,
    )


@each_choice
@pytest.mark.parametrize("regularization", [0.0, 0.3, 20.0])
def test_regularization_of_bpr_max(sampled, regularization):
    assert_follows_formula(bpr_max, *inputs(), draws(sampled), regularization=regularization)


@settings(deadline=None, max_examples=60)
@given(
    loss=st.sampled_from(LOSSES),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3)),
    n_negatives=st.none() | st.integers(1, 8),
    memory=st.integers(1, 400),
    seed=st.integers(0, 2**31 - 1),
)
def test_small_shapes(loss, shape, n_negatives, memory, seed):
    n_steps, n_items, d = shape
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(n_steps, d, generator=generator, dtype=torch.float64)
    items = torch.randn(n_items, d, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, n_items, (n_steps,), generator=generator)
    negatives, options = None, {}
    if n_negatives is not None:
        negatives = torch.randint(0, n_items, (n_negatives,), generator=generator)
        if loss is cross_entropy:
            options["log_expected"] = torch.randn(n_negatives, generator=generator).double()
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory, **options)


@each_loss
@each_choice
def test_gradcheck(loss, sampled):
    predicted, items, targets = inputs(5, 7, 3)
    negatives = draws(sampled, 7, 6)
    options = {"log_expected": corrections(negatives)} if sampled and loss is cross_entropy else {}
    assert torch.autograd.gradcheck(
        lambda p, e: loss(p, e, targets, negatives, memory=2 * 8 * 7, **options),
        (predicted.requires_grad_(), items.requires_grad_()),
    )


@pytest.mark.parametrize("memory", [None, 1, 3 * 8 * 29])
def test_cross_entropy_over_all_items_is_torchs(memory):
    predicted, items, targets = inputs()
    found = value_and_gradients(cross_entropy, predicted, items, targets, memory=memory)
    expected = value_and_gradients(
        lambda p, e, t: F.cross_entropy(p @ e.T, t), predicted, items, targets
    )
    assert_equal_up_to_rounding(found, expected, torch.float64)


def test_all_items_drawn_once_are_all_items():
    for loss in LOSSES:
        predicted, items, targets = inputs()
        found = value_and_gradients(loss, predicted, items, targets, torch.arange(29))
        expected = value_and_gradients(loss, predicted, items, targets)
        assert_equal_up_to_rounding(found, expected, torch.float64)


# negatives


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_negatives_drawn_twice_count_twice(loss, memory):
    negatives = torch.tensor([5, 5, 5, 11, 11, 20])
    assert_follows_formula(loss, *inputs(), negatives, memory=memory)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_a_drawn_target_is_left_out_of_its_own_steps_only(loss, memory):
    predicted, items, _ = inputs(3)
    targets, negatives = torch.tensor([3, 8, 3]), torch.tensor([3, 12, 3])
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    alone = [
        value_and_gradients(loss, predicted[[step]], items, targets[[step]], left)[0]
        for step, left in enumerate([negatives[1:2], negatives, negatives[1:2]])
    ]
    torch.testing.assert_close(found[0], torch.stack(alone).mean())
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


def assert_costs_nothing(loss, predicted, items, negatives, memory):
    targets = torch.zeros(len(predicted), dtype=torch.int64)
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    # cross-entropy is the difference of two equal numbers
    assert found[0].abs() <= (
        100 * torch.finfo(predicted.dtype).eps if loss is cross_entropy else 0
    )
    assert (found[1] == 0).all()
    assert (found[2] == 0).all()


@each_loss
@each_dtype
@pytest.mark.parametrize("scale", [1, 30])
@pytest.mark.parametrize("memory", [None, 1])
def test_no_negatives_left_costs_nothing(loss, dtype, scale, memory):
    predicted, items, _ = inputs(n_items=5, dtype=dtype, scale=scale)
    assert_costs_nothing(loss, predicted, items[:1], None, memory)
    for n_draws in (1, 4):
        negatives = torch.zeros(n_draws, dtype=torch.int64)
        assert_costs_nothing(loss, predicted, items[:1], negatives, memory)
        assert_costs_nothing(loss, predicted, items, negatives, memory)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_no_draws_at_all_cost_nothing(loss, memory):
    predicted, items, _ = inputs()
    assert_costs_nothing(loss, predicted, items, torch.tensor([], dtype=torch.int64), memory)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_steps_without_negatives_count_in_the_mean(loss, memory):
    predicted, items, _ = inputs(4)
    targets, negatives = torch.tensor([3, 8, 3, 9]), torch.tensor([3, 3])
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    others = value_and_gradients(loss, predicted[1::2], items, torch.tensor([8, 9]), negatives)
    torch.testing.assert_close(found[0], others[0] / 2)
    assert (found[1][::2] == 0).all()
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


@each_loss
@each_choice
def test_a_single_step(loss, sampled):
    assert_follows_formula(loss, *inputs(1), draws(sampled))


@each_loss
@each_choice
def test_order_does_not_matter(loss, sampled):
    predicted, items, targets = inputs()
    negatives = draws(sampled)
    expected = loss(predicted, items, targets, negatives)
    rng = np.random.default_rng(0)
    rows, steps = (torch.from_numpy(rng.permutation(n)) for n in (29, 13))
    places = torch.argsort(rows)
    if sampled:
        shuffled = negatives[torch.from_numpy(rng.permutation(len(negatives)))]
        torch.testing.assert_close(loss(predicted, items, targets, shuffled), expected)
        negatives = places[shuffled]
    found = loss(predicted[steps], items[rows], places[targets[steps]], negatives)
    torch.testing.assert_close(found, expected)


def test_corrections_go_with_their_draws():
    negatives, order = draws(True), torch.randperm(17, generator=torch.Generator().manual_seed(0))
    log_expected = corrections(negatives)
    expected = cross_entropy(*inputs(), negatives, log_expected=log_expected)
    found = cross_entropy(*inputs(), negatives[order], log_expected=log_expected[order])
    torch.testing.assert_close(found, expected)


def test_corrected_draws_estimate_the_partition_function():
    """exp(loss) of one step is the partition function, up to a factor that is not drawn."""
    predicted, items, _ = inputs(1, 12, 4)
    targets = torch.tensor([3])
    probabilities = torch.arange(1.0, 13) / 78
    n_draws, n_repeats = 8, 1000
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(
        probabilities.expand(n_repeats, -1), n_draws, replacement=True, generator=generator
    )
    log_expected = (n_draws * probabilities).log().double()
    whole = cross_entropy(predicted, items, targets).exp()
    estimates, uncorrected = (
        torch.stack(
            [cross_entropy(predicted, items, targets, row, log_expected=log[row]) for row in drawn]
        ).exp()
        for log in (log_expected, torch.full((12,), math.log(n_draws / 12)).double())
    )
    standard_error = estimates.std() / math.sqrt(n_repeats)
    assert standard_error < 0.05 * whole
    assert (estimates.mean() - whole).abs() < 3 * standard_error
    assert (uncorrected.mean() - whole).abs() > 6 * standard_error


# scores far from zero


def extreme_scores(size):
    """Scores of ten steps for eight items, all of them exact in float32 too."""
    rows = torch.zeros(10, 8, dtype=torch.float64)
    rows[0, 0] = size  # the target, item 0, far above the others
    rows[1, 0] = -size  # far below
    rows[2, 5] = size  # one negative far above
    rows[3, 5] = -size
    rows[4] = size  # all alike
    rows[5] = -size
    rows[6, 1::2] = size  # negatives far apart, with ties
    rows[7] = torch.linspace(-size, size, 9)[1:].double().round()
    rows[8] = rows[7].flip(0)
    rows[9, 2:] = torch.tensor([1.0, -1.0, 0.5, 2.0, size, -size])
    return rows


@each_loss
@each_choice
@each_dtype
@pytest.mark.parametrize("memory", [None, 1])
@pytest.mark.parametrize("size", [20, 40, 56, 80, 200, 1000])
def test_far_apart_scores(loss, sampled, dtype, memory, size):
    predicted, items = torch.eye(10, dtype=dtype), extreme_scores(size).T.to(dtype)
    negatives = torch.tensor([0, 1, 1, 2, 3, 4, 5, 6, 7, 7]) if sampled else None
    arguments = predicted, items, torch.zeros(10, dtype=torch.int64), negatives
    found = value_and_gradients(loss, *arguments, memory=memory)
    expected = value_and_gradients(partial(reference, loss), *arguments)
    assert_equal_up_to_rounding(found[:1], expected[:1], dtype, [size])
    for step in range(10):
        # ê is the step's unit vector, so this column of the items is of this step alone
        by_step = [(10 * of[1][step], 10 * of[2][:, step]) for of in (found, expected)]
        assert_equal_up_to_rounding(*by_step, dtype, (size, 1))


@each_dtype
@pytest.mark.parametrize("size", [200, 1000])
def test_far_apart_scores_with_corrections(dtype, size):
    predicted, items = torch.eye(10, dtype=dtype), extreme_scores(size).T.to(dtype)
    log_expected = torch.linspace(-30, 3, 16, dtype=torch.float64).to(dtype)
    arguments = predicted, items, torch.zeros(10, dtype=torch.int64), torch.arange(8).repeat(2)
    found = value_and_gradients(cross_entropy, *arguments, log_expected=log_expected)
    expected = value_and_gradients(
        partial(reference, cross_entropy), *arguments, log_expected=log_expected
    )
    assert_equal_up_to_rounding(found, expected, dtype, (size, size, 1))


@pytest.mark.parametrize("memory", [None, 1])
def test_huge_scores_of_cross_entropy(memory):
    predicted, items, targets = inputs(dtype=torch.float32, scale=1e4)
    found = value_and_gradients(cross_entropy, predicted, items, targets, memory=memory)
    torch.testing.assert_close(found[0].float(), F.cross_entropy(predicted @ items.T, targets))
    assert all(tensor.isfinite().all() for tensor in found)


# as torch's own functions


@each_loss
@each_choice
def test_upstream_gradients_scale(loss, sampled):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    single = value_and_gradients(loss, predicted, items, *arguments)
    for factor in (3.0, -0.5):
        scaled = value_and_gradients(
            lambda *a, f=factor: f * loss(*a), predicted, items, *arguments
        )
        torch.testing.assert_close(scaled, tuple(factor * tensor for tensor in single))


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1])
def test_gradients_of_one_input_alone(loss, sampled, memory):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    expected = value_and_gradients(loss, predicted, items, *arguments, memory=memory)
    for place in (0, 1):
        tensors = [predicted.clone(), items.clone()]
        tensors[place].requires_grad_()
        loss(*tensors, *arguments, memory=memory).backward()
        torch.testing.assert_close(tensors[place].grad, expected[1 + place])
        assert tensors[1 - place].grad is None


@each_loss
@each_choice
def test_without_gradients(loss, sampled):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    expected = value_and_gradients(loss, predicted, items, *arguments)[0]
    plain = loss(predicted, items, *arguments)
    assert not plain.requires_grad
    torch.testing.assert_close(plain, expected)
    with torch.no_grad():
        within = loss(predicted.requires_grad_(), items.requires_grad_(), *arguments)
    assert not within.requires_grad
    torch.testing.assert_close(within, expected)


@each_loss
@each_choice
def test_gradients_flow_on_and_add_up(loss, sampled):
    predicted, items, targets = inputs()
    negatives = draws(sampled)

    def tied(function, parameters):
        """The predictions come from the items, and two losses share the items."""
        embedded = parameters.tanh()
        queries = embedded[:13] @ torch.ones(6, 6).double().triu()
        return function(queries, embedded, targets, negatives) + 2 * function(
            predicted, embedded, targets, negatives
        )

    found, expected = (
        torch.autograd.functional.jacobian(partial(tied, function), items)
        for function in (loss, partial(reference, loss))
    )
    torch.testing.assert_close(found, expected)


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1])
def test_inputs_are_left_alone(loss, sampled, memory):
    predicted, items, targets = inputs()
    negatives = draws(sampled)
    log_expected = corrections(negatives) if sampled and loss is cross_entropy else None
    options = {} if log_expected is None else {"log_expected": log_expected}
    tensors = [predicted, items, targets, negatives, log_expected]
    tensors = [tensor for tensor in tensors if tensor is not None]
    before = [tensor.clone() for tensor in tensors]
    predicted.requires_grad_()
    items.requires_grad_()
    loss(predicted, items, targets, negatives, memory=memory, **options).backward()
    assert all(torch.equal(one, other) for one, other in zip(tensors, before, strict=True))


@each_loss
@each_choice
def test_inputs_of_any_layout(loss, sampled):
    predicted, items, targets = inputs()
    columns, spread = items.T.contiguous().T, predicted.repeat_interleave(2, 0)[::2]
    assert not columns.is_contiguous()
    assert not spread.is_contiguous()
    assert_follows_formula(loss, spread, columns, targets, draws(sampled), memory=300)
    one, every_second = predicted[:1].expand(13, -1), targets.repeat_interleave(2)[::2]
    torch.set_warn_always(True)
    try:
        assert_follows_formula(loss, one, items, every_second, draws(sampled), memory=300)
    finally:
        torch.set_warn_always(False)


@each_loss
@each_choice
@each_dtype
def test_precision_of_the_inputs_is_the_default(loss, sampled, dtype):
    arguments = *inputs(dtype=dtype), draws(sampled)
    default = value_and_gradients(loss, *arguments)
    same = value_and_gradients(loss, *arguments, precision=dtype)
    assert all(torch.equal(one, other) for one, other in zip(same, default, strict=True))
    for precision in DTYPES:
        found = value_and_gradients(loss, *arguments, precision=precision)
        assert_equal_up_to_rounding(found, default, torch.float32)


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1, 5000])
def test_bfloat16_comes_close(loss, sampled, memory):
    predicted, items, targets = inputs(70, 200, 32, dtype=torch.float32, scale=0.2)
    arguments = predicted, items, targets, draws(sampled, 200, 90)
    value, *gradients = value_and_gradients(
        loss, *arguments, memory=memory, precision=torch.bfloat16
    )
    expected, *expected_gradients = value_and_gradients(partial(reference, loss), *arguments)
    assert (value - expected).abs() < 1e-2
    for one, other in zip(gradients, expected_gradients, strict=True):
        assert (one - other).norm() < 2e-2 * other.norm()


@each_loss
@each_kind
def test_two_runs_are_equal_bit_by_bit(loss, sampled, precision):
    predicted, items, targets = inputs(40, 2000, 8, dtype=torch.float32)
    arguments = predicted, items, targets, draws(sampled, 2000, 2000)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = (
            value_and_gradients(loss, *arguments, memory=2**19, precision=precision)
            for _ in range(2)
        )
    finally:
        torch.set_num_threads(n_threads)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


# bounded memory

MEMORY = 2**16
N_STEPS, N_ITEMS, D = 512, 4096, 8


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
        self.numel = max([self.numel, *(tensor.numel() for tensor in tensors)])
        return outputs


def largest_tensor(run):
    with LargestTensor() as noted:
        run()
    return noted.numel


def most_bytes_at_a_time(run):
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    in_order = sorted(changes, key=lambda change: change[0])
    return max(itertools.accumulate(n_bytes for _, n_bytes in in_order))


def large_run(function, sampled, **options):
    predicted, items, targets = inputs(N_STEPS, N_ITEMS, D, dtype=torch.float32)
    negatives = draws(sampled, N_ITEMS, N_ITEMS)
    predicted.requires_grad_()
    items.requires_grad_()
    return lambda: function(predicted, items, targets, negatives, **options).backward()


def whole_cross_entropy(predicted, items, targets, negatives):
    return F.cross_entropy(predicted @ items.T, targets)


def test_the_meters_see_a_whole_score_matrix():
    run = large_run(whole_cross_entropy, sampled=False)
    assert largest_tensor(run) == N_STEPS * N_ITEMS
    assert most_bytes_at_a_time(run) >= 4 * N_STEPS * N_ITEMS


@each_loss
@each_kind
def test_no_tensor_is_larger_than_allowed(loss, sampled, precision):
    largest = largest_tensor(large_run(loss, sampled, memory=MEMORY, precision=precision))
    assert largest <= max(4 * MEMORY // 4, 2 * N_ITEMS * D) < N_STEPS * N_ITEMS / 8


@each_loss
def test_all_tensors_together_are_small(loss):
    """A few of the size of a chunk, of the items, and of the predictions; the scores are 8 MiB."""
    allowed = 6 * MEMORY + 6 * 4 * N_ITEMS * D + 6 * 4 * N_STEPS * D
    run = large_run(loss, sampled=True, memory=MEMORY)
    assert most_bytes_at_a_time(run) <= allowed < 4 * N_STEPS * N_ITEMS / 4


# what is not contrasted in chunks


def cosine_reference(predicted, items, targets):
    return (1 - F.cosine_similarity(predicted, items[targets])).mean()


@each_dtype
def test_cosine_distance(dtype):
    predicted, items, targets = inputs(dtype=dtype)
    found = value_and_gradients(cosine_distance, predicted, items, targets)
    arguments = predicted.double(), items.double(), targets
    expected = value_and_gradients(cosine_reference, *arguments)
    assert_equal_up_to_rounding(found, expected, dtype)


def test_cosine_distance_gradcheck():
    predicted, items, targets = inputs(5, 7, 3)
    tensors = predicted.requires_grad_(), items.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, e: cosine_distance(p, e, targets), tensors)


def test_cosine_distance_of_parallel_opposite_and_orthogonal_vectors():
    items = torch.tensor([[3.0, 4.0]])
    for query, expected in (([6.0, 8.0], 0), ([-0.3, -0.4], 2), ([-4.0, 3.0], 1)):
        found = cosine_distance(torch.tensor([query]), items, torch.tensor([0]))
        torch.testing.assert_close(found, torch.tensor(float(expected)))


@each_dtype
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_cosine_distance_knows_no_lengths(dtype, scale):
    predicted, items, targets = inputs(dtype=dtype)
    expected = cosine_distance(predicted, items, targets)
    torch.testing.assert_close(cosine_distance(scale * predicted, items, targets), expected)
    torch.testing.assert_close(cosine_distance(predicted, scale * items, targets), expected)


@each_dtype
@pytest.mark.parametrize("which", ["predicted", "items", "both"])
def test_cosine_with_a_zero_vector_is_zero(dtype, which):
    predicted, items, targets = inputs(dtype=dtype)
    targets[:7] = 0
    targets[7:] = targets[7:].clamp(min=1)
    expected = value_and_gradients(
        cosine_reference, predicted[7:].double(), items.double(), targets[7:]
    )
    if which != "items":
        predicted[:7] = 0
    if which != "predicted":
        items[0] = 0
    found = value_and_gradients(cosine_distance, predicted, items, targets)
    assert all(tensor.isfinite().all() for tensor in found)
    torch.testing.assert_close(found[0].to(dtype), ((7 + 6 * expected[0]) / 13).to(dtype))
    others = found[1][7:], found[2][1:]
    expected_others = 6 / 13 * expected[1], 6 / 13 * expected[2][1:]
    assert_equal_up_to_rounding(others, expected_others, dtype, (1, 1))


def test_shared_prediction_equals_repeating_it():
    predicted, items, targets = inputs()
    found = value_and_gradients(shared_cross_entropy, predicted[:1], items, targets)
    expected = value_and_gradients(
        lambda p, e, t: F.cross_entropy((p @ e.T).expand(len(t), -1), t),
        predicted[:1],
        items,
        targets,
    )
    assert_equal_up_to_rounding(found, expected, torch.float64)


# packed sequences


@each_loss
@each_choice
def test_packed_steps_are_the_steps_of_all_sequences(loss, sampled):
    torch.manual_seed(0)
    gru = GRUModule(6, 7, 1, dropout=0.0, input_dropout=0.0, residual=True)
    network = SequenceNetwork(TowerItems((5, 4), 3, 6), gru).double().eval()
    items = torch.randn(20, 6, generator=torch.Generator().manual_seed(1)).double()
    rows = torch.randint(0, 20, (17,), generator=torch.Generator().manual_seed(2)).numpy()
    sequences = Ragged.from_lengths(rows.astype(np.int32), np.array([3, 2, 6, 2, 4]))
    negatives = draws(sampled, 20, 9)

    def packed(items):
        batch = pack(sequences, with_targets=True, device=torch.device("cpu"))
        predicted = network.predict_steps(items[batch.rows], batch.packing)
        return loss(predicted, items, batch.targets, negatives, memory=300)

    def one_by_one(items):
        losses = []
        for sequence in sequences:
            state = network.initial_states(1)
            for row, following in itertools.pairwise(sequence):
                state = network.advance(state, items[[int(row)]])
                target = torch.tensor([int(following)])
                losses.append(reference(loss, network.predict(state), items, target, negatives))
        assert len(losses) == 2 + 1 + 5 + 1 + 3
        return torch.stack(losses).mean()

    torch.testing.assert_close(packed(items), one_by_one(items))
    torch.testing.assert_close(
        torch.autograd.functional.jacobian(packed, items),
        torch.autograd.functional.jacobian(one_by_one, items),
    )


def test_corrections_of_the_own_draw_do_not_matter():
    predicted, items, targets = torch.zeros(1, 1), torch.zeros(3, 1), torch.tensor([0])
    draws, corrections = torch.tensor([0, 1]), torch.tensor([-100.0, 0.0])
    loss = cross_entropy(predicted, items, targets, draws, log_expected=corrections)
    torch.testing.assert_close(loss, torch.tensor(2.0).log())


@each_loss
@each_choice
def test_absurd_scores_in_bfloat16_stay_finite(loss, sampled):
    predicted, items, targets = inputs(dtype=torch.float32, scale=1e5)
    found = value_and_gradients(
        loss, predicted, items, targets, draws(sampled), precision=torch.bfloat16
    )
    assert all(tensor.isfinite().all() for tensor in found)


@each_loss
def test_second_derivatives_are_refused(loss):
    predicted, items, targets = inputs()
    predicted.requires_grad_()
    (gradient,) = torch.autograd.grad(
        loss(predicted, items, targets) ** 2, predicted, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.pow(2).sum().backward()
