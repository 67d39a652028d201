"""Exact search that reads a byte per number: int8 products, and proof of what they leave out.

A vector v is kept as s * c + r, with a scale s, codes c of 8 bits and a remainder r; a query in the
same way. By Cauchy and Schwarz the product of the codes is off the true one by no more than
``|q| |r| + |r_q| |s c|``, so that what is further below the k-th best than this cannot be among the
k best. The few others are scored exactly.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from embrec.scoring.top_k import BLOCK

#: Vectors whose products with some queries are in the CPU's caches together.
VECTORS_AT_A_TIME = 2**16
#: Queries that are multiplied together: more are slower, for what they write.
QUERIES_AT_A_TIME = 16
#: A query that finds more than so many times what it asks for is left to float32.
MOST_FOUND = 64
#: Greatest numbers of vectors whose products and squares float32 can hold.
RANGE = 1e-12, 1e12


@dataclass(frozen=True)
class Codes:
    """Vectors in 8 bits per number.

    Parameters
    ----------
    codes : Tensor of shape (n, d), int8
    scales : Tensor of shape (n, 1), float32
    """

    codes: Tensor
    scales: Tensor

    @classmethod
    def of(cls, vectors: Tensor) -> "Codes":
        """Round vectors; those of one number get a second one, as torch multiplies them wrongly."""
        if vectors.shape[1] == 1:
            vectors = torch.nn.functional.pad(vectors, (0, 1))
        largest = vectors.abs().amax(1, keepdim=True)
        scales = largest.clamp_min(torch.finfo(torch.float32).tiny) / 127
        return cls((vectors / scales).round_().to(torch.int8), scales)

    def remainders(self, vectors: Tensor) -> Tensor:
        """Return how far each vector is from what its codes stand for: (n,) float32."""
        return (vectors - (self.codes.float() * self.scales)[:, : vectors.shape[1]]).norm(dim=1)


class QuantizedSearch:
    """Finds the slots that may be among the best, and no others are.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
    """

    recall = recall_p10 = 1.0

    def __init__(self, vectors: np.ndarray) -> None:
        n, d = vectors.shape
        self.n_held = n
        padded = -n % BLOCK
        self._n = n
        self._codes = torch.zeros(n + padded, max(d, 2), dtype=torch.int8)
        self._scales = torch.zeros(n + padded)
        lengths = torch.zeros(n + padded)
        self._remainder = 0.0  # of a vector of length 1
        for start in range(0, n, VECTORS_AT_A_TIME):
            # a copy: the vectors may be in memory that is read-only
            part = torch.tensor(vectors[start : start + VECTORS_AT_A_TIME])
            rows = slice(start, start + len(part))
            codes = Codes.of(part)
            self._codes[rows], self._scales[rows] = codes.codes, codes.scales[:, 0]
            lengths[rows] = part.norm(dim=1)
            tiny = torch.finfo(torch.float32).tiny
            remainders = codes.remainders(part) / lengths[rows].clamp_min(tiny)
            self._remainder = max(self._remainder, float(remainders.max()))
        self._block_lengths = lengths.reshape(-1, BLOCK).amax(1)
        self._lengths = lengths

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find the slots that may be among the ``n`` best.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, d), float32
        n : int

        Returns
        -------
        ndarray of shape (n_queries, at least n), int64
            -1 for none. A row is -1 throughout if far more than ``n`` may be among the best, as
            they score alike.
        """
        if n >= self._n:
            every = np.full((len(queries), n), -1, dtype=np.int64)
            every[:, : self._n] = np.arange(self._n)
            return every
        # products of other lengths are in the same order, and neither over- nor underflow
        largest = np.abs(queries).max(axis=1, keepdims=True, initial=0)
        queries = np.ascontiguousarray(queries / np.where(largest > 0, largest, 1))
        found = [
            self._search(torch.from_numpy(queries[start : start + QUERIES_AT_A_TIME]), n)
            for start in range(0, len(queries), QUERIES_AT_A_TIME)
        ]
        if len(found) == 1:
            return found[0]
        width = max((slots.shape[1] for slots in found), default=n)
        padded = [
            np.pad(slots, ((0, 0), (0, width - slots.shape[1])), constant_values=-1)
            for slots in found
        ]
        return np.concatenate(padded) if padded else np.empty((0, n), dtype=np.int64)

    def _search(self, queries: Tensor, n: int) -> np.ndarray:
        codes = Codes.of(queries)
        scores = self._products(codes.codes)
        # in units of the query's scale
        lengths = queries.norm(dim=1, keepdim=True) / codes.scales
        remainders = codes.remainders(queries)[:, None] / codes.scales
        # a hair more, for what float32 rounds here and in the scores of pairs
        hair = (queries.shape[1] + 16) * torch.finfo(torch.float32).eps
        slack = 1.0001 * (lengths * (self._remainder + hair) + remainders * (1 + self._remainder))
        return _padded(*self._select(scores, slack, n), len(queries), n, self._n // 16)

    def _products(self, queries: Tensor) -> Tensor:
        scores = torch.empty(len(queries), len(self._codes))
        for start in range(0, len(self._codes), VECTORS_AT_A_TIME):
            rows = slice(start, start + VECTORS_AT_A_TIME)
            products = torch._int_mm(queries, self._codes[rows].T)
            torch.mul(products, self._scales[rows], out=scores[:, rows])
        scores[:, self._n :] = -torch.inf
        return scores

    def _select(self, scores: Tensor, slack: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Choose what may be among the n best: numbers of queries, in order, and slots."""
        m = len(scores)
        blocks, lengths = scores.view(m, -1, BLOCK), self._lengths.view(-1, BLOCK)
        best = blocks.amax(2)
        # what the n-th best scores at least
        near = torch.topk(best, min(n, best.shape[1]), dim=1, sorted=False).indices
        of_near = blocks.gather(1, near[:, :, None].expand(-1, -1, BLOCK))
        sure = (of_near - slack[:, :, None] * lengths[near]).flatten(1)
        least = torch.topk(sure, n, dim=1).values[:, -1:]
        number, block = torch.nonzero(best + slack * self._block_lengths >= least, as_tuple=True)
        may = blocks[number, block] + slack[number] * lengths[block] >= least[number]
        pair, place = torch.nonzero(may, as_tuple=True)
        return number[pair], block[pair] * BLOCK + place


def _padded(numbers: Tensor, slots: Tensor, n_queries: int, n: int, most: int) -> np.ndarray:
    """Arrange slots in a row per query, filled up with -1: (n_queries, at least n)."""
    counts = torch.bincount(numbers, minlength=n_queries)
    few = (counts <= max(n, MOST_FOUND, min(MOST_FOUND * n, most)))[numbers]
    numbers, slots = numbers[few], slots[few]
    counts = torch.bincount(numbers, minlength=n_queries)
    places = torch.arange(len(numbers)) - (counts.cumsum(0) - counts)[numbers]
    result = torch.full((n_queries, max(n, int(counts.max()))), -1)
    result[numbers, places] = slots
    padded: np.ndarray = result.numpy()
    return padded


def suits(vectors: np.ndarray) -> bool:
    """Whether the numbers of vectors are neither so large nor so small that float32 loses them."""
    largest = np.abs(vectors).max(axis=1, initial=0)
    largest = largest[largest > 0]
    return len(largest) == 0 or bool(RANGE[0] <= largest.min() and largest.max() <= RANGE[1])


@cache
def is_available() -> bool:
    """Whether this torch multiplies integers on this CPU, and rightly."""
    rng = np.random.default_rng(0)
    for n, d in [(1, 2), (1, 128), (16, 63)]:
        a, b = (rng.integers(-127, 128, (m, d), dtype=np.int8) for m in (n, BLOCK))
        try:
            product = torch._int_mm(torch.from_numpy(a), torch.from_numpy(b).T)
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
        if (product.numpy() != a.astype(np.int64) @ b.T.astype(np.int64)).any():
            return False
    return True
