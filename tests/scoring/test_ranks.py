"""Ranks by counting, against loops."""

import numpy as np
import pytest
import torch
from drawn_candidates import CANDIDATES, D, M, N, as_kind, build, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.scoring.candidates import Candidates
from embrec.scoring.pairs import Pairs
from embrec.scoring.ranks import rank_and_find, rank_targets


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
        found = ahead + share * level
        assert ranks[i] == (found if may[i, target] else len(others))
        assert n_candidates[i] == len(others) + 1


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
            assert ranks[i] == (ahead if may[i, target] else others.sum())
        assert 0 <= ranks[i] < n_candidates[i]


def test_ways_to_count_ties_that_are_none():
    with pytest.raises(ValueError, match="'pessimistic', 'average', 'optimistic'; got 'worst'"):
        rank_targets(torch.ones(1, 1), torch.ones(2, 1), np.array([0]), ties="worst")


def test_no_query_has_no_rank():
    ranks, n_candidates = rank_targets(
        torch.ones(0, D), torch.ones(M, D), np.array([], dtype=int), Candidates(torch.ones(M) > 0)
    )
    assert ranks.shape == n_candidates.shape == (0,)


@settings(deadline=None)
@given(drawn=CANDIDATES, k=st.integers(0, M + 2), seed=st.integers(0, 99))
def test_the_best_of_the_same_pass(drawn, k, seed):
    queries, items = (torch.from_numpy(vectors(s, n)) for s, n in ((seed, N), (seed + 1, M)))
    targets = np.random.default_rng(seed).integers(0, M, N)
    candidates, may = build(drawn)
    ranks, n_candidates, best = rank_and_find(queries, items, targets, k, candidates)
    alone = rank_targets(queries, items, targets, candidates)
    assert (ranks.tolist(), n_candidates.tolist()) == tuple(found.tolist() for found in alone)
    scores = np.where(may, (queries @ items.T).numpy(), -np.inf)
    for row, of_row, allowed in zip(best, scores, may, strict=True):
        n = min(k, int(allowed.sum()))
        assert row[:n].tolist() == np.argsort(-of_row)[:n].tolist()
        assert (row[n:] == -1).all()


@pytest.mark.parametrize("ties", ["pessimistic", "average", "optimistic"])
def test_many_equal_vectors_are_all_counted(ties):
    """Some may not answer, and others are equal but for what float32 rounds."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(3, 32)).astype(np.float32)[rng.integers(0, 3, 90)]
    items[80:] *= 1 + np.float32(1e-7) * rng.integers(-2, 3, (10, 32)).astype(np.float32)
    queries = rng.normal(size=(50, 32)).astype(np.float32)
    targets, allowed = rng.integers(0, 90, 50), rng.random(90) < 0.8
    candidates = Candidates(torch.from_numpy(allowed))
    ranks, n_candidates = rank_targets(queries, items, targets, candidates, ties=ties)
    numbers, columns = np.divmod(np.arange(50 * 90), 90)
    scores = Pairs(queries, [items]).scores(numbers, columns).reshape(50, 90)
    share = {"pessimistic": 1, "average": 0.5, "optimistic": 0}[ties]
    for i, target in enumerate(targets):
        others = allowed & (np.arange(90) != target)
        assert n_candidates[i] == others.sum() + 1
        ahead = (others & (scores[i] > scores[i, target])).sum()
        level = (others & (scores[i] == scores[i, target])).sum()
        assert ranks[i] == (ahead + share * level if allowed[target] else others.sum())
