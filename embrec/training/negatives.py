"""Negative items, drawn anew at every step in proportion to a power of their popularity."""

from dataclasses import dataclass

import numpy as np


class AliasTable:
    """Draws from a discrete distribution in constant time (Walker 1977; Vose 1991).

    A draw picks a column uniformly, and then the column's own value or its alias.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Not negative, some positive; proportional to the probabilities.
    """

    def __init__(self, weights: np.ndarray) -> None:
        weights = np.asarray(weights, dtype=np.float64)
        heights = weights * (len(weights) / weights.sum())
        low, high = np.flatnonzero(heights < 1), np.flatnonzero(heights >= 1)
        self._keep = np.ones(len(heights))
        self._alias = np.arange(len(heights))
        if len(low) == 0 or len(high) == 0:
            return  # all alike, but for rounding
        # Columns that are too low are filled up by the high ones, one after the other. All of it
        # follows from the running sums: of what is missing, and of what is there to give.
        missing = np.cumsum(1 - heights[low])
        given = np.cumsum(heights[high] - 1)
        self._keep[low] = heights[low]
        before = np.concatenate([[0.0], missing[:-1]])
        giver = np.searchsorted(given, before, side="right").clip(max=len(high) - 1)
        self._alias[low] = high[giver]
        # a high column that gave more than it had is itself filled up by the next
        last = np.searchsorted(missing, given[:-1], side="right").clip(max=len(low) - 1)
        debt = missing[last] - given[:-1]
        owes = (debt > 0) & (before[last] < given[:-1])
        self._keep[high[:-1][owes]] = 1 - debt[owes]
        self._alias[high[:-1]] = high[1:]

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw values, with replacement: (n,) int64."""
        places = rng.random_sample(n) * len(self._keep)
        columns = places.astype(np.int64)
        return np.where(places - columns < self._keep[columns], columns, self._alias[columns])


@dataclass(frozen=True)
class NegativeSample:
    """Negatives that all steps of a batch share.

    Parameters
    ----------
    rows : ndarray of shape (n_negatives,), int64
        Item rows, with repetitions.
    log_expected : ndarray of shape (n_negatives,), float32
        Logarithm of how often each is expected among them.
    """

    rows: np.ndarray
    log_expected: np.ndarray


class NegativeSampler:
    """Draws negatives with probability proportional to ``counts ** alpha``.

    Parameters
    ----------
    counts : ndarray of shape (n_items,)
        Events of each item in training.
    n_negatives : int
        How many to draw.
    alpha : float
        1 draws by popularity, as the thesis does; 0 draws all alike.
    n_targets : ndarray of shape (n_items,), optional
        How often each item is a next item of a batch; by default in proportion to ``counts``.
    in_batch : bool, default=False
        Whether the next items of a batch are drawn besides.
    logq : bool, default=True
        Whether losses are told how often each negative is expected.
    """

    def __init__(
        self,
        counts: np.ndarray,
        n_negatives: int,
        alpha: float,
        n_targets: np.ndarray | None = None,
        *,
        in_batch: bool = False,
        logq: bool = True,
    ) -> None:
        self.in_batch = in_batch
        self.logq = logq
        counts = np.asarray(counts, dtype=np.float64)
        weights = counts**alpha
        self._table = AliasTable(weights)
        self._n = n_negatives
        self._expected = n_negatives * weights / weights.sum()
        share = counts if n_targets is None else np.asarray(n_targets, dtype=np.float64)
        self._share = share / share.sum()
        self._log_expected = _log(self._expected)

    def draw(self, rng: np.random.RandomState, also: np.ndarray | None = None) -> NegativeSample:
        """Draw a fresh sample.

        Parameters
        ----------
        rng : RandomState
        also : ndarray of shape (n,), optional
            Rows that are negatives too: the next items of a batch.

        Returns
        -------
        NegativeSample
        """
        rows = self._table.draw(self._n, rng)
        if also is None:
            return NegativeSample(rows, self._log_expected[rows])
        rows = np.concatenate([rows, also])
        return NegativeSample(rows, _log(self._expected[rows] + len(also) * self._share[rows]))


def _log(expected: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # what is never drawn
        return np.log(expected).astype(np.float32)
