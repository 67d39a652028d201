"""Choosing k of the best candidates with more in mind than their scores: popularity, diversity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from embrec._utils.checks import check_positive
from embrec.scoring.products import SCORE_MEMORY

#: So many candidates for each item that is asked for.
CANDIDATES_PER_ITEM = 10
#: The first so many items are chosen from the same candidates; then twice as many, and so on.
FIRST_ITEMS = 10


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

    def rounds(self, k: int) -> list[tuple[int, int]]:
        """Say from how many candidates the items of a list are chosen.

        Parameters
        ----------
        k : int
            Length of the list.

        Returns
        -------
        list of (stop, n_candidates)
            Items up to place ``stop`` are chosen from so many. The rounds for one k are those for
            any larger one, up to its end.

        Raises
        ------
        ValueError
            If fewer candidates were asked for than items.
        """
        if self.is_off:
            return [(k, k)]
        if self.n_candidates is not None:
            if self.n_candidates < k:
                raise ValueError(
                    f"n_candidates must be at least k, as k items are chosen from them; got "
                    f"n_candidates={self.n_candidates}, k={k}."
                )
            return [(k, self.n_candidates)]
        stops = [FIRST_ITEMS]
        while stops[-1] < k:
            stops.append(2 * stops[-1])
        return [(min(stop, k), CANDIDATES_PER_ITEM * stop) for stop in stops]


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
    rounds: Sequence[tuple[int, int]],
    diversity: float = 0.0,
    vectors: Callable[[slice], Any] | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> np.ndarray:
    """Choose some of each row's candidates, by score or by maximal marginal relevance.

    The latter chooses one after another whatever has the largest ``(1 - diversity) * r - diversity
    * s``: ``r`` is its score, scaled to between 0 for the worst of the row's candidates and 1 for
    the best, and ``s`` its largest cosine with what was chosen before [Carbonell & Goldstein 1998].

    Parameters
    ----------
    scores : ndarray of shape (n, m), float32
        -inf where there is no candidate.
    rounds : list of (stop, n_candidates)
        What stands before place ``stop`` is chosen from the first so many columns.
    diversity : float, default=0.0
    vectors : callable
        Gives the vectors of a slice of rows: ndarray or CSR of shape (n_slice * m, d).
    memory : int, default=64 MiB
        Bytes of vectors held at a time, twice: as they are and as long as 1.

    Returns
    -------
    ndarray of shape (n, the last stop), int64
        Columns of ``scores``, in the order they were chosen; -1 where there are no more candidates.

    References
    ----------
    J. Carbonell, J. Goldstein. "The use of MMR, diversity-based reranking for reordering documents
    and producing summaries". SIGIR 1998.
    """
    if diversity == 0 or vectors is None:
        return _by_score(scores, rounds)
    chosen = np.empty((len(scores), rounds[-1][0]), dtype=np.int64)
    start, n = 0, 1
    while start < len(scores):
        rows = slice(start, min(start + n, len(scores)))
        of_block = vectors(rows)
        chosen[rows] = _by_marginal_relevance(scores[rows], normalize(of_block), rounds, diversity)
        # the first row tells what one takes
        n = max(1, memory * (rows.stop - start) // max(1, _n_bytes(of_block)))
        start = rows.stop
    return chosen


def _by_score(scores: np.ndarray, rounds: Sequence[tuple[int, int]]) -> np.ndarray:
    left, parts, start = scores.copy(), [], 0
    for stop, n_candidates in rounds:
        best = np.argsort(-left[:, :n_candidates], axis=1, kind="stable")[:, : stop - start]
        parts.append(np.where(np.isneginf(np.take_along_axis(left, best, 1)), -1, best))
        np.put_along_axis(left, best, -np.inf, 1)
        start = stop
    return np.concatenate(parts, axis=1)


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
    scores: np.ndarray, unit: Any, rounds: Sequence[tuple[int, int]], diversity: float
) -> np.ndarray:
    n, m = scores.shape
    every, start = np.arange(n), 0
    chosen = np.empty((n, rounds[-1][0]), dtype=np.int64)
    likeness = np.full((n, m), -np.inf, dtype=np.float32)
    left = scores.copy()
    for stop, n_candidates in rounds:
        some = slice(0, n_candidates)
        relevance = _relevance(scores[:, some])
        # 0 times -inf would be no number
        worth = np.where(
            np.isneginf(left[:, some]), -np.inf, (1 - diversity) * np.maximum(relevance, 0)
        )
        value = worth - diversity * likeness[:, some] if start else relevance
        for place in range(start, stop):
            best = value.argmax(axis=1)
            chosen[:, place] = np.where(np.isneginf(value[every, best]), -1, best)
            worth[every, best] = left[every, best] = -np.inf
            np.maximum(likeness, _cosines(unit, every * m + best, m), out=likeness)
            value = worth - diversity * likeness[:, some]
        start = stop
    return chosen


def _cosines(unit: Any, chosen: np.ndarray, m: int) -> np.ndarray:
    """Cosines of each row's candidates with the one that was chosen: (n, m)."""
    if sp.issparse(unit):
        products = unit.multiply(unit[np.repeat(chosen, m)])
        return np.asarray(products.sum(axis=1), dtype=np.float32).reshape(-1, m)
    n, d = len(chosen), unit.shape[1]
    return np.matmul(unit.reshape(n, m, d), unit[chosen][:, :, None])[:, :, 0]
