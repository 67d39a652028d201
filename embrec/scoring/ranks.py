"""Ranks of one vector per query, by counting and without sorting."""

from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from embrec.scoring.candidates import Candidates
from embrec.scoring.pairs import Pairs
from embrec.scoring.products import SCORE_MEMORY, Vectors, score_blocks
from embrec.scoring.top_k import choose, nothing

Ties: TypeAlias = Literal["pessimistic", "average", "optimistic"]


def rank_targets(
    queries: Vectors,
    vectors: Vectors | list[Vectors],
    targets: np.ndarray,
    candidates: Candidates | None = None,
    *,
    ties: Ties = "pessimistic",
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank one vector per query among all candidates, by counting and without sorting.

    Parameters
    ----------
    queries : Tensor, ndarray or CSR of shape (n_queries, d)
    vectors : Tensor, ndarray or CSR of shape (n_vectors, d)
    targets : ndarray of shape (n_queries,), int
        The row of ``vectors`` to rank for each query.
    candidates : Candidates, optional
        What the target is ranked against; everything by default.
    ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
        Whether vectors that score exactly as the target count as ahead of it, half, or not.
    memory : int, default=64 MiB
        Bytes of scores held at a time.

    Returns
    -------
    ranks : ndarray of shape (n_queries,), float64
        How many candidates are ahead of the target: 0 is best. A target whose score is NaN is
        last, and other scores that are NaN are ahead. One that is no candidate is last: it could
        never be found.
    n_candidates : ndarray of shape (n_queries,), int64
        How many candidates there are, the target included.
    """
    return rank_and_find(queries, vectors, targets, 0, candidates, ties=ties, memory=memory)[:2]


def rank_and_find(
    queries: Vectors,
    vectors: Vectors | list[Vectors],
    targets: np.ndarray,
    k: int,
    candidates: Candidates | None = None,
    *,
    ties: Ties = "pessimistic",
    order: np.ndarray | None = None,
    longest_square: float | None = None,
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do as `rank_targets` does, and find the best k among the same scores.

    Parameters
    ----------
    queries, vectors, targets, candidates, ties, memory
        As for `rank_targets`.
    k : int
        May be 0.
    order, longest_square
        As for `top_k`.

    Returns
    -------
    ranks : ndarray of shape (n_queries,), float64
    n_candidates : ndarray of shape (n_queries,), int64
    best : ndarray of shape (n_queries, k), int64
        Rows of ``vectors``, best first; -1 where fewer than ``k`` may be found.
    """
    n_queries = queries.shape[0]
    ranks = np.empty(n_queries, dtype=np.float64)
    n_candidates = np.empty(n_queries, dtype=np.int64)
    found, _ = nothing(n_queries, k)
    pairs = Pairs(queries, vectors if isinstance(vectors, list) else [vectors], longest_square)
    check_ties(ties)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        block = slice(start, start + len(scores))
        of_block = targets[block].astype(np.int64)
        n_candidates[block] = scores.shape[1]
        columns = torch.as_tensor(of_block, device=scores.device)[:, None]
        if candidates is not None:
            candidates.mask(scores, start)
            may = (scores != -torch.inf).scatter_(1, columns, True)
            n_candidates[block] = _count_true(may).cpu().numpy()
        target_scores = scores.gather(1, columns)
        if scores.device.type == "cpu":
            ahead = _count_by_pairs(scores.numpy(), of_block, start, pairs, ties)
        else:
            ahead = count_ahead(scores, target_scores, ties).cpu().numpy()
        # a target that may not answer is tied with all others that may not, and yet behind the rest
        never = (target_scores[:, 0] == -torch.inf).cpu().numpy()
        ranks[block] = np.where(never, np.inf, ahead)
        if k:
            found[block], _ = choose(scores, start, k, pairs, order)
    # nothing is behind NaN, not even what is no candidate
    return np.minimum(ranks, n_candidates - 1), n_candidates, found


def _count_by_pairs(
    scores: np.ndarray, targets: np.ndarray, start: int, pairs: Pairs, ties: Ties
) -> np.ndarray:
    """Count what is ahead, as `count_ahead` does; where it is close the scores of pairs decide."""
    every = np.arange(len(scores))
    own = pairs.scores(every + start, targets)[:, None]
    slack = pairs.slack[start : start + len(scores)]
    with np.errstate(over="ignore", invalid="ignore"):
        ahead = scores > own + slack
        near = scores < own - slack  # these are behind
    ahead[every, targets] = False
    n_ahead = _count(ahead)
    np.logical_not(np.logical_or(near, ahead, out=near), out=near)
    near[every, targets] = False
    near[np.isnan(own[:, 0])] = False
    numbers, columns, counts = pairs.distinct(near)
    of_near, own_of = pairs.scores(numbers + start, columns), own[numbers, 0]
    level = np.bincount(numbers, counts * (of_near == own_of), len(scores))
    n_ahead = n_ahead + np.bincount(numbers, counts * ~(of_near <= own_of), len(scores))
    ranks: np.ndarray = n_ahead + {"pessimistic": 1, "average": 0.5, "optimistic": 0}[ties] * level
    return np.where(np.isnan(own[:, 0]), np.inf, ranks)


def check_ties(ties: str) -> None:
    """Raise if this is no way to count ties."""
    if ties not in get_args(Ties):
        raise ValueError(
            f"ties must be one of {', '.join(map(repr, get_args(Ties)))}; got {ties!r}."
        )


def count_ahead(scores: Tensor, target_scores: Tensor, ties: Ties) -> Tensor:
    """Count what is ahead of a target that is itself among the scores.

    A score or target that is NaN counts against the model: a broken model ranks last.

    Parameters
    ----------
    scores : Tensor of shape (n, m)
    target_scores : Tensor of shape (n, 1)
    ties : {"pessimistic", "average", "optimistic"}

    Returns
    -------
    Tensor of shape (n,)
    """
    check_ties(ties)
    # "not behind" rather than ">=" is what makes NaN count
    not_behind = scores.shape[1] - _count_true(scores < target_scores) - 1
    if ties == "pessimistic":
        return not_behind
    level = _count_true(scores == target_scores)
    tied = torch.where(level > 0, level - 1, 0)
    return not_behind - (tied if ties == "optimistic" else tied / 2)


def _count_true(mask: Tensor) -> Tensor:
    if mask.device.type == "cpu":
        return torch.from_numpy(_count(mask.numpy()))
    return mask.sum(1)


def _count(mask: np.ndarray) -> np.ndarray:
    """Count per row, an order of magnitude faster than torch's sum."""
    counts: np.ndarray = np.count_nonzero(mask, axis=1)
    return counts
