"""Scores of vectors against vectors, in blocks: the best k, and ranks by counting.

Nothing here knows ids, users or models. Queries and vectors are torch tensors, or scipy CSR
matrices; a score is their inner product. No more than ``memory`` bytes of scores exist at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from embrec.ragged import Ragged

Vectors: TypeAlias = Tensor | sp.csr_matrix | sp.csr_array
Ties: TypeAlias = Literal["pessimistic", "average", "optimistic"]

#: Bytes of scores held at a time.
SCORE_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class Candidates:
    """Which vectors may answer which query.

    Parameters
    ----------
    allowed : Tensor of shape (n_vectors,), bool, optional
        For all queries alike.
    included : Ragged of vector rows, optional
        Per query: nothing but these.
    excluded : tuple of Ragged of vector rows
        Per query: none of these.
    """

    allowed: Tensor | None = None
    included: Ragged | None = None
    excluded: tuple[Ragged, ...] = ()

    @property
    def are_all(self) -> bool:
        """Whether every vector may answer every query."""
        return self.allowed is None and self.included is None and not self.excluded

    def mask(self, scores: Tensor, start: int) -> None:
        """Set the scores of what may not answer to -inf, in place.

        Parameters
        ----------
        scores : Tensor of shape (n_block, n_vectors)
            Scores of the queries ``start, start + 1, ...``.
        start : int
            Number of the block's first query.
        """
        stop = start + len(scores)
        if self.allowed is not None:
            scores[:, ~self.allowed] = -torch.inf
        if self.included is not None:
            kept = torch.full_like(scores, -torch.inf)
            cells = _cells(self.included.slice_rows(start, stop), scores.device)
            kept[cells] = scores[cells]
            scores.copy_(kept)
        for rows in self.excluded:
            scores[_cells(rows.slice_rows(start, stop), scores.device)] = -torch.inf


def _cells(rows: Ragged, device: torch.device) -> tuple[Tensor, Tensor]:
    columns = torch.from_numpy(rows.values.astype(np.int64))
    return torch.from_numpy(rows.row_numbers).to(device), columns.to(device)


def score_blocks(
    queries: Vectors, vectors: Vectors, *, memory: int = SCORE_MEMORY
) -> Iterator[tuple[int, Tensor]]:
    """Yield the inner products of queries and vectors, some queries at a time.

    Parameters
    ----------
    queries : Tensor or CSR of shape (n_queries, d)
    vectors : Tensor or CSR of shape (n_vectors, d)
    memory : int, default=64 MiB
        Bytes of scores in a block; a block has one query at least.

    Yields
    ------
    start : int
        Number of the block's first query.
    scores : Tensor of shape (n_block, n_vectors), float32
        The caller may change it.
    """
    n_rows = max(1, memory // (4 * max(1, vectors.shape[0])))
    transposed: Any = vectors.T
    if sp.issparse(vectors):
        transposed = transposed.tocsr()  # once, not in every product
    for start in range(0, queries.shape[0], n_rows):
        scores: Any = queries[start : start + n_rows] @ transposed
        yield start, torch.as_tensor(scores.toarray() if sp.issparse(scores) else scores)


def top_k(
    queries: Vectors,
    vectors: Vectors,
    k: int,
    candidates: Candidates | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the vectors with the largest inner products, exactly.

    Parameters
    ----------
    queries : Tensor or CSR of shape (n_queries, d)
    vectors : Tensor or CSR of shape (n_vectors, d)
    k : int
        How many to return for each query.
    candidates : Candidates, optional
        Which vectors may answer; all by default.
    memory : int, default=64 MiB
        Bytes of scores held at a time.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), int64
        Rows of ``vectors``, best first; -1 where fewer than ``k`` may answer.
    scores : ndarray of shape (n_queries, k), float32
        Their inner products; -inf where the row is -1.

    Notes
    -----
    A vector whose inner product is NaN is not found.
    """
    n_found = min(k, vectors.shape[0])
    rows = np.full((queries.shape[0], k), -1, dtype=np.int64)
    values = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        if candidates is not None:
            candidates.mask(scores, start)
        best, where = torch.topk(scores, n_found, dim=1)
        if best.isnan().any():  # NaN sorts as the largest
            best, where = torch.topk(
                scores.masked_fill_(scores.isnan(), -torch.inf), n_found, dim=1
            )
        block = slice(start, start + len(scores))
        values[block, :n_found] = best.cpu().numpy()
        rows[block, :n_found] = where.cpu().numpy()
    rows[np.isneginf(values)] = -1
    return rows, values


def rank_targets(
    queries: Vectors,
    vectors: Vectors,
    targets: np.ndarray,
    candidates: Candidates | None = None,
    *,
    ties: Ties = "pessimistic",
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank one vector per query among all candidates, by counting and without sorting.

    Parameters
    ----------
    queries : Tensor or CSR of shape (n_queries, d)
    vectors : Tensor or CSR of shape (n_vectors, d)
    targets : ndarray of shape (n_queries,), int
        The row of ``vectors`` to rank for each query; a candidate always.
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
        last, and other scores that are NaN are ahead.
    n_candidates : ndarray of shape (n_queries,), int64
        How many candidates there are, the target included.
    """
    ranks = np.empty(queries.shape[0], dtype=np.float64)
    n_candidates = np.empty(queries.shape[0], dtype=np.int64)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        block = slice(start, start + len(scores))
        columns = torch.as_tensor(targets[block].astype(np.int64), device=scores.device)[:, None]
        target_scores = scores.gather(1, columns)
        if candidates is None:
            n_candidates[block] = scores.shape[1]
        else:
            candidates.mask(scores, start)
            scores.scatter_(1, columns, target_scores)
            may = (scores != -torch.inf).scatter_(1, columns, True)
            n_candidates[block] = _count_true(may).cpu().numpy()
        ranks[block] = count_ahead(scores, target_scores, ties).cpu().numpy()
    # nothing is behind NaN, not even what is no candidate
    return np.minimum(ranks, n_candidates - 1), n_candidates


def check_k(k: Any) -> int:
    """Return ``k`` as an int, or raise ValueError if it is no positive integer."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"k must be an integer >= 1; got {k!r}.")
    return int(k)


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
