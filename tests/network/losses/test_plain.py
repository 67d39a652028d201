"""The losses that need no matrix of scores, against their formulas."""

import pytest
import torch
import torch.nn.functional as F
from loss_formulas import assert_equal_up_to_rounding, each_dtype, inputs, value_and_gradients

from embrec.network.losses import cosine_distance, shared_cross_entropy


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


def test_steps_may_count_differently():
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    items = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    targets, weights = torch.tensor([1, 0, 1, 4]), torch.tensor([0.0, 2.0, 0.5, 1.0])
    each = torch.stack([cosine_distance(predicted[[i]], items, targets[[i]]) for i in range(4)])
    found = cosine_distance(predicted, items, targets, weights=weights)
    torch.testing.assert_close(found, (each @ weights.double()) / 3.5)
    first = predicted[:1]
    each = torch.stack([shared_cross_entropy(first, items, targets[[i]]) for i in range(4)])
    found = shared_cross_entropy(first, items, targets, weights=weights)
    torch.testing.assert_close(found, (each @ weights.double()) / 3.5)
