"""The vectors with the largest scores, exactly, equal ones in one order."""

import numpy as np
import torch
from torch import Tensor

from embrec.scoring.candidates import Candidates
from embrec.scoring.pairs import MANY, Pairs
from embrec.scoring.products import SCORE_MEMORY, Vectors, score_blocks

#: How many scores a block has, of which top-k looks at the largest first.
BLOCK = 256


def top_k(
    queries: Vectors,
    vectors: Vectors | list[Vectors],
    k: int,
    candidates: Candidates | None = None,
    *,
    order: np.ndarray | None = None,
    longest_square: float | None = None,
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
    order : ndarray of shape (n_vectors,), int, optional
        Of vectors that score alike the one with the smaller number is first; by default, rows.
    longest_square : float, optional
        No vector's squared length is greater; computed by default.
    memory : int, default=64 MiB
        Bytes of scores held at a time.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), int64
        Rows of ``vectors``, best first; -1 where fewer than ``k`` may answer. Those for one ``k``
        are the first of those for any larger one.
    scores : ndarray of shape (n_queries, k), float32
        Their inner products; -inf where the row is -1. The score of a pair does not depend on the
        other queries and vectors.

    Notes
    -----
    A vector whose inner product is NaN is not found.
    """
    parts = vectors if isinstance(vectors, list) else [vectors]
    pairs = Pairs(queries, parts, longest_square)
    rows, values = nothing(queries.shape[0], k)
    if min(k, pairs.n_vectors) == 0:
        return rows, values
    for start, scores in score_blocks(queries, vectors, memory=memory):
        if candidates is not None:
            candidates.mask(scores, start)
        block = slice(start, start + len(scores))
        rows[block], values[block] = choose(scores, start, k, pairs, order)
    return rows, values


def choose(
    scores: Tensor, start: int, k: int, pairs: Pairs, order: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the k best of a block of scores, by the scores of the pairs.

    Parameters
    ----------
    scores : Tensor of shape (n_block, n_vectors)
        -inf where a vector may not answer. It may be changed.
    start : int
        Number of the block's first query.
    k : int
    pairs : Pairs
    order : ndarray of shape (n_vectors,), int, optional
        As for `top_k`.

    Returns
    -------
    rows : ndarray of shape (n_block, k), int64
    scores : ndarray of shape (n_block, k), float32
    """
    # a few more, to see whether it is clear who the k-th is
    best, where = largest(scores, min(k + max(1, k // 8), scores.shape[1]))
    if best.isnan().any():  # NaN sorts as the largest
        best, where = largest(scores.masked_fill_(scores.isnan(), -torch.inf), best.shape[1])
    values, found = best.cpu().numpy(), where.cpu().numpy()
    with np.errstate(over="ignore"):
        least = values[:, :k][:, -1:] - 2 * pairs.slack[start : start + len(scores)]
    may = (values >= least) & (values > -np.inf)
    rows, of_rows = _in_order(found, may, start, k, pairs, order)
    unclear = np.flatnonzero(may[:, -1])
    if len(unclear) and scores.shape[1] > found.shape[1]:
        numbers, columns = _near(scores, unclear, least, k, pairs, order)
        near = pairs.many_scores(numbers + start, columns)
        some = best_of_pairs(numbers, columns, near, len(scores), k, order)
        rows[unclear], of_rows[unclear] = some[0][unclear], some[1][unclear]
    return rows, of_rows


def _in_order(
    found: np.ndarray,
    may: np.ndarray,
    start: int,
    k: int,
    pairs: Pairs,
    order: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Arrange the vectors that may be among the best of each query: (n, k), and their scores."""
    rows, scores = nothing(len(found), max(k, found.shape[1]))
    numbers, places = np.divmod(np.flatnonzero(may), may.shape[1])
    columns = found[numbers, places]
    rows[numbers, places], scores[numbers, places] = columns, pairs.scores(numbers + start, columns)
    arranged = np.lexsort((rows if order is None else order[rows], -scores), axis=1)[:, :k]
    return np.take_along_axis(rows, arranged, 1), np.take_along_axis(scores, arranged, 1)


def _near(
    scores: Tensor,
    queries: np.ndarray,
    least: np.ndarray,
    k: int,
    pairs: Pairs,
    order: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find all pairs of some queries that may be among the k best: numbers, and columns."""
    some = scores[torch.from_numpy(queries).to(scores.device)].cpu().numpy()
    near = (some >= least[queries]) & (some > -np.inf)
    if np.count_nonzero(near) > MANY * pairs.n_vectors:
        _drop_copies(near, k, pairs.first_equal, order)
    numbers, columns = np.divmod(np.flatnonzero(near), near.shape[1])
    return queries[numbers], columns


def _drop_copies(
    near: np.ndarray, k: int, first_equal: np.ndarray, order: np.ndarray | None
) -> None:
    """Leave no more than the first k of equal vectors, in place: (n, n_vectors) bool."""
    n_equal = np.bincount(first_equal, minlength=len(first_equal))
    columns = np.flatnonzero(n_equal[first_equal] > k)
    rank = columns if order is None else order[columns]
    columns = columns[np.lexsort((rank, first_equal[columns]))]
    place = np.cumsum(near[:, columns], axis=1, dtype=np.int32)
    starts = np.flatnonzero(np.diff(first_equal[columns], prepend=-1))
    lengths = np.diff(starts, append=len(columns))
    before = place[:, starts] - near[:, columns[starts]]
    place -= np.repeat(before, lengths, axis=1)
    near[:, columns] &= place <= k


def best_of_pairs(
    numbers: np.ndarray,
    columns: np.ndarray,
    scores: np.ndarray,
    n: int,
    k: int,
    order: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Arrange scored pairs as the k best of each query.

    Parameters
    ----------
    numbers, columns : ndarray of shape (n_pairs,), int
        Of the queries, and of the vectors; each pair once.
    scores : ndarray of shape (n_pairs,), float32
        A pair whose score is NaN or -inf is none.
    n : int
        Number of queries.
    k : int
    order : ndarray of int, optional
        By column, as for `top_k`.

    Returns
    -------
    columns : ndarray of shape (n, k), int64
        Best first, -1 where there are no more.
    scores : ndarray of shape (n, k), float32
    """
    there = scores > -np.inf
    if not there.all():
        numbers, columns, scores = numbers[there], columns[there], scores[there]
    arranged = np.lexsort((columns if order is None else order[columns], -scores, numbers))
    lengths = np.bincount(numbers, minlength=n)
    places = np.arange(len(numbers)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    best = places < k
    found, values = nothing(n, k)
    where = numbers[arranged][best], places[best]
    found[where], values[where] = columns[arranged][best], scores[arranged][best]
    return found, values


def nothing(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Make lists of nothing: (n, k) of -1, and of -inf."""
    return np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf, dtype=np.float32)


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
