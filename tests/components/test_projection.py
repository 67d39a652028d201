"""The directions in which items differ most, as numpy's exact decomposition says."""

import numpy as np
import pytest
import scipy.sparse as sp

from embrec.components._projection import directions


def features(n_items):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n_items, 20)) * 0.7 ** np.arange(20)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("n_items", [4, 40])
def test_directions_in_which_items_differ_most(n_items, kind):
    block = features(n_items)
    found = block @ directions(kind(block), 6, seed=0)
    reduced = block @ np.linalg.svd(block, full_matrices=False)[2][:6].T
    np.testing.assert_allclose(found @ found.T, reduced @ reduced.T, atol=1e-3)


def test_directions_are_of_length_1_and_those_that_few_rows_lack_are_0():
    found = directions(features(4), 6, seed=0)
    assert (found.shape, found.dtype) == ((20, 6), np.float32)
    np.testing.assert_allclose(found.T @ found, np.diag([1, 1, 1, 1, 0, 0]), atol=1e-5)


def test_a_seed_gives_the_same_again():
    block = features(40)
    assert np.array_equal(directions(block, 3, seed=1), directions(block, 3, seed=1))
