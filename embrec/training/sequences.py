"""The sequences that training reads: views of flat arrays, which may lie on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from embrec.data.memmaps import release
from embrec.data.ragged import Ragged

#: Sequences that are looked at together when all of them must be.
_AT_A_TIME = 2**14


class TrainingSequences:
    """Sequences cut to what is trained on; those without a next item are left out.

    Nothing is copied: what a batch needs is read when it is needed, so the arrays may be larger
    than memory.

    Parameters
    ----------
    sequences : Ragged
        Item rows or, with ``rows``, codes; memory-mapped or not.
    max_length : int
        Events that are kept of each, the last ones.
    held_out : ndarray of int64, optional
        Sequences whose last event is kept from training; sorted.
    rows : ndarray of shape (n_codes,), optional
        Item row of each code.
    n_cut : ndarray of shape (n_held_out,), int64, optional
        How many events are kept from training at the end of those that are held out, if not one.

    Raises
    ------
    ValueError
        If nothing is left to train on.
    """

    def __init__(
        self,
        sequences: Ragged,
        max_length: int,
        held_out: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        n_cut: np.ndarray | None = None,
    ) -> None:
        self._sequences = sequences
        self._max_length = max_length
        self._held_out = np.empty(0, dtype=np.int64) if held_out is None else held_out
        self._rows = rows
        self._n_cut = np.ones_like(self._held_out) if n_cut is None else n_cut
        # None if all of them are, as in most logs: one number per user is a lot for some
        self._members: np.ndarray | None = None
        dtype = np.dtype(_smallest_int(len(sequences)))
        members = [part[self._spans(part)[1] >= 2].astype(dtype) for part in parts(len(sequences))]
        if sum(map(len, members)) < len(sequences):
            self._members = np.concatenate(members)
        if len(self) == 0:
            raise ValueError(
                f"None of the {len(sequences)} sequences in X has two items or more (besides "
                "the last one, if it is kept for validation), so there is no next item to "
                "learn from."
            )

        if sequences.events is not None and sequences.events.weights is not None:
            self._check_weights(sequences.events.weights)

    def _check_weights(self, weights: np.ndarray) -> None:
        for part in parts(len(self)):
            starts, lengths = self._spans(self.places(part))
            if Ragged.from_spans(weights, starts, lengths).values.any():
                return
        raise ValueError(
            "sample_weight is 0 for every event that is trained on (the last max_length of each "
            "sequence of two or more, without those that validate), so there is nothing to learn "
            "from."
        )

    def __len__(self) -> int:
        return len(self._sequences) if self._members is None else len(self._members)

    @property
    def names(self) -> np.ndarray | None:
        """Whose each of the sequences is, if that was said: shape (n_sequences,)."""
        names = self._sequences.names
        return None if names is None else names[self.places(np.arange(len(self)))]

    @property
    def event_blocks(self) -> Sequence[Any]:
        """Features of all events that were given."""
        events = self._sequences.events
        return () if events is None else events.blocks

    @property
    def visitor_blocks(self) -> Sequence[Any]:
        """Features of all visitors that were given."""
        visitors = self._sequences.visitors
        return () if visitors is None else visitors.blocks

    def places(self, numbers: np.ndarray) -> np.ndarray:
        """Say where sequences stand among all that were given, those left out included."""
        return numbers if self._members is None else self._members[numbers]

    def take(self, numbers: np.ndarray) -> Ragged:
        """Read sequences: item rows, int32, with their names and what is known of events."""
        members = self.places(numbers)
        starts, lengths = self._spans(members)
        given = self._sequences
        names = None if given.names is None else given.names[members]
        found = Ragged.from_spans(given.values, starts, lengths, names, given.events)
        release(given.values)
        values = found.values if self._rows is None else self._rows[found.values]
        visitors = given.visitors and given.visitors.take(members)
        return replace(found, values=values.astype(np.int32, copy=False), visitors=visitors)

    def count_items(self, n_items: int) -> np.ndarray:
        """Count the events of each item that are trained on: (n_items,) int64."""
        counts = np.zeros(n_items, dtype=np.int64)
        for part in parts(len(self)):
            counts += np.bincount(self.take(part).values, minlength=n_items)
        return counts

    def count_targets(self, n_items: int) -> np.ndarray:
        """Count how often each item is a next item: (n_items,) int64. First items are none."""
        counts = self.count_items(n_items)
        for part in parts(len(self)):
            found = self.take(part)
            counts -= np.bincount(found.values[found.offsets[:-1]], minlength=n_items)
        return counts

    def update_digest(self, digest: Any) -> None:
        """Feed all that is trained on to a hash."""
        for part in parts(len(self)):
            found = self.take(part)
            digest.update(found.values.tobytes())
            digest.update(found.lengths.tobytes())
            if found.names is not None:
                digest.update(found.names.tobytes())
            for known in (found.events, found.visitors):
                if known is not None:
                    known.update_digest(digest)

    def with_rows(self, new_rows: np.ndarray) -> "TrainingSequences":
        """Call item row ``i`` ``new_rows[i]``."""
        changed = object.__new__(TrainingSequences)
        changed.__dict__ = dict(self.__dict__)
        changed._rows = new_rows if self._rows is None else new_rows[self._rows]
        return changed

    def with_names(self, names: np.ndarray | None) -> "TrainingSequences":
        """Name all sequences that were given, those left out included, or none."""
        changed = object.__new__(TrainingSequences)
        changed.__dict__ = dict(self.__dict__)
        changed._sequences = replace(self._sequences, names=names)
        return changed

    @property
    def n_given(self) -> int:
        """How many sequences were given, those left out included."""
        return len(self._sequences)

    @property
    def all_names(self) -> np.ndarray | None:
        """Whose each of the sequences is that were given, those left out included."""
        return self._sequences.names

    def _spans(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        offsets = self._sequences.offsets
        first, stops = np.asarray(offsets[members]), np.asarray(offsets[members + 1])
        release(offsets)
        if len(self._held_out):
            places = np.searchsorted(self._held_out, members).clip(max=len(self._held_out) - 1)
            stops = stops - np.where(self._held_out[places] == members, self._n_cut[places], 0)
        starts = np.maximum(first, stops - self._max_length)
        return starts, np.maximum(stops - starts, 0)


def parts(n: int) -> Iterator[np.ndarray]:
    """Numbers from 0 on, some at a time."""
    for start in range(0, n, _AT_A_TIME):
        yield np.arange(start, min(start + _AT_A_TIME, n))


def _smallest_int(n: int) -> type:
    return np.int32 if n <= np.iinfo(np.int32).max else np.int64
