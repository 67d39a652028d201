"""Inner products of queries and vectors, some queries at a time."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from embrec.data.side_by_side import SideBySide

Vectors: TypeAlias = Tensor | np.ndarray | sp.csr_matrix | sp.csr_array | SideBySide

#: Bytes of scores held at a time.
SCORE_MEMORY = 64 * 2**20
#: Up to so many queries are multiplied one by one.
FEW = 4


def score_blocks(
    queries: Vectors, vectors: Vectors | list[Vectors], *, memory: int = SCORE_MEMORY
) -> Iterator[tuple[int, Tensor]]:
    """Yield the inner products of queries and vectors, some queries at a time.

    Parameters
    ----------
    queries : Tensor, ndarray, CSR or SideBySide of shape (n_queries, d)
    vectors : Tensor, ndarray, CSR or SideBySide of shape (n_vectors, d), float32, or a list of them
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
    queries = in_order(queries)
    # once, not in every product
    turned = [_turned(part) for part in parts]
    for start in range(0, queries.shape[0], n_rows):
        block = queries[start : start + n_rows]
        yield start, _products(block, turned, n_vectors)


def _turned(part: Any) -> Any:
    if isinstance(part, SideBySide):
        return part.turned
    return part.T.tocsr() if sp.issparse(part) else part


def _products(queries: Vectors, parts: list[Any], n_vectors: int) -> Tensor:
    if isinstance(queries, SideBySide):
        return _sums(queries, parts, n_vectors)
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


def _sums(queries: SideBySide, parts: list[list[Any]], n_vectors: int) -> Tensor:
    """Add up the products of matrices side by side, sparse ones last: few of these are not 0."""
    scores = np.zeros((queries.shape[0], n_vectors), dtype=np.float32)
    for number in sorted(range(len(queries.parts)), key=lambda i: sp.issparse(queries.parts[i])):
        some, below = queries.parts[number], [part[number] for part in parts]
        if not sp.issparse(some):
            scores += _products(some, below, n_vectors).numpy()
            continue
        stop = 0
        for part in below:
            start, stop = stop, stop + part.shape[1]
            found = some @ part
            numbers = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
            scores[numbers, found.indices + start] += found.data
    return torch.from_numpy(scores)


def _multiply(queries: np.ndarray, vectors: np.ndarray, out: np.ndarray) -> None:
    """Write inner products to `out`; numpy's way for one vector is several times torch's."""
    if len(queries) > FEW:
        np.matmul(queries, vectors.T, out=out)
        return
    for query, scores in zip(queries, out, strict=True):
        np.matmul(vectors, query, out=scores)


def in_order(vectors: Any) -> Any:
    """Sort the columns of sparse vectors, so that products are summed in one order."""
    if isinstance(vectors, SideBySide):
        if all(in_order(part) is part for part in vectors.parts):
            return vectors
        return SideBySide(map(in_order, vectors.parts))
    if sp.issparse(vectors) and not vectors.has_sorted_indices:
        return vectors.sorted_indices()
    return vectors


def as_float32(vectors: Any) -> Any:
    """Turn a matrix into what is multiplied fast: float32, row after row, or CSR of it."""
    if isinstance(vectors, SideBySide):
        return SideBySide(map(as_float32, vectors.parts))
    if sp.issparse(vectors):
        return vectors.tocsr().astype(np.float32, copy=False)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def take(parts: list[Any], columns: np.ndarray) -> Any:
    """Gather vectors from one or two parts that lie below each other: (n, d)."""
    first = parts[0]
    if isinstance(first, SideBySide):
        below = zip(*(part.parts for part in parts), strict=True)
        return SideBySide(take([*some], columns) for some in below)
    if isinstance(first, Tensor):
        whole = first if len(parts) == 1 else torch.cat(parts)
        return whole[torch.from_numpy(columns).to(first.device)]
    n = first.shape[0]
    later = columns >= n
    if len(parts) == 1 or not later.any():
        return first[columns]
    if sp.issparse(first):
        both = [first[columns[~later]], parts[1][columns[later] - n]]
        order = np.argsort(np.argsort(later, kind="stable"))
        return sp.vstack(both, format="csr")[order]
    vectors = np.empty((len(columns), first.shape[1]), dtype=np.float32)
    vectors[~later] = first[columns[~later]]
    vectors[later] = parts[1][columns[later] - n]
    return vectors


def squared_lengths(vectors: Any) -> np.ndarray:
    """Square the lengths of vectors: (n,) float32."""
    if isinstance(vectors, SideBySide):
        return np.sum([squared_lengths(part) for part in vectors.parts], axis=0)
    if sp.issparse(vectors):
        return np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    if isinstance(vectors, Tensor):
        squares: np.ndarray = vectors.square().sum(1).cpu().numpy()
        return squares
    return np.einsum("ij,ij->i", vectors, vectors)
