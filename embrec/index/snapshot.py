"""What there is at one version of the rows, for readers to hold on to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from embrec.index.slots import SlotFinder
from embrec.scoring.products import take

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
    slot_finder: SlotFinder

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

    @property
    def parts(self) -> list[Any]:
        """The vectors of all slots, in two parts if there are two."""
        return [self.base, self.tail] if len(self.tail_rows) else [self.base]

    @cached_property
    def slot_rows(self) -> np.ndarray | None:
        """The row of each slot: (n_slots,) int64, or None if it is the slot itself."""
        if len(self.tail_rows) == 0:
            return None
        return np.concatenate([np.arange(self.n_base), self.tail_rows])

    def take(self, rows: np.ndarray) -> Any:
        """Gather the vectors of rows, removed ones included: (n, d)."""
        return self.at(self.slots(rows))

    def at(self, slots: np.ndarray) -> Any:
        """Gather vectors: (n, d)."""
        return take(self.parts, slots)

    def whole(self) -> Any:
        """Vectors of all rows in order: (n_rows, d); the base itself if that is all."""
        if len(self.tail_rows) == 0:
            return self.base
        slots = self.slots(np.arange(self.n_rows))
        if not isinstance(self.base, np.ndarray):
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
