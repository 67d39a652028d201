"""Rows of different lengths in flat arrays, and what can be done to all of them at once."""

from dataclasses import dataclass, replace

import numpy as np

from embrec.data.events import Events, join_events


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one flat array.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        The rows, one after another.
    offsets : ndarray of shape (n_rows + 1,), int64
        Row ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
    names : ndarray of shape (n_rows,), optional
        Whose each row is. They go along when rows are taken or cut.
    events : Events, optional
        What is known of each value besides. It goes along too.
    visitors : Events, optional
        What is known of each row besides: the rows of a log in which its visitor came first.
    """

    values: np.ndarray
    offsets: np.ndarray
    names: np.ndarray | None = None
    events: Events | None = None
    visitors: Events | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row, shape (n_rows,), int64."""
        return np.diff(self.offsets)

    @property
    def row_numbers(self) -> np.ndarray:
        """The row that each value belongs to, shape (n_values,), int64."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @classmethod
    def from_lengths(cls, values: np.ndarray, lengths: np.ndarray) -> "Ragged":
        """Cut a flat array into rows of the given lengths."""
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(values, offsets)

    @classmethod
    def from_spans(
        cls,
        values: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        names: np.ndarray | None = None,
        events: Events | None = None,
    ) -> "Ragged":
        """Gather stretches of a flat array, from each start on, as rows."""
        cut = cls.from_lengths(values[:0], lengths)
        places = np.arange(cut.offsets[-1]) + np.repeat(starts - cut.offsets[:-1], lengths)
        of_places = None if events is None else events.take(places)
        return cls(np.asarray(values[places]), cut.offsets, names, of_places)

    def slice_rows(self, start: int, stop: int) -> "Ragged":
        """Rows ``start`` to ``stop``, sharing memory."""
        offsets = self.offsets[start : stop + 1]
        names = None if self.names is None else self.names[start:stop]
        events = self.events and self.events.take(np.arange(offsets[0], offsets[-1]))
        visitors = self.visitors and self.visitors.take(np.arange(len(self))[start:stop])
        values = self.values[offsets[0] : offsets[-1]]
        return Ragged(values, offsets - offsets[0], names, events, visitors)

    def and_then(self, other: "Ragged") -> "Ragged":
        """Append the rows of another; names stay if both have some, of one kind."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        names = [part.names for part in (self, other) if part.names is not None]
        alike = len(names) == 2 and names[0].dtype.kind == names[1].dtype.kind
        values = np.concatenate([self.values, other.values])
        events = join_events(self.events, len(self.values), other.events, len(other.values))
        visitors = join_events(self.visitors, len(self), other.visitors, len(other))
        return Ragged(values, offsets, np.concatenate(names) if alike else None, events, visitors)

    def take(self, rows: np.ndarray) -> "Ragged":
        """Gather rows, in the order given."""
        names = None if self.names is None else self.names[rows]
        taken = self._gather(self.offsets[:-1][rows], self.lengths[rows], names)
        return replace(taken, visitors=self.visitors and self.visitors.take(rows))

    def last(self) -> np.ndarray:
        """Last value of each row; every row must have one."""
        return self.values[self.offsets[1:] - 1]

    def drop_last(self, n: int = 1) -> "Ragged":
        """Cut the last ``n`` values off each row; a shorter row becomes empty."""
        return self._gather(self.offsets[:-1], np.maximum(self.lengths - n, 0), self.names)

    def keep_last(self, n: int) -> "Ragged":
        """Keep the last ``n`` values of each row."""
        kept = np.minimum(self.lengths, n)
        return self._gather(self.offsets[1:] - kept, kept, self.names)

    def where(self, mask: np.ndarray) -> "Ragged":
        """Keep the values for which ``mask`` (shape (n_values,), bool) is true."""
        ends = np.concatenate([[0], np.cumsum(mask)])[self.offsets]
        events = self.events and self.events.take(np.flatnonzero(mask))
        return replace(self, values=self.values[mask], offsets=ends.astype(np.int64), events=events)

    def with_values(self, values: np.ndarray) -> "Ragged":
        """Rows of the same lengths, names and events with other values."""
        return replace(self, values=values)

    def with_events(self, events: Events | None) -> "Ragged":
        """Say what is known of each value besides."""
        return replace(self, events=events)

    def _gather(
        self, starts: np.ndarray, lengths: np.ndarray, names: np.ndarray | None
    ) -> "Ragged":
        found = Ragged.from_spans(self.values, starts, lengths, names, self.events)
        return replace(found, visitors=self.visitors)
