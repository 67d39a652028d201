"""Towers, against their formula in float64."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from embrec.network.features import SparseMatrix
from embrec.network.tower import WEIGHT_BOUND, FixedTower, Tower

CPU = torch.device("cpu")


def features(n_rows=4, n_columns=5):
    return np.random.default_rng(0).normal(size=(n_rows, n_columns))


def both_kinds(block):
    return torch.from_numpy(block), SparseMatrix(sp.csr_array(block), CPU)


def test_linear_relu_linear_over_dense_and_sparse_features():
    tower = Tower(5, 7, 3, 0.0).double()
    torch.nn.init.normal_(tower.bias)
    tower.set_scale(0.5)
    block = features()
    weight, bias, last, last_bias = (
        p.detach().numpy()
        for p in (tower.weight, tower.bias, tower.output.weight, tower.output.bias)
    )
    hidden = np.maximum(0.5 * block @ weight + bias, 0)
    assert (hidden == 0).any()
    for given in both_kinds(block):
        found = tower(given).detach().numpy()
        np.testing.assert_allclose(found, hidden @ last.T + last_bias)


def test_the_scale_is_saved_with_the_weights():
    one, other = Tower(5, 7, 3, 0.0), Tower(5, 7, 3, 0.0)
    one.set_scale(0.25)
    other.load_state_dict(one.state_dict())
    rows = torch.ones(1, 5)
    assert torch.equal(one(rows), other(rows))


def test_first_weights_fill_their_bound_whatever_the_number_of_columns():
    for n_features in (10, 1000):
        largest = Tower(n_features, 50, 2, 0.0).weight.abs().max().item()
        assert 0.9 * WEIGHT_BOUND < largest <= WEIGHT_BOUND


def test_dropout_scales_what_it_leaves():
    tower = Tower(1, 4000, 1, 0.75)
    torch.nn.init.ones_(tower.weight)
    torch.nn.init.constant_(tower.output.weight, 1 / 4000)
    torch.nn.init.zeros_(tower.output.bias)
    rows = torch.ones(2, 1)
    first, second = tower(rows).flatten().tolist()
    assert first != second
    assert first == pytest.approx(1, abs=0.2)  # of 4 times a quarter; the deviation is 0.03
    torch.testing.assert_close(tower.eval()(rows), torch.ones(2, 1))


@pytest.mark.parametrize("width", [3, 8])
def test_fixed_features_are_cut_or_filled_up_until_a_projection_is_set(width):
    tower, block = FixedTower(5, width).double(), features()
    expected = np.hstack([block, np.zeros((4, 3))])[:, :width]
    for given in both_kinds(block):
        np.testing.assert_array_equal(tower(given), expected)
    assert not list(tower.parameters())
    projection = np.random.default_rng(1).normal(size=(5, width))
    tower.projection.copy_(torch.from_numpy(projection))
    for given in both_kinds(block):
        np.testing.assert_allclose(tower(given), block @ projection)
