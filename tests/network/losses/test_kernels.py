"""What a loss makes of a chunk of scores: far from zero, rounded, and as a gradient in place."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from loss_formulas import (
    CORRECTED,
    STEPS,
    assert_equal_up_to_rounding,
    draws,
    each_choice,
    each_dtype,
    each_loss,
    inputs,
    reference,
    value_and_gradients,
)

from embrec.network.losses import bpr, bpr_max, cross_entropy, kernels, smooth_ndcg
from embrec.network.losses.chunks import Chunk


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


@pytest.mark.parametrize("loss", CORRECTED, ids=lambda loss: loss.__name__)
@each_dtype
@pytest.mark.parametrize("size", [200, 1000])
def test_far_apart_scores_with_corrections(loss, dtype, size):
    predicted, items = torch.eye(10, dtype=dtype), extreme_scores(size).T.to(dtype)
    log_expected = torch.linspace(-30, 3, 16, dtype=torch.float64).to(dtype)
    arguments = predicted, items, torch.zeros(10, dtype=torch.int64), torch.arange(8).repeat(2)
    found = value_and_gradients(loss, *arguments, log_expected=log_expected)
    expected = value_and_gradients(partial(reference, loss), *arguments, log_expected=log_expected)
    assert_equal_up_to_rounding(found, expected, dtype, (size, size, 1))


@pytest.mark.parametrize("memory", [None, 1])
def test_huge_scores_of_cross_entropy(memory):
    predicted, items, targets = inputs(dtype=torch.float32, scale=1e4)
    found = value_and_gradients(cross_entropy, predicted, items, targets, memory=memory)
    torch.testing.assert_close(found[0].float(), F.cross_entropy(predicted @ items.T, targets))
    assert all(tensor.isfinite().all() for tensor in found)


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


def test_corrections_of_the_own_draw_do_not_matter():
    predicted, items, targets = torch.zeros(1, 1), torch.zeros(3, 1), torch.tensor([0])
    draws, corrections = torch.tensor([0, 1]), torch.tensor([-100.0, 0.0])
    loss = cross_entropy(predicted, items, targets, draws, log_expected=corrections)
    torch.testing.assert_close(loss, torch.tensor(2.0).log())
    loss = smooth_ndcg(predicted, items, targets, draws, log_expected=corrections)
    expected = 1 - 1 / torch.tensor(2.5).log2() + 0.1 * torch.tensor(2.0).log()
    torch.testing.assert_close(loss, expected)


def test_absurd_corrections_of_ranks_stay_finite():
    predicted, items, targets = inputs(dtype=torch.float32)
    corrections = torch.full((29,), -1000.0)
    found = value_and_gradients(
        smooth_ndcg, predicted, items, targets, torch.arange(29), log_expected=corrections
    )
    assert all(tensor.isfinite().all() for tensor in found)


@each_loss
@each_choice
def test_absurd_scores_in_bfloat16_stay_finite(loss, sampled):
    predicted, items, targets = inputs(dtype=torch.float32, scale=1e5)
    found = value_and_gradients(
        loss, predicted, items, targets, draws(sampled), precision=torch.bfloat16
    )
    assert all(tensor.isfinite().all() for tensor in found)


# one chunk


KERNELS = {
    cross_entropy: kernels.cross_entropy,
    bpr: kernels.bpr,
    bpr_max: partial(kernels.bpr_max, regularization=1.0),
    smooth_ndcg: partial(kernels.smooth_ndcg, cross_entropy_weight=0.1),
}


@each_loss
@pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "any size"])
def test_the_gradient_is_left_in_the_scores(loss, bounded):
    """Three steps: one may choose among all, one has a negative of its own, one has no other."""
    generator = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(4, 3, generator=generator, dtype=torch.float64)
    positives = torch.randn(3, generator=generator, dtype=torch.float64)
    own = torch.tensor([2, 0, 1, 2, 3]), torch.tensor([1, 2, 2, 2, 2])
    with_gradient = scores.clone().requires_grad_(), positives.clone().requires_grad_()
    lefts = [[0, 1, 2, 3], [0, 1, 3], []]
    losses = [
        STEPS[loss](with_gradient[1][step], with_gradient[0][left, step], torch.zeros(len(left)))
        if left
        else torch.zeros((), dtype=torch.float64)
        for step, left in enumerate(lefts)
    ]
    torch.stack(losses).sum().backward()
    found = KERNELS[loss](Chunk(scores, positives, own, bounded))
    torch.testing.assert_close(found.loss, torch.stack(losses).detach())
    torch.testing.assert_close(found.targets, with_gradient[1].grad)
    scale = torch.ones(3, dtype=torch.float64) if found.scale is None else found.scale
    torch.testing.assert_close(scores * scale, with_gradient[0].grad)


def test_corrections_are_taken_off_the_scores():
    log_expected = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    scores = torch.tensor([[1.0], [0.0], [-1.0]], dtype=torch.float64)
    positives = torch.tensor([2.0], dtype=torch.float64)
    none = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    found = kernels.cross_entropy(Chunk(scores, positives, none, True), log_expected=log_expected)
    total = math.exp(2) + math.exp(0.5) + math.exp(2) + math.exp(-2)
    assert found.loss.item() == pytest.approx(math.log(total) - 2)
