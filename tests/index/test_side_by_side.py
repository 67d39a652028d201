"""Indexes of matrices side by side answer as those of one dense matrix."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from embrec.data.ragged import Ragged
from embrec.data.side_by_side import SideBySide
from embrec.index import AutoIndex, ExactIndex
from embrec.index.filters import Filter

WIDTHS = 3, 7, 2


def drawn(rng, n):
    """Whole numbers, so that sums are exact in any order: a SideBySide, and one dense matrix."""
    parts = [rng.integers(-3, 4, (n, width)).astype(np.float32) for width in WIDTHS]
    parts[1] *= rng.random(parts[1].shape) < 0.3
    return SideBySide([parts[0], sp.csr_array(parts[1]), parts[2]]), np.hstack(parts)


def same(index, dense, queries, dense_queries, rng):
    n = len(dense)
    rules = Filter(excluded=(Ragged.from_lengths(rng.integers(0, n, 4), np.ones(4, np.int64)),))
    for k in (1, 5):
        for rule in (Filter(), rules, Filter(include=np.array([1, 0]))):
            found, wanted = (
                one.search(q, k, rule) for one, q in ((index, queries), (dense, dense_queries))
            )
            assert_array_equal(found[1], wanted[1])
            assert_array_equal(found[0], wanted[0])
    targets = rng.integers(0, n, 4)
    for ties in ("pessimistic", "average"):
        found = index.rank_and_find(queries, targets, 3, rules, ties=ties)
        wanted = dense.rank_and_find(dense_queries, targets, 3, rules, ties=ties)
        for one, other in zip(found, wanted, strict=True):
            assert_array_equal(one, other)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 60))
def test_answers_are_those_of_one_matrix(seed, n):
    rng = np.random.default_rng(seed)
    vectors, stacked = drawn(rng, n)
    index, dense = ExactIndex().fit(vectors), ExactIndex().fit(stacked)
    asked = drawn(rng, 4)
    same(index, dense, *asked, rng)
    for one, some in zip((index, dense), drawn(np.random.default_rng(seed), 3), strict=True):
        one.add(some)
        one.remove(np.array([0, n]))
        one.replace(np.array([2, n]), some[:2])
    same(index, dense, *asked, rng)
    same(pickle.loads(pickle.dumps(index)), dense, *asked, rng)
    same(index.rebuild(), dense, *asked, rng)


def test_scores_that_round_are_ranked_as_they_are_shown():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(500, 20)).astype(np.float32) for _ in range(2)]
    index = ExactIndex().fit(SideBySide([parts[0], sp.csr_array(parts[1])]))
    queries = SideBySide([parts[0][:50] * 100, sp.csr_array(parts[1][:50])])
    scores, rows = index.search(queries, 500)
    exact = (
        parts[0][:50].astype(float) * 100 @ parts[0].T + parts[1][:50].astype(float) @ parts[1].T
    )
    assert_allclose(scores, -np.sort(-exact), rtol=1e-5, atol=1e-3)
    for place in (0, 7, 499):
        ranks, _ = index.rank(queries, rows[:, place])
        assert_array_equal(ranks, place)


def test_the_companion_compares_first_columns():
    vectors, stacked = drawn(np.random.default_rng(3), 20)
    index = ExactIndex().fit(vectors)
    found = index.companion(3).search(stacked[:2, :3], 4)
    wanted = ExactIndex(metric="angular").fit(stacked[:, :3]).search(stacked[:2, :3], 4)
    assert_allclose(found[0], wanted[0], rtol=1e-6)
    index.add(drawn(np.random.default_rng(4), 2)[0])
    assert len(index.companion(3)) == 22


def test_other_indexes_score_all_of_them():
    vectors, stacked = drawn(np.random.default_rng(5), 30)
    found = AutoIndex().fit(vectors).search(vectors[:3], 4)
    assert_array_equal(found[1], ExactIndex().fit(stacked).search(stacked[:3], 4)[1])


def test_what_is_no_vector():
    vectors, stacked = drawn(np.random.default_rng(6), 5)
    index = ExactIndex().fit(vectors)
    with pytest.raises(
        ValueError,
        match=r"queries to be matrices side by side, of \[3, 7, 2\] columns, as the index; got one",
    ):
        index.search(vectors[:, :3], 1)
    with pytest.raises(
        ValueError,
        match=r"vectors to be matrices .* as the index; got matrices side by side, of \[3, 7\]",
    ):
        index.add(SideBySide(vectors.parts[:2]))
    with pytest.raises(ValueError, match="NaN"):
        ExactIndex().fit(SideBySide([np.full((2, 1), np.nan)]))
    with pytest.raises(ValueError, match=r"queries to be one matrix, as the index; got matrices"):
        ExactIndex().fit(stacked).search(vectors[:2], 1)
