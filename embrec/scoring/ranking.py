"""Scores of vectors against vectors, in blocks: the best k, and ranks by counting.

Nothing here knows ids, users or models. Queries and vectors are torch tensors, float32 arrays or
scipy CSR matrices; a score is their inner product. No more than ``memory`` bytes of scores exist at
a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from embrec.data.ragged import Ragged

Vectors: TypeAlias = Tensor | np.ndarray | sp.csr_matrix | sp.csr_array
Ties: TypeAlias = Literal["pessimistic", "average", "optimistic"]

#: Bytes of scores held at a time.
SCORE_MEMORY = 64 * 2**20
#: Up to so many queries are multiplied one by one.
FEW = 4
#: How many scores a block has, of which top-k looks at the largest first.
BLOCK = 256


@dataclass(frozen=True)
class Candidates:
    """Which vectors may answer which query.

    Parameters
    ----------
    allowed : Tensor of shape (n_vectors,), bool, optional
        For all queries alike.
    forbidden : Tensor of vector rows, int64, optional
        None of these, for all queries alike.
    included : Ragged of vector rows, optional
        Per query: nothing but these.
    excluded : tuple of Ragged of vector rows
        Per query: none of these.
    """

    allowed: Tensor | None = None
    included: Ragged | None = None
    excluded: tuple[Ragged, ...] = ()
    forbidden: Tensor | None = None

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
            scores.masked_fill_(~self.allowed.to(scores.device), -torch.inf)
        if self.forbidden is not None:
            scores.index_fill_(1, self.forbidden.to(scores.device), -torch.inf)
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
    queries: Vectors, vectors: Vectors | list[Vectors], *, memory: int = SCORE_MEMORY
) -> Iterator[tuple[int, Tensor]]:
    """Yield the inner products of queries and vectors, some queries at a time.

    Parameters
    ----------
    queries : Tensor, ndarray or CSR of shape (n_queries, d)
    vectors : Tensor, ndarray or CSR of shape (n_vectors, d), float32, or a list of them
        A list counts as one matrix, its parts below each other.
    memory : int, default=64 MiB
        Bytes of scores in a block; a block has one query at least.

    Yields
    ------
    start : int
        Number of the block's first query.
    scores : Tensor of shape (n_block, n_vectors), float32
        The caller may change it.
    """
    parts: list[Any] = vectors if isinstance(vectors, list) else [vectors]
    n_vectors = sum(part.shape[0] for part in parts)
    n_rows = max(1, memory // (4 * max(1, n_vectors)))
    # once, not in every product
    turned = [part.T.tocsr() if sp.issparse(part) else part for part in parts]
    for start in range(0, queries.shape[0], n_rows):
        block = queries[start : start + n_rows]
        yield start, _products(block, turned, n_vectors)


def _products(queries: Vectors, parts: list[Any], n_vectors: int) -> Tensor:
    if sp.issparse(queries):
        return torch.from_numpy(np.hstack([(queries @ part).toarray() for part in parts]))
    if isinstance(queries, Tensor) and queries.device.type != "cpu":
        return torch.cat([queries @ part.T for part in parts], dim=1)
    scores = np.empty((len(queries), n_vectors), dtype=np.float32)
    stop = 0
    for part in parts:
        start, stop = stop, stop + len(part)
        _multiply(np.asarray(queries), np.asarray(part), scores[:, start:stop])
    return torch.from_numpy(scores)


def _multiply(queries: np.ndarray, vectors: np.ndarray, out: np.ndarray) -> None:
    """Write inner products to `out`; numpy's way for one vector is several times torch's."""
    if len(queries) > FEW:
        np.matmul(queries, vectors.T, out=out)
        return
    for query, scores in zip(queries, out, strict=True):
        np.matmul(vectors, query, out=scores)


def top_k(
    queries: Vectors,
    vectors: Vectors | list[Vectors],
    k: int,
    candidates: Candidates | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the vectors with the largest inner products, exactly.

    Parameters
    ----------
    queries : Tensor, ndarray or CSR of shape (n_queries, d)
    vectors : Tensor, ndarray or CSR of shape (n_vectors, d)
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
    parts = vectors if isinstance(vectors, list) else [vectors]
    n_found = min(k, sum(part.shape[0] for part in parts))
    rows = np.full((queries.shape[0], k), -1, dtype=np.int64)
    values = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        if candidates is not None:
            candidates.mask(scores, start)
        best, where = largest(scores, n_found)
        if best.isnan().any():  # NaN sorts as the largest
            best, where = largest(scores.masked_fill_(scores.isnan(), -torch.inf), n_found)
        block = slice(start, start + len(scores))
        values[block, :n_found] = best.cpu().numpy()
        rows[block, :n_found] = where.cpu().numpy()
    rows[np.isneginf(values)] = -1
    return rows, values


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Do as ``torch.topk(scores, k, dim=1)`` does, several times as fast for small k.

    The k largest are in the k blocks whose maxima are largest.

    Parameters
    ----------
    scores : Tensor of shape (n, m)
    k : int
        At most m.

    Returns
    -------
    values, columns : Tensor of shape (n, k)
        Largest first.
    """
    n_blocks = scores.shape[1] // BLOCK
    if n_blocks < 4 * k or scores.device.type != "cpu":
        return torch.topk(scores, k, dim=1)
    whole = scores[:, : n_blocks * BLOCK].reshape(len(scores), n_blocks, BLOCK)
    blocks = torch.topk(whole.amax(2), k, dim=1, sorted=False).indices
    columns = (blocks[:, :, None] * BLOCK + torch.arange(BLOCK)).flatten(1)
    rest = torch.arange(n_blocks * BLOCK, scores.shape[1]).expand(len(scores), -1)
    columns = torch.cat([columns, rest], dim=1)
    values, places = torch.topk(scores.gather(1, columns), k, dim=1)
    return values, columns.gather(1, places)


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
        As for `rank_targets`. A target is among what may be found, whatever the candidates.
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
            scores.scatter_(1, columns, target_scores)
            may = (scores != -torch.inf).scatter_(1, columns, True)
            n_candidates[block] = _count_true(may).cpu().numpy()
        ranks[block] = count_ahead(scores, target_scores, ties).cpu().numpy()
        if k:
            scores.masked_fill_(scores.isnan(), -torch.inf)
            values, rows = largest(scores, min(k, scores.shape[1]))
            rows = rows.masked_fill(values == -torch.inf, -1)
            found[block, : rows.shape[1]] = rows.cpu().numpy()
    # nothing is behind NaN, not even what is no candidate
    return np.minimum(ranks, n_candidates - 1), n_candidates, found


def check_k(k: Any) -> int:
    """Return ``k`` as an int, or raise ValueError if it is no positive integer."""
    return check_positive(k, "k")


def check_positive(value: Any, name: str) -> int:
    """Return a value as an int, or raise ValueError if it is no positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1; got {value!r}.")
    return int(value)


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
