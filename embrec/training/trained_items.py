"""The items that training has seen."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class TrainedItems:
    """The items that training has seen; an item's place here is its id in the network.

    Parameters
    ----------
    rows : ndarray of shape (n_known,), int64
        Their catalogue rows; those known longest come first.
    counts : ndarray of shape (n_known,), int64
        Events of each that were trained on, replayed ones not counted.
    """

    rows: np.ndarray
    counts: np.ndarray

    @classmethod
    def none(cls) -> "TrainedItems":
        """Begin: nothing has been seen."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    def and_those_of(
        self, counts: np.ndarray, also: np.ndarray | None = None, *, is_new: bool = True
    ) -> "TrainedItems":
        """Add what a log has.

        Parameters
        ----------
        counts : ndarray of shape (n_rows,)
            Events of each catalogue row.
        also : ndarray of int, optional
            Rows that are known from elsewhere.
        is_new : bool, default=True
            Whether no event of it was counted before. Otherwise all of them may have been, and the
            larger count holds.

        Returns
        -------
        TrainedItems
        """
        seen = np.flatnonzero(counts) if also is None else np.union1d(np.flatnonzero(counts), also)
        new = np.setdiff1d(seen, self.rows)
        rows = np.concatenate([self.rows, new])
        before = np.concatenate([self.counts, np.zeros(len(new), dtype=np.int64)])
        join = np.add if is_new else np.maximum
        return TrainedItems(rows, join(before, counts[rows]))

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Find the places of catalogue rows, -1 for those that are not known: (n,) int64."""
        found = np.full(len(rows), -1, dtype=np.int64)
        within = (rows >= 0) & (rows < len(self._place_of_row))
        found[within] = self._place_of_row[rows[within]]
        return found

    def counts_of(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events catalogue rows have: (n,) int64, 0 for those that are not known."""
        places = self.places(rows)
        counts = np.zeros(len(rows), dtype=np.int64)
        counts[places >= 0] = self.counts[places[places >= 0]]
        return counts

    @cached_property
    def _place_of_row(self) -> np.ndarray:
        table = np.full(self.rows.max(initial=-1) + 1, -1, dtype=np.int64)
        table[self.rows] = np.arange(len(self.rows))
        return table
