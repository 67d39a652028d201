"""The chunked cross-entropy, against torch's in float64."""

import pytest
import torch
import torch.nn.functional as F

from embrec.network.losses import full_cross_entropy, shared_cross_entropy


def inputs(n_steps=13, n_items=29, d=6, dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    predicted = scale * torch.randn(n_steps, d, generator=generator, dtype=dtype)
    items = torch.randn(n_items, d, generator=generator, dtype=dtype)
    targets = torch.randint(0, n_items, (n_steps,), generator=generator)
    targets[:4] = 3  # repeated positives
    return predicted.requires_grad_(), items.requires_grad_(), targets


@pytest.mark.parametrize("chunk", [1, 2, 5, 13, 100])
def test_value_and_gradients(chunk):
    predicted, items, targets = inputs()
    loss = full_cross_entropy(predicted, items, targets, memory=chunk * 8 * len(items))
    gradients = torch.autograd.grad(3 * loss, (predicted, items))
    expected = F.cross_entropy(predicted @ items.T, targets)
    expected_gradients = torch.autograd.grad(3 * expected, (predicted, items))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients, expected_gradients)


def test_gradcheck():
    predicted, items, targets = inputs(5, 7, 3)
    assert torch.autograd.gradcheck(
        lambda p, e: full_cross_entropy(p, e, targets, memory=2 * 8 * 7), (predicted, items)
    )


def test_huge_scores_stay_finite():
    predicted, items, targets = inputs(dtype=torch.float32, scale=1e4)
    loss = full_cross_entropy(predicted, items, targets)
    gradients = torch.autograd.grad(loss, (predicted, items))
    torch.testing.assert_close(loss, F.cross_entropy(predicted @ items.T, targets))
    assert all(g.isfinite().all() for g in gradients)


def test_one_item_costs_nothing():
    predicted, items, _ = inputs(n_items=4)
    loss = full_cross_entropy(predicted, items[:1], torch.zeros(13, dtype=torch.int64))
    assert loss.item() == 0


def test_shared_prediction_equals_repeating_it():
    predicted, items, targets = inputs()
    one = predicted[:1]
    expected = F.cross_entropy((one @ items.T).expand(len(targets), -1), targets)
    torch.testing.assert_close(shared_cross_entropy(one, items, targets), expected)
