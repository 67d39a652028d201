"""Top-k and ranks, against a full sort of the whole matrix."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.data.ragged import Ragged
from embrec.scoring.blocks import score_blocks
from embrec.scoring.candidates import Candidates
from embrec.scoring.ranks import rank_targets
from embrec.scoring.top_k import top_k

N, M, D = 7, 12, 3


def ragged(rows):
    values = np.array([v for row in rows for v in row], dtype=np.int32)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows]))


def vectors(seed, n, *, small_integers=False):
    rng = np.random.default_rng(seed)
    # small integers make ties, and products that are exact in any order
    values = rng.integers(-2, 3, (n, D)) if small_integers else rng.normal(size=(n, D))
    return values.astype(np.float32)


def as_kind(array, kind):
    return sp.csr_array(array) if kind == "sparse" else torch.from_numpy(array)


ROW_LISTS = st.lists(
    st.lists(st.integers(0, M - 1), max_size=M, unique=True), min_size=N, max_size=N
)
CANDIDATES = st.fixed_dictionaries(
    {
        "allowed": st.none() | st.lists(st.booleans(), min_size=M, max_size=M),
        "included": st.none() | ROW_LISTS,
        "excluded": st.none() | ROW_LISTS,
    }
)


def build(drawn):
    allowed, included, excluded = drawn["allowed"], drawn["included"], drawn["excluded"]
    candidates = Candidates(
        None if allowed is None else torch.tensor(allowed),
        None if included is None else ragged(included),
        () if excluded is None else (ragged(excluded),),
    )
    may = np.ones((N, M), dtype=bool)
    if allowed is not None:
        may &= np.array(allowed)
    for row in range(N):
        if included is not None:
            may[row] &= np.isin(np.arange(M), included[row])
        if excluded is not None:
            may[row] &= ~np.isin(np.arange(M), excluded[row])
    return candidates, may


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


@settings(deadline=None)
@given(
    drawn=CANDIDATES,
    kind=st.sampled_from(["dense", "sparse"]),
    ties=st.sampled_from(["pessimistic", "average", "optimistic"]),
    memory=st.sampled_from([1, 4 * M * 2, 2**20]),
    seed=st.integers(0, 99),
)
def test_rank_targets(drawn, kind, ties, memory, seed):
    queries, items = (
        vectors(seed, N, small_integers=True),
        vectors(seed + 1, M, small_integers=True),
    )
    targets = np.random.default_rng(seed).integers(0, M, N)
    candidates, may = build(drawn)
    ranks, n_candidates = rank_targets(
        as_kind(queries, kind), as_kind(items, kind), targets, candidates, ties=ties, memory=memory
    )
    scores = queries @ items.T
    for i, target in enumerate(targets):
        others = [j for j in range(M) if j != target and may[i, j]]
        ahead = sum(scores[i, j] > scores[i, target] for j in others)
        level = sum(scores[i, j] == scores[i, target] for j in others)
        share = {"pessimistic": 1, "average": 0.5, "optimistic": 0}[ties]
        assert ranks[i] == ahead + share * level
        assert n_candidates[i] == len(others) + 1


def test_blocks_are_as_large_as_the_memory_allows():
    queries, items = torch.zeros(10, 2), torch.zeros(6, 2)
    sizes = [len(scores) for _, scores in score_blocks(queries, items, memory=4 * 6 * 4)]
    assert sizes == [4, 4, 2]
    assert [start for start, _ in score_blocks(queries, items, memory=1)] == list(range(10))


def test_a_model_that_gives_no_numbers_ranks_last():
    items = torch.tensor([[1.0], [torch.nan], [0.0]])
    ranks, _ = rank_targets(torch.ones(2, 1), items, np.array([0, 1]))
    # the NaN counts as ahead of the best, and as behind everything
    assert ranks.tolist() == [1, 2]


def test_a_model_that_scores_everything_alike_ranks_last():
    same = torch.ones(1, 1), torch.ones(5, 1), np.array([2])
    assert rank_targets(*same)[0] == [4]
    assert rank_targets(*same, ties="average")[0] == [2]
    assert rank_targets(*same, ties="optimistic")[0] == [0]


# ---- scores that are no numbers


def test_what_scores_no_number_is_not_found():
    items = torch.tensor([[torch.nan], [1.0], [torch.nan], [2.0], [0.0]])
    rows, scores = top_k(torch.tensor([[1.0], [-1.0]]), items, 4)
    assert rows.tolist() == [[3, 1, 4, -1], [4, 1, 3, -1]]
    assert scores.tolist() == [[2, 1, 0, -np.inf], [0, -1, -2, -np.inf]]
    rows, _ = top_k(torch.tensor([[torch.nan]]), items, 2)
    assert rows.tolist() == [[-1, -1]]


@settings(deadline=None)
@given(
    drawn=CANDIDATES,
    ties=st.sampled_from(["pessimistic", "average", "optimistic"]),
    broken=st.lists(st.integers(0, M - 1), min_size=1, unique=True),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    seed=st.integers(0, 99),
)
def test_a_broken_model_never_gains(drawn, ties, broken, value, seed):
    """Ranks stay below the number of candidates; a NaN target is last, another NaN ahead."""
    items = np.abs(vectors(seed, M)) + 1
    items[broken] = value
    targets = np.random.default_rng(seed).integers(0, M, N)
    candidates, may = build(drawn)
    ranks, n_candidates = rank_targets(
        torch.ones(N, D), torch.from_numpy(items), targets, candidates, ties=ties
    )
    scores = items.sum(axis=1)
    for i, target in enumerate(targets):
        others = may[i].copy()
        others[target] = False
        if not np.isneginf(value):  # which cannot be told from what is no candidate
            assert n_candidates[i] == others.sum() + 1
        if np.isnan(value):
            ahead = others.sum() if np.isnan(scores[target]) else (others & np.isnan(scores)).sum()
            ahead += (others & (scores > scores[target])).sum()
            assert ranks[i] == ahead
        assert 0 <= ranks[i] < n_candidates[i]


def test_ways_to_count_ties_that_are_none():
    with pytest.raises(ValueError, match="'pessimistic', 'average', 'optimistic'; got 'worst'"):
        rank_targets(torch.ones(1, 1), torch.ones(2, 1), np.array([0]), ties="worst")


def test_candidates_named_twice_count_once():
    queries, items = torch.ones(1, 1), torch.tensor([[3.0], [2.0], [1.0]])
    twice = Candidates(included=ragged([[1, 1, 2]]), excluded=(ragged([[2, 2]]), ragged([[2]])))
    assert top_k(queries, items, 3, twice)[0].tolist() == [[1, -1, -1]]
    assert rank_targets(queries, items, np.array([0]), twice)[1].tolist() == [2]


def test_no_query_at_all():
    rows, scores = top_k(torch.ones(0, D), torch.ones(M, D), 4)
    assert rows.shape == scores.shape == (0, 4)
    ranks, n_candidates = rank_targets(
        torch.ones(0, D), torch.ones(M, D), np.array([], dtype=int), Candidates(torch.ones(M) > 0)
    )
    assert ranks.shape == n_candidates.shape == (0,)
