"""Top-k, against a full sort of the whole matrix."""

import numpy as np
import pytest
import torch
from drawn_candidates import CANDIDATES, D, M, N, as_kind, build, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.scoring.candidates import Candidates
from embrec.scoring.pairs import Pairs
from embrec.scoring.top_k import BLOCK, largest, top_k


@settings(deadline=None)
@given(
    drawn=CANDIDATES,
    kind=st.sampled_from(["dense", "sparse"]),
    k=st.integers(1, M + 3),
    memory=st.sampled_from([1, 4 * M * 2, 2**20]),
    seed=st.integers(0, 99),
)
def test_top_k(drawn, kind, k, memory, seed):
    queries, items = vectors(seed, N), vectors(seed + 1, M)
    candidates, may = build(drawn)
    rows, scores = top_k(as_kind(queries, kind), as_kind(items, kind), k, candidates, memory=memory)
    truth = np.where(may, queries.astype(np.float64) @ items.T, -np.inf)
    for i in range(N):
        n = min(k, int(may[i].sum()))
        assert rows[i, :n].tolist() == np.argsort(-truth[i])[:n].tolist()
        np.testing.assert_allclose(scores[i, :n], truth[i, rows[i, :n]], rtol=1e-5, atol=1e-6)
        assert (rows[i, n:] == -1).all()
        assert np.isneginf(scores[i, n:]).all()


def test_what_scores_no_number_is_not_found():
    items = torch.tensor([[torch.nan], [1.0], [torch.nan], [2.0], [0.0]])
    rows, scores = top_k(torch.tensor([[1.0], [-1.0]]), items, 4)
    assert rows.tolist() == [[3, 1, 4, -1], [4, 1, 3, -1]]
    assert scores.tolist() == [[2, 1, 0, -np.inf], [0, -1, -2, -np.inf]]
    rows, _ = top_k(torch.tensor([[torch.nan]]), items, 2)
    assert rows.tolist() == [[-1, -1]]


def test_no_query_has_no_best():
    rows, scores = top_k(torch.ones(0, D), torch.ones(M, D), 4)
    assert rows.shape == scores.shape == (0, 4)


@pytest.mark.parametrize("k", [1, 3])
def test_blocks_of_scores_hold_the_largest(k):
    scores = torch.from_numpy(np.random.default_rng(k).permutation(2 * (15 * BLOCK + 7)))
    scores = scores.reshape(2, -1).float()
    values, columns = largest(scores, k)
    expected = torch.topk(scores, k, dim=1)
    assert values.tolist() == expected.values.tolist()
    assert columns.tolist() == expected.indices.tolist()


def expected_lists(queries, items, k, order):
    """By the scores of the pairs, and of equal ones by the order."""
    numbers, columns = np.divmod(np.arange(len(queries) * len(items)), len(items))
    scores = Pairs(queries, [items]).scores(numbers, columns).reshape(len(queries), -1)
    return np.array([np.lexsort((order, -row))[:k] for row in scores])


@pytest.mark.parametrize("n_queries", [1, 30])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_what_blocks_round_decides_nothing(n_queries, k):
    rng = np.random.default_rng(k)
    queries = rng.normal(size=(n_queries, 64)).astype(np.float32)
    items = np.repeat(rng.normal(size=(1, 64)), 2000, axis=0) * (
        1 + 1e-7 * rng.normal(size=(2000, 64))
    )
    items = items.astype(np.float32)
    expected = expected_lists(queries, items, k, np.arange(2000))
    np.testing.assert_array_equal(top_k(queries, items, k)[0], expected)


@pytest.mark.parametrize("kinds", [6, 400])
@pytest.mark.parametrize("k", [1, 4, 25])
def test_equal_vectors_stand_in_the_order_that_is_asked_for(kinds, k):
    """Few kinds of them are so many copies that most are left out early."""
    rng = np.random.default_rng(kinds)
    items = rng.normal(size=(kinds, D)).astype(np.float32)[rng.integers(0, kinds, 500)]
    queries = rng.normal(size=(40, D)).astype(np.float32)
    allowed = rng.random(500) < 0.7
    for order in (None, rng.permutation(500)):
        places = np.arange(500) if order is None else order
        expected = expected_lists(queries, items[allowed], k, places[allowed])
        found, _ = top_k(queries, items, k, Candidates(torch.from_numpy(allowed)), order=order)
        np.testing.assert_array_equal(found, np.flatnonzero(allowed)[expected])
        both, _ = top_k(queries, [items[:90], items[90:]], k, order=order)
        np.testing.assert_array_equal(both, expected_lists(queries, items, k, places))
