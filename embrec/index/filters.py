"""Which rows may answer which query."""

from dataclasses import dataclass

import numpy as np
import torch

from embrec.data.ragged import Ragged
from embrec.index.snapshot import Snapshot
from embrec.scoring.candidates import Candidates


@dataclass(frozen=True)
class Filter:
    """Limits on what may be found, by row.

    Rows that an index does not have, because they are newer than what it shows, do no harm.

    Parameters
    ----------
    include, exclude : ndarray of rows, optional
        For all queries: nothing but these; none of these.
    included : Ragged of rows, optional
        Per query: nothing but these.
    excluded : tuple of Ragged of rows
        Per query: none of these.
    """

    include: np.ndarray | None = None
    exclude: np.ndarray | None = None
    included: Ragged | None = None
    excluded: tuple[Ragged, ...] = ()

    @classmethod
    def without_itself(cls, rows: np.ndarray) -> "Filter":
        """Make the filter by which the vectors of rows do not find themselves."""
        return cls(excluded=(Ragged.from_lengths(rows, np.ones(len(rows), dtype=np.int64)),))

    def slots(self, snapshot: Snapshot) -> "SlotFilter":
        """Say the same by slot."""
        return SlotFilter(
            snapshot,
            None if self.include is None else present_slots(snapshot, self.include),
            None if self.exclude is None else present_slots(snapshot, self.exclude),
            None if self.included is None else _slots_of(snapshot, self.included),
            tuple(_slots_of(snapshot, rows) for rows in self.excluded),
        )


@dataclass(frozen=True)
class SlotFilter:
    """Limits on what may be found, by slot of a snapshot; dead ones never are.

    Parameters
    ----------
    snapshot : Snapshot
    include, exclude, included, excluded
        As in `Filter`.
    """

    snapshot: Snapshot
    include: np.ndarray | None
    exclude: np.ndarray | None
    included: Ragged | None
    excluded: tuple[Ragged, ...]

    def candidates(self, start: int = 0) -> Candidates:
        """Say the same of the scores of all slots from ``start`` on."""
        n = self.snapshot.n_slots - start
        forbidden = [_from(self.snapshot.dead, start)]
        if self.exclude is not None:
            forbidden.append(_from(self.exclude, start))
        allowed = None
        if self.include is not None:
            allowed = torch.zeros(n, dtype=torch.bool)
            allowed[torch.from_numpy(_from(self.include, start))] = True
        none = np.concatenate(forbidden)
        return Candidates(
            allowed,
            None if self.included is None else _ragged_from(self.included, start),
            tuple(_ragged_from(slots, start) for slots in self.excluded),
            torch.from_numpy(none) if len(none) else None,
        )

    def may_answer(self, queries: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """Tell which slots may answer which query.

        Parameters
        ----------
        queries : ndarray of int
            Numbers of queries; with `slots` they broadcast.
        slots : ndarray of int
            -1 is no slot.

        Returns
        -------
        ndarray of bool
        """
        may = self.snapshot.are_alive(slots.ravel()).reshape(slots.shape)
        if self.include is not None:
            listed = np.zeros(self.snapshot.n_slots, dtype=bool)
            listed[self.include] = True
            may &= listed[slots]
        if self.exclude is not None:
            may &= ~np.isin(slots, self.exclude)
        pairs = queries * self.snapshot.n_slots + slots
        if self.included is not None:
            may &= np.isin(pairs, self._pairs(self.included))
        for excluded in self.excluded:
            may &= ~np.isin(pairs, self._pairs(excluded))
        return may

    def _pairs(self, slots: Ragged) -> np.ndarray:
        return slots.row_numbers * self.snapshot.n_slots + slots.values


def present_slots(snapshot: Snapshot, rows: np.ndarray) -> np.ndarray:
    """Find the slots of rows, leaving out rows that the snapshot lacks."""
    slots = snapshot.slots(rows)
    return slots[slots >= 0]


def _slots_of(snapshot: Snapshot, rows: Ragged) -> Ragged:
    slots = Ragged(snapshot.slots(rows.values), rows.offsets)
    there = slots.values >= 0
    return slots if there.all() else slots.where(there)


def _from(slots: np.ndarray, start: int) -> np.ndarray:
    return slots[slots >= start] - start if start else slots


def _ragged_from(slots: Ragged, start: int) -> Ragged:
    if start == 0:
        return slots
    later = slots.where(slots.values >= start)
    return Ragged(later.values - start, later.offsets)
