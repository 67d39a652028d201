"""Scores of single pairs, each of which depends on its query and its vector alone."""

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor

from embrec.data.side_by_side import SideBySide
from embrec.scoring.products import Vectors, in_order, squared_lengths, take

#: Numbers that are gathered at a time.
GATHERED = 2**22
#: With more pairs than so many times the vectors, equal vectors are looked for first.
MANY = 4


class Pairs:
    """Scores queries and vectors pair by pair.

    The products of a block are summed in an order that depends on what else is in it, and so are
    off by what float32 rounds. Where that decides - who is the k-th, who is level with a target -
    these scores do.

    Parameters
    ----------
    queries : Tensor, ndarray or CSR of shape (n_queries, d), float32
    parts : list of Tensor, ndarray or CSR of shape (n, d), float32
        The vectors, the parts below each other.
    longest_square : float, optional
        No vector's squared length is greater; computed by default.
    """

    def __init__(
        self, queries: Vectors, parts: list[Vectors], longest_square: float | None = None
    ) -> None:
        self._queries = _as_array(queries)
        self._parts = [_as_array(part) for part in parts]
        self._longest_square = longest_square
        self.n_vectors = sum(part.shape[0] for part in self._parts)

    def scores(self, numbers: np.ndarray, columns: np.ndarray) -> NDArray[np.float32]:
        """Score pairs.

        Parameters
        ----------
        numbers, columns : ndarray of shape (n,), int
            Of the queries, and of the vectors.

        Returns
        -------
        ndarray of shape (n,), float32
        """
        queries = self._queries
        if isinstance(queries, SideBySide):
            return np.sum([one.scores(numbers, columns) for one in self._of_parts], axis=0)
        scores = np.empty(len(columns), dtype=np.float32)
        step = max(1, GATHERED // max(1, queries.shape[1]))
        for start in range(0, len(columns), step):
            part = slice(start, start + step)
            vectors = take(self._parts, columns[part])
            some = queries[numbers[part]]
            if sp.issparse(queries):
                # one product after another, as scipy multiplies matrices
                scores[part] = some.multiply(vectors).tocsr() @ np.ones(some.shape[1], np.float32)
            elif isinstance(queries, Tensor):
                scores[part] = (some * vectors).sum(1).cpu().numpy()
            else:
                np.einsum("ij,ij->i", some, vectors, out=scores[part])
        return scores

    @cached_property
    def _of_parts(self) -> list["Pairs"]:
        """Of queries and vectors side by side: those of each pair of matrices."""
        below = zip(*(part.parts for part in self._parts), strict=True)
        pairs = zip(self._queries.parts, below, strict=True)
        return [Pairs(queries, [*some]) for queries, some in pairs]

    @cached_property
    def slack(self) -> NDArray[np.float32]:
        """How far a block's product may be off the pair's: (n_queries, 1) float32.

        By the usual bound for sums of ``d`` products, whatever their order [Higham 2002, 3.1]. It
        is 0 for sparse queries, which scipy sums in one order; of matrices side by side, sums of
        which may come in any order, dense columns count, and each matrix.

        References
        ----------
        N. J. Higham. "Accuracy and stability of numerical algorithms". SIAM, 2002.
        """
        if sp.issparse(self._queries):
            return np.zeros((self._queries.shape[0], 1), dtype=np.float32)
        longest = self._longest_square
        if longest is None:
            longest = max((squared_lengths(part).max(initial=0) for part in self._parts), default=0)
        queries = self._queries
        squares = _squares_in_double(queries)
        with np.errstate(invalid="ignore"):
            lengths = np.sqrt(squares * np.float64(longest))
        # twice the unit roundoff, which is half of eps: here and there
        slack = (_n_summed(queries) + 2) * np.finfo(np.float32).eps * lengths
        # the greatest number rather than infinity, from which nothing can be taken
        return np.fmin(slack, np.finfo(np.float32).max / 4).astype(np.float32)[:, None]

    @cached_property
    def first_equal(self) -> NDArray[np.int64]:
        """The first vector that equals each: (n_vectors,) columns."""
        if not isinstance(self._queries, np.ndarray):
            return np.arange(self.n_vectors)
        hashes = np.concatenate([_hash(part) for part in self._parts])
        order = np.argsort(hashes, kind="stable")
        is_first = np.ones(len(order), dtype=bool)
        alike = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]]) + 1
        step = max(1, GATHERED // max(1, self._queries.shape[1]))
        for start in range(0, len(alike), step):
            some = alike[start : start + step]
            one, other = (take(self._parts, order[some - back]) for back in (0, 1))
            is_first[some] = (one != other).any(axis=1)
        first = np.empty(len(order), dtype=np.int64)
        first[order] = order[is_first][np.cumsum(is_first) - 1]
        return first

    def many_scores(self, numbers: np.ndarray, columns: np.ndarray) -> NDArray[np.float32]:
        """Do as `scores` does, and score equal vectors once for each query.

        Parameters
        ----------
        numbers : ndarray of shape (n,), int
            Of queries that follow each other, so that they with all vectors fit into memory.
        columns : ndarray of shape (n,), int

        Returns
        -------
        ndarray of shape (n,), float32
        """
        if len(columns) <= MANY * self.n_vectors:
            return self.scores(numbers, columns)
        first = numbers.min()
        codes = (numbers - first) * self.n_vectors + self.first_equal[columns]
        scored = np.zeros((numbers.max() - first + 1) * self.n_vectors, dtype=np.float32)
        scored[codes] = 1
        once = np.flatnonzero(scored)
        scored[once] = self.scores(once // self.n_vectors + first, once % self.n_vectors)
        return scored[codes]

    def distinct(
        self, where: NDArray[np.bool_]
    ) -> tuple[np.ndarray, np.ndarray, NDArray[np.int64]]:
        """List the pairs of a block, equal vectors once for each query if there are many.

        Parameters
        ----------
        where : ndarray of shape (n_block, n_vectors), bool
            It may be changed.

        Returns
        -------
        numbers, columns : ndarray of shape (n,), int64
        counts : ndarray of shape (n,), int64
            How many pairs each stands for.
        """
        groups: list[np.ndarray] = []
        if np.count_nonzero(where) > MANY * self.n_vectors:
            first = self.first_equal
            equal = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > 1)
            equal = equal[np.argsort(first[equal], kind="stable")]
            starts = np.flatnonzero(np.diff(first[equal], prepend=-1))
            if len(starts):
                found = np.add.reduceat(where[:, equal], starts, axis=1, dtype=np.int64)
                where[:, equal] = False
                numbers, group = np.nonzero(found)
                groups = [numbers, first[equal[starts]][group], found[numbers, group]]
        numbers, columns = np.divmod(np.flatnonzero(where), where.shape[1])
        alone = [numbers, columns, np.ones(len(numbers), dtype=np.int64)]
        if not groups:
            return alone[0], alone[1], alone[2]
        both = [np.concatenate(pair) for pair in zip(alone, groups, strict=True)]
        return both[0], both[1], both[2]


def _as_array(vectors: Any) -> Any:
    if isinstance(vectors, Tensor):
        return vectors.detach().numpy() if vectors.device.type == "cpu" else vectors
    return in_order(vectors)


def _squares_in_double(queries: Any) -> np.ndarray:
    if isinstance(queries, SideBySide):
        return np.sum([_squares_in_double(part) for part in queries.parts], axis=0)
    return squared_lengths(
        queries.double() if isinstance(queries, Tensor) else queries.astype(np.float64)
    )


def _n_summed(queries: Any) -> int:
    """Count the terms of a score that are summed in no fixed order."""
    if isinstance(queries, SideBySide):
        dense = [part.shape[1] for part in queries.parts if not sp.issparse(part)]
        return sum(dense) + len(queries.parts)
    return int(queries.shape[1])


def _hash(vectors: np.ndarray) -> NDArray[np.uint64]:
    """Equal for equal vectors, and hardly ever for others."""
    numbers = np.ascontiguousarray(vectors).view(np.uint32)
    weights = np.random.default_rng(0).integers(0, 2**63, numbers.shape[1]).astype(np.uint64) | 1
    step = max(1, GATHERED // max(1, numbers.shape[1]))
    parts = [
        numbers[start : start + step].astype(np.uint64) @ weights
        for start in range(0, len(numbers), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
