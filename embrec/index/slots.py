"""Where the vectors of rows are: the newest slot of each, and those before it."""

import numpy as np

from embrec.data.growing import Growing


class SlotFinder:
    """Knows the newest slot of every row, and which slot each slot of the tail has replaced.

    Snapshots hold on to it, and it holds on to nothing of theirs: what is not needed any more goes
    at once, and not when Python looks for cycles.

    Parameters
    ----------
    n_base : int
    removed_before : ndarray of int
        Rows that were removed when the base was made.
    """

    def __init__(self, n_base: int, removed_before: np.ndarray) -> None:
        self.removed_before = removed_before
        self._of_base = np.arange(n_base)
        self._of_new = Growing((), np.int64)
        self._previous = Growing((), np.int64)

    @property
    def n_rows(self) -> int:
        """How many rows there are, at the newest version."""
        return len(self._of_base) + len(self._of_new)

    def newest(self, rows: np.ndarray) -> np.ndarray:
        """Find the newest slots of rows, which some snapshots may not reach."""
        n = len(self._of_base)
        is_new = rows >= n
        slots = self._of_base[np.where(is_new, 0, rows)]
        slots[is_new] = self._of_new.values[rows[is_new] - n]
        return slots

    def previous(self, slots: np.ndarray) -> np.ndarray:
        """Find the slots that those of the tail have replaced, -1 for the first of a row."""
        return self._previous.values[slots - len(self._of_base)]

    def move(self, rows: np.ndarray, start: int) -> np.ndarray:
        """Give rows, new ones among them, the slots from ``start`` on; return their old ones."""
        n = len(self._of_base)
        is_new = rows >= self.n_rows
        old = np.full(len(rows), -1, dtype=np.int64)
        old[~is_new] = self.newest(rows[~is_new])
        slots = start + np.arange(len(rows))
        self._previous.extend(old)
        self._of_new.extend(slots[is_new])
        in_base = rows < n
        self._of_base[rows[in_base]] = slots[in_base]
        moved = ~in_base & ~is_new
        self._of_new.values[rows[moved] - n] = slots[moved]
        return old

    def undo(self, n_slots: int, n_rows: int) -> None:
        """Forget slots and rows from some on, of a write that was not finished."""
        n = len(self._of_base)
        for newest in (self._of_base, self._of_new.values):
            while len(late := np.flatnonzero(newest >= n_slots)):
                newest[late] = self.previous(newest[late])
                if (newest[late] < 0).any():  # new rows, which are cut below
                    break
        self._of_new.cut(n_rows - n)
        self._previous.cut(n_slots - n)
