"""Trees of Annoy, against the library itself."""

import importlib
from itertools import pairwise

import numpy as np
import pytest

from embrec.index import AnnoyIndex
from embrec.index.annoy import HANDED_OVER, AnnoyBackend
from embrec.index.approximate import RECALL_AT

N, D = 2 * HANDED_OVER + 40, 8


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


VECTORS, QUERIES = draw(0, N), draw(1, 4)


def build(metric="dot", seed=3, n_trees=5):
    return AnnoyBackend.build(VECTORS, metric=metric, n_trees=n_trees, n_jobs=1, seed=seed)


def by_library(metric, n, search_k):
    forest = importlib.import_module("annoy").AnnoyIndex(D, metric)
    forest.set_seed(3)
    for place, vector in enumerate(VECTORS):
        forest.add_item(place, vector)
    forest.build(5, n_jobs=1)
    return [forest.get_nns_by_vector(query, n, search_k=search_k) for query in QUERIES.tolist()]


@pytest.mark.parametrize("metric", ["dot", "angular"])
def test_it_is_the_forest_that_annoy_builds(metric):
    backend = build(metric)
    assert backend.settings == {"n_features": D, "metric": metric, "n_trees": 5}
    backend.effort = 120
    assert backend.search(QUERIES, 20).tolist() == by_library(metric, 20, 120)


def test_more_than_recall_was_measured_with_takes_more_nodes():
    backend = build()
    backend.effort = 100
    n = 3 * RECALL_AT
    found = backend.search(QUERIES, n).tolist()
    assert [[place for place in row if place >= 0] for row in found] == by_library("dot", n, 300)


def test_efforts_end_with_all_nodes():
    efforts = build().efforts
    assert (efforts[0], efforts[-1]) == (100, 5 * N)
    assert all(after <= 1.5 * before + 1 for before, after in pairwise(efforts))
    few = AnnoyBackend.build(VECTORS[:7], metric="dot", n_trees=2, n_jobs=1, seed=0)
    assert few.efforts == [14]
    few.effort = 14
    found = np.sort(few.search(QUERIES, 9), axis=1)
    assert found.tolist() == [[-1, -1, *range(7)]] * 4


@pytest.mark.parametrize(
    ("name", "value"), [("n_trees", 0), ("search_k", 0), ("n_jobs", 1.5), ("min_recall", 0)]
)  # fmt: skip
def test_parameters_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of AnnoyIndex must be"):
        AnnoyIndex(**{name: value}).check()


def test_parameters_reach_the_trees():
    made = AnnoyIndex(metric="angular", n_trees=3)._make(VECTORS, seed=1)
    assert made.settings == {"n_features": D, "metric": "angular", "n_trees": 3}
    made.effort = 80
    same, other = (build("angular", seed, n_trees=3) for seed in (1, 2))
    same.effort = other.effort = 80
    np.testing.assert_array_equal(same.search(QUERIES, 30), made.search(QUERIES, 30))
    assert (other.search(QUERIES, 30) != made.search(QUERIES, 30)).any()
