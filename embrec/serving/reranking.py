"""Choosing k of the best candidates with more in mind than their scores: popularity, diversity."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from embrec._utils.checks import check_positive
from embrec.scoring.products import SCORE_MEMORY

#: So many candidates for each item that is asked for, and at least `MIN_CANDIDATES`.
CANDIDATES_PER_ITEM = 10
MIN_CANDIDATES = 100


@dataclass(frozen=True)
class Reranking:
    """What counts beside the score.

    Parameters
    ----------
    popularity_discount : float, default=0.0
        λ: an item of ``n`` events in training loses ``λ log(1 + n)`` of its score.
    diversity : float, default=0.0
        δ, between 0 and 1: how much an item loses by its likeness to those that were chosen before.
    n_candidates : int, optional
        How many of the best by score there are to choose from.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    popularity_discount: float = 0.0
    diversity: float = 0.0
    n_candidates: int | None = None

    def __post_init__(self) -> None:
        _check(self.popularity_discount, "popularity_discount", "a number >= 0", np.inf)
        _check(self.diversity, "diversity", "a number between 0 and 1", 1)
        n = self.n_candidates
        if n is not None:
            check_positive(n, "n_candidates")

    @property
    def is_off(self) -> bool:
        """Whether the best by score are chosen."""
        return self.popularity_discount == 0 and self.diversity == 0

    def pool_size(self, k: int) -> int:
        """Say how many candidates to choose k from."""
        if self.is_off:
            return k
        if self.n_candidates is None:
            return max(MIN_CANDIDATES, CANDIDATES_PER_ITEM * k)
        if self.n_candidates < k:
            raise ValueError(
                f"n_candidates must be at least k, as k items are chosen from them; got "
                f"n_candidates={self.n_candidates}, k={k}."
            )
        return self.n_candidates


def _check(value: Any, name: str, expected: str, largest: float) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= largest or np.isinf(value):
        raise ValueError(f"{name} must be {expected}; got {value!r}.")


def discounted(scores: np.ndarray, counts: np.ndarray, discount: float) -> np.ndarray:
    """Take ``discount * log(1 + counts)`` from scores.

    Where scores are logits this divides the predicted probabilities by a power of popularity
    [Steck 2011]: with 1 it ranks by how much likelier an item is after this history than after any.

    Parameters
    ----------
    scores : ndarray of shape (n, m), float32
    counts : ndarray of shape (n, m)
        How often each item was touched in training.
    discount : float

    Returns
    -------
    ndarray of shape (n, m), float32

    References
    ----------
    H. Steck. "Item popularity and recommendation accuracy". RecSys 2011.
    """
    return scores - penalties(counts, discount)


def penalties(counts: np.ndarray, discount: float) -> np.ndarray:
    """Say what items lose for being popular: ``discount * log(1 + counts)``, float32."""
    lost: np.ndarray = np.float32(discount) * np.log1p(counts, dtype=np.float32)
    return lost


def choose(
    scores: np.ndarray,
    k: int,
    diversity: float = 0.0,
    vectors: Callable[[slice], Any] | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> np.ndarray:
    """Choose k of each row's candidates, by score or by maximal marginal relevance.

    The latter chooses one after another whatever has the largest ``(1 - diversity) * r - diversity
    * s``: ``r`` is its score, scaled to between 0 for the worst of the row's candidates and 1 for
    the best, and ``s`` its largest cosine with what was chosen before [Carbonell & Goldstein 1998].

    Parameters
    ----------
    scores : ndarray of shape (n, m), float32
        -inf where there is no candidate.
    k : int
        At most m.
    diversity : float, default=0.0
    vectors : callable
        Gives the vectors of a slice of rows: ndarray or CSR of shape (n_slice * m, d).
    memory : int, default=64 MiB
        Bytes of vectors held at a time, twice: as they are and as long as 1.

    Returns
    -------
    ndarray of shape (n, k), int64
        Columns of ``scores``, in the order they were chosen; -1 where there are no more candidates.

    References
    ----------
    J. Carbonell, J. Goldstein. "The use of MMR, diversity-based reranking for reordering documents
    and producing summaries". SIGIR 1998.
    """
    if diversity == 0 or vectors is None:
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.where(np.isneginf(np.take_along_axis(scores, chosen, 1)), -1, chosen)
    chosen = np.empty((len(scores), k), dtype=np.int64)
    start, n = 0, 1
    while start < len(scores):
        rows = slice(start, min(start + n, len(scores)))
        of_block = vectors(rows)
        chosen[rows] = _by_marginal_relevance(
            _relevance(scores[rows]), normalize(of_block), k, diversity
        )
        # the first row tells what one takes
        n = max(1, memory * (rows.stop - start) // max(1, _n_bytes(of_block)))
        start = rows.stop
    return chosen


def _n_bytes(vectors: Any) -> int:
    if sp.issparse(vectors):
        return int(vectors.data.nbytes + vectors.indices.nbytes)
    return int(vectors.nbytes)


def _relevance(scores: np.ndarray) -> np.ndarray:
    """Scale each row's finite scores to between 0 and 1."""
    there = np.isfinite(scores)
    lowest = np.min(scores, axis=1, keepdims=True, where=there, initial=np.inf)
    highest = np.max(scores, axis=1, keepdims=True, where=there, initial=-np.inf)
    width = np.where(highest > lowest, highest - lowest, 1)
    return np.where(there, (scores - np.where(there, lowest, 0)) / width, -np.inf)


def _by_marginal_relevance(
    relevance: np.ndarray, unit: Any, k: int, diversity: float
) -> np.ndarray:
    n, m = relevance.shape
    every = np.arange(n)
    chosen = np.empty((n, k), dtype=np.int64)
    likeness = np.full((n, m), -np.inf, dtype=np.float32)
    value = relevance
    # 0 times -inf would be no number
    left = np.where(np.isneginf(relevance), -np.inf, (1 - diversity) * np.maximum(relevance, 0))
    for place in range(k):
        best = value.argmax(axis=1)
        chosen[:, place] = np.where(np.isneginf(value[every, best]), -1, best)
        left[every, best] = -np.inf
        np.maximum(likeness, _cosines(unit, every * m + best, m), out=likeness)
        value = left - diversity * likeness
    return chosen


def _cosines(unit: Any, chosen: np.ndarray, m: int) -> np.ndarray:
    """Cosines of each row's candidates with the one that was chosen: (n, m)."""
    if sp.issparse(unit):
        products = unit.multiply(unit[np.repeat(chosen, m)])
        return np.asarray(products.sum(axis=1), dtype=np.float32).reshape(-1, m)
    n, d = len(chosen), unit.shape[1]
    return np.matmul(unit.reshape(n, m, d), unit[chosen][:, :, None])[:, :, 0]
