"""Vectors by row that come, change and go, in versions that readers can hold on to.

Nothing is ever overwritten. A new vector goes to a new *slot*, at the end; the slot it replaces
dies with the version that replaces it. A reader works with a `Snapshot`, which says how many slots
there are and which of them are alive at its version: it needs no lock, and sees every change as a
whole or not at all.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from embrec.data.growing import Growing, GrowingSparse

#: The version at which living slots die.
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What there is at one version.

    Slots are those of ``base``, where row ``i`` is at slot ``i``, and then those of ``tail``.

    Parameters
    ----------
    version : int
    n_rows : int
    base, tail : ndarray or CSR of shape (n_slots, d), float32
    tail_rows : ndarray of shape (n_tail,), int64
        The row of each slot of the tail.
    base_died, tail_died : ndarray of int64
        The version at which each slot died or will have died; `NEVER` for the living.
    n_dead, n_dead_in_base : int
        How many slots are dead at this version.
    longest_square : float
        Of all vectors there were since the base was made, the square of the greatest length.
    static : object
        A search over the slots of ``base`` alone, or None.
    slot_finder : SlotFinder
        Finds the newest slots.
    """

    version: int
    n_rows: int
    base: Any
    tail: Any
    tail_rows: np.ndarray
    base_died: np.ndarray
    tail_died: np.ndarray
    n_dead: int
    n_dead_in_base: int
    longest_square: float
    static: Any
    slot_finder: "SlotFinder"

    @property
    def n_changes(self) -> int:
        """How many slots were added or have died since the base was made."""
        return len(self.tail_rows) + self.n_dead - len(self.slot_finder.removed_before)

    @property
    def n_base(self) -> int:
        """How many slots the base has."""
        return int(self.base.shape[0])

    @property
    def n_slots(self) -> int:
        """How many slots there are, dead ones included."""
        return self.n_base + int(self.tail.shape[0])

    @property
    def n_active(self) -> int:
        """How many rows may be found."""
        return self.n_slots - self.n_dead

    @cached_property
    def dead(self) -> np.ndarray:
        """Slots that may not be found, in order."""
        if self.n_dead == 0:
            return np.empty(0, dtype=np.int64)
        in_base = np.empty(0, dtype=np.int64)
        if self.n_dead_in_base:
            in_base = np.flatnonzero(self.base_died <= self.version)
        in_tail = np.flatnonzero(self.tail_died <= self.version)
        return np.concatenate([in_base, in_tail + self.n_base])

    @property
    def active(self) -> np.ndarray:
        """Which rows may be found: (n_rows,) bool."""
        return self.are_active(np.arange(self.n_rows))

    def slots(self, rows: np.ndarray) -> np.ndarray:
        """Find where the vectors of rows are, or were last if they were removed.

        Parameters
        ----------
        rows : ndarray of shape (n,), int

        Returns
        -------
        ndarray of shape (n,), int64
            -1 for rows that there are not, at this version.
        """
        known = (rows >= 0) & (rows < self.n_rows)
        if len(self.tail_rows) == 0:
            return rows if known.all() else np.where(known, rows, -1)
        slots = np.full(len(rows), -1, dtype=np.int64)
        slots[known] = self.slot_finder.newest(rows[known])
        while (late := slots >= self.n_slots).any():  # written since
            slots[late] = self.slot_finder.previous(slots[late])
        return slots

    def rows_at(self, slots: np.ndarray) -> np.ndarray:
        """Return the rows of slots; -1 for -1."""
        if len(self.tail_rows) == 0:
            return slots
        in_tail = slots >= self.n_base
        rows = slots.copy()
        rows[in_tail] = self.tail_rows[slots[in_tail] - self.n_base]
        return rows

    def are_alive(self, slots: np.ndarray) -> np.ndarray:
        """Whether slots may be found at this version: bool, of their shape."""
        if self.n_dead == 0:
            return slots >= 0
        in_tail = slots >= self.n_base
        died = self.base_died[np.where(in_tail, 0, slots)]
        died[in_tail] = self.tail_died[slots[in_tail] - self.n_base]
        return (died > self.version) & (slots >= 0)

    def are_active(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows are there and may be found: (n,) bool."""
        return self.are_alive(self.slots(rows))

    def written_since(self, before: "Snapshot") -> np.ndarray:
        """Rows that were added or got new vectors since another snapshot of the same store."""
        return np.unique(self.tail_rows[len(before.tail_rows) :])

    def history(self) -> tuple[np.ndarray, tuple[np.ndarray, Any, np.ndarray] | None]:
        """Say what leads from the base to here, for `RowStore` and its `repeat`.

        Returns
        -------
        removed : ndarray of int
            Rows that were removed when the base was made.
        changes : tuple or None
            Since then: rows that were written, their vectors, and rows that were removed.
        """
        removed = self.slot_finder.removed_before
        if self.n_changes == 0:
            return removed, None
        rows = np.unique(self.tail_rows)
        gone = np.setdiff1d(np.flatnonzero(~self.active), np.setdiff1d(removed, rows))
        return removed, (rows, self.take(rows), gone)

    def take(self, rows: np.ndarray) -> Any:
        """Gather the vectors of rows, removed ones included: (n, d)."""
        return self.at(self.slots(rows))

    def at(self, slots: np.ndarray) -> Any:
        """Gather vectors: (n, d)."""
        if len(self.tail_rows) == 0:
            return self.base[slots]
        in_tail = slots >= self.n_base
        if not in_tail.any():
            return self.base[slots]
        if sp.issparse(self.base):
            parts = [self.base[slots[~in_tail]], self.tail[slots[in_tail] - self.n_base]]
            order = np.argsort(np.argsort(in_tail, kind="stable"))
            return sp.vstack(parts, format="csr")[order]
        vectors = np.empty((len(slots), self.base.shape[1]), dtype=np.float32)
        vectors[~in_tail] = self.base[slots[~in_tail]]
        vectors[in_tail] = self.tail[slots[in_tail] - self.n_base]
        return vectors

    def whole(self) -> Any:
        """Vectors of all rows in order: (n_rows, d); the base itself if that is all."""
        if len(self.tail_rows) == 0:
            return self.base
        slots = self.slots(np.arange(self.n_rows))
        if sp.issparse(self.base):
            return self.at(slots)
        vectors = np.empty((self.n_rows, self.base.shape[1]), dtype=np.float32)
        vectors[: self.n_base] = self.base
        moved = np.flatnonzero(slots >= self.n_base)
        # torch, unlike numpy, lets other threads run meanwhile
        newest = torch.from_numpy(slots[moved] - self.n_base)
        torch.from_numpy(vectors).index_copy_(
            0, torch.from_numpy(moved), torch.from_numpy(self.tail).index_select(0, newest)
        )
        return vectors


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
        n, d = vectors.shape
        self._tail: Any = GrowingSparse(d) if sp.issparse(vectors) else Growing((d,), np.float32)
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


def squared_lengths(vectors: Any) -> np.ndarray:
    """Square the lengths of vectors: (n,) float32."""
    if sp.issparse(vectors):
        return np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", vectors, vectors)
