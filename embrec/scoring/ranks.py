"""Ranks of one vector per query, by counting and without sorting."""

from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from embrec.scoring.candidates import Candidates
from embrec.scoring.products import SCORE_MEMORY, Vectors, score_blocks
from embrec.scoring.top_k import largest

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
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do as `rank_targets` does, and find the best k among the same scores.

    Parameters
    ----------
    queries, vectors, targets, candidates, ties, memory
        As for `rank_targets`.
    k : int
        May be 0.

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
    found = np.full((n_queries, k), -1, dtype=np.int64)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        block = slice(start, start + len(scores))
        columns = torch.as_tensor(targets[block].astype(np.int64), device=scores.device)[:, None]
        target_scores = scores.gather(1, columns)
        if candidates is None:
            n_candidates[block] = scores.shape[1]
        else:
            candidates.mask(scores, start)
            target_scores = scores.gather(1, columns)
            may = (scores != -torch.inf).scatter_(1, columns, True)
            n_candidates[block] = _count_true(may).cpu().numpy()
        ahead = count_ahead(scores, target_scores, ties).to(torch.float64)
        # a target that may not answer is tied with all others that may not, and yet behind the rest
        ahead.masked_fill_(target_scores[:, 0] == -torch.inf, torch.inf)
        ranks[block] = ahead.cpu().numpy()
        if k:
            scores.masked_fill_(scores.isnan(), -torch.inf)
            values, rows = largest(scores, min(k, scores.shape[1]))
            rows = rows.masked_fill(values == -torch.inf, -1)
            found[block, : rows.shape[1]] = rows.cpu().numpy()
    # nothing is behind NaN, not even what is no candidate
    return np.minimum(ranks, n_candidates - 1), n_candidates, found


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
    """Count per row; on a CPU numpy does it an order of magnitude faster than torch's sum."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.count_nonzero(mask.numpy(), axis=1))
    return mask.sum(1)
