"""Adagrad with momentum, against its definition and against torch's own without."""

import copy

import pytest
import torch
from torch import nn

from embrec.training.adagrad import AdagradWithMomentum


def gradients(n=6):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(n)]


@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_it_follows_its_definition(momentum):
    weights = nn.Parameter(torch.ones(4, 3, dtype=torch.float64))
    optimizer = AdagradWithMomentum([weights], lr=0.1, momentum=momentum)
    expected, total, velocity = torch.ones(4, 3, dtype=torch.float64), 0.0, 0.0
    for gradient in gradients():
        weights.grad = gradient.clone()
        optimizer.step()
        total = total + gradient**2
        velocity = momentum * velocity + 0.1 * gradient / (total + 1e-6).sqrt()
        expected = expected - velocity
        torch.testing.assert_close(weights.detach(), expected)


def test_without_momentum_it_is_torchs():
    ours, theirs = (nn.Parameter(torch.ones(4, 3, dtype=torch.float64)) for _ in range(2))
    one = AdagradWithMomentum([ours], lr=0.1)
    other = torch.optim.Adagrad([theirs], lr=0.1, eps=0.0)
    for gradient in gradients():
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)  # but for the epsilon


def test_a_sparse_gradient_changes_the_rows_it_holds():
    dense, sparse = (nn.Parameter(torch.ones(4, 3, dtype=torch.float64)) for _ in range(2))
    optimizers = AdagradWithMomentum([dense], 0.1, 0.3), AdagradWithMomentum([sparse], 0.1, 0.3)
    for rows, gradient in zip(([0, 2, 2], [2], [0, 1]), gradients(), strict=False):
        values = gradient[: len(rows)]
        sparse.grad = torch.sparse_coo_tensor([rows], values, (4, 3), check_invariants=True)
        dense.grad = sparse.grad.to_dense()
        before = dense.detach().clone(), sparse.detach().clone()
        for optimizer in optimizers:
            optimizer.step()
        used = sorted(set(rows))
        others = [row for row in range(4) if row not in used]
        torch.testing.assert_close(sparse[others], before[1][others], rtol=0, atol=0)
    # row 2 was used by the first two steps, so nothing sets the two ways apart until the third
    assert not torch.equal(dense[2], sparse[2])
    torch.testing.assert_close(dense[3], sparse[3])


def test_its_state_can_be_taken_along():
    one, other = (nn.Parameter(torch.ones(4, 3, dtype=torch.float64)) for _ in range(2))
    first = AdagradWithMomentum([one], 0.1, 0.3)
    *some, last = gradients()
    for gradient in some:
        one.grad = gradient.clone()
        first.step()
    other.data.copy_(one.data)
    second = AdagradWithMomentum([other], 0.1, 0.3)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for weights, optimizer in ((one, first), (other, second)):
        weights.grad = last.clone()
        optimizer.step()
    torch.testing.assert_close(one, other, rtol=0, atol=0)
