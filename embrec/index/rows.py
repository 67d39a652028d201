"""Vectors by row that come, change and go, in versions that readers can hold on to.

Nothing is ever overwritten. A new vector goes to a new *slot*, at the end; the slot it replaces
dies with the version that replaces it. A reader works with a `Snapshot`, which says how many slots
there are and which of them are alive at its version: it needs no lock, and sees every change as a
whole or not at all.
"""

from typing import Any

import numpy as np

from embrec.data.growing import Growing, growing_like
from embrec.index.slots import SlotFinder
from embrec.index.snapshot import NEVER, Snapshot
from embrec.scoring.products import squared_lengths


class RowStore:
    """Takes the changes. One thread at a time may write; any number may read snapshots.

    Parameters
    ----------
    vectors : ndarray or CSR of shape (n_rows, d), float32
        Never written to.
    removed : ndarray of int, optional
        Rows that may not be found.
    static : object, optional
        Passed on to snapshots.
    version : int, default=0
    """

    def __init__(
        self,
        vectors: Any,
        removed: np.ndarray | None = None,
        *,
        static: Any = None,
        version: int = 0,
    ) -> None:
        self._base = vectors
        n = vectors.shape[0]
        self._tail: Any = growing_like(vectors)
        self._tail_rows = Growing((), np.int64)
        self._base_died = np.full(n, NEVER)
        self._tail_died = Growing((), np.int64)
        self._finder = SlotFinder(n, np.empty(0, np.int64) if removed is None else removed)
        self._static = static
        self._n_dead_in_base = len(self._finder.removed_before)
        self._n_dead_in_tail = 0
        self._longest_square = float(squared_lengths(vectors).max(initial=0))
        if removed is not None:
            self._base_died[removed] = version
        self._is_finished = True
        self.snapshot = self._publish(version)

    def write(self, rows: np.ndarray, vectors: Any) -> None:
        """Add rows, and give others new vectors, at a cost that depends on these alone.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Unique. New ones follow the last row there is, in this order. Those that were removed
            may be found again.
        vectors : ndarray or CSR of shape (n, d), float32
        """
        before = self.snapshot
        version = before.version + 1
        longest = float(squared_lengths(vectors).max(initial=0))
        self._undo_unfinished()
        self._is_finished = False
        self._tail.extend(vectors)
        self._tail_rows.extend(rows)
        self._tail_died.extend(np.full(len(rows), NEVER))
        self._longest_square = max(self._longest_square, longest)
        old = self._finder.move(rows, before.n_slots)
        self._kill(old[old >= 0], version)
        self.snapshot = self._publish(version)

    def remove(self, rows: np.ndarray) -> None:
        """Let rows be found no more; their vectors stay.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
        """
        self._undo_unfinished()
        self._is_finished = False
        version = self.snapshot.version + 1
        self._kill(self._finder.newest(np.unique(rows)), version)
        self.snapshot = self._publish(version)

    def repeat(self, rows: np.ndarray, vectors: Any, gone: np.ndarray) -> None:
        """Write rows, and remove some: what `Snapshot.history` says of another store."""
        if len(rows):
            self.write(rows, vectors)
        if len(gone):
            self.remove(gone)

    def _undo_unfinished(self) -> None:
        """Forget a write that an error ended, or that another process was busy with at a fork."""
        if self._is_finished:
            return
        shown = self.snapshot
        n_tail = len(shown.tail_rows)
        self._tail.cut(n_tail)
        self._tail_rows.cut(n_tail)
        self._tail_died.cut(n_tail)
        for died in (self._base_died, self._tail_died.values):
            died[(died > shown.version) & (died < NEVER)] = NEVER
        self._n_dead_in_base = shown.n_dead_in_base
        self._n_dead_in_tail = shown.n_dead - shown.n_dead_in_base
        self._longest_square = shown.longest_square
        self._finder.undo(shown.n_slots, shown.n_rows)

    def catch_up(self, now: Snapshot, since: Snapshot) -> None:
        """Repeat what happened to another store since this one was made.

        Parameters
        ----------
        now, since : Snapshot
            Of the other store; this one was made from the second.
        """
        written = now.written_since(since)
        if len(written):
            self.write(written, now.take(written))
        gone = np.flatnonzero(self.snapshot.active & ~now.active)
        if len(gone):
            self.remove(gone)

    def _kill(self, slots: np.ndarray, version: int) -> None:
        n = self._base.shape[0]
        self._n_dead_in_base += _kill(self._base_died, slots[slots < n], version)
        self._n_dead_in_tail += _kill(self._tail_died.values, slots[slots >= n] - n, version)

    def _publish(self, version: int) -> Snapshot:
        """Make the snapshot of what was written; one assignment shows it to readers."""
        self._is_finished = True
        return Snapshot(
            version=version,
            n_rows=self._finder.n_rows,
            base=self._base,
            tail=self._tail.values,
            tail_rows=self._tail_rows.values,
            base_died=self._base_died,
            tail_died=self._tail_died.values,
            n_dead=self._n_dead_in_base + self._n_dead_in_tail,
            n_dead_in_base=self._n_dead_in_base,
            longest_square=self._longest_square,
            static=self._static,
            slot_finder=self._finder,
        )


def _kill(died: np.ndarray, which: np.ndarray, version: int) -> int:
    """Let slots die that are alive, and count them."""
    alive = which[died[which] == NEVER]
    died[alive] = version
    return len(alive)
