"""Arrays that grow at their end while others read them."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from embrec.data.ragged import Ragged
from embrec.data.side_by_side import SideBySide

#: Values that a row of a `GrowingRagged` has room for once it grows.
_LEAST_ROOM = 4


class Growing:
    """A dense array that grows at its end, at an amortised cost per new row.

    What was handed out stays as it was: it keeps the memory that it is in.

    Parameters
    ----------
    shape : tuple of int
        Of one row.
    dtype : dtype
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._buffer = np.empty((0, *shape), dtype=dtype)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def values(self) -> np.ndarray:
        """All rows so far: (n, ...)."""
        return self._buffer[: self._n]

    def cut(self, n: int) -> None:
        """Forget all rows but the first n."""
        self._n = n

    def extend(self, rows: np.ndarray) -> None:
        """Append rows."""
        n = self._n + len(rows)
        if n > len(self._buffer):
            buffer = np.empty((max(n, 2 * self._n), *self._buffer.shape[1:]), self._buffer.dtype)
            buffer[: self._n] = self.values
            self._buffer = buffer
        self._buffer[self._n : n] = rows
        self._n = n


class GrowingSparse:
    """The same for CSR matrices; what is there is copied, so keep it small.

    Parameters
    ----------
    n_columns : int
    """

    def __init__(self, n_columns: int) -> None:
        self.values = sp.csr_array((0, n_columns), dtype=np.float32)

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def cut(self, n: int) -> None:
        """Forget all rows but the first n."""
        self.values = self.values[:n]

    def extend(self, rows: Any) -> None:
        """Append rows."""
        self.values = sp.vstack([self.values, rows], format="csr", dtype=np.float32)


class GrowingParts:
    """The same for matrices side by side.

    Parameters
    ----------
    vectors : SideBySide
        Of the kinds and widths to come.
    """

    def __init__(self, vectors: SideBySide) -> None:
        self._parts = [growing_like(part) for part in vectors.parts]

    def __len__(self) -> int:
        return len(self._parts[0])

    @property
    def values(self) -> SideBySide:
        """All rows so far."""
        return SideBySide(part.values for part in self._parts)

    def cut(self, n: int) -> None:
        """Forget all rows but the first n."""
        for part in self._parts:
            part.cut(n)

    def extend(self, rows: SideBySide) -> None:
        """Append rows."""
        for part, more in zip(self._parts, rows.parts, strict=True):
            part.extend(more)


def growing_like(vectors: Any) -> Any:
    """Make what takes more vectors of this kind and length."""
    if isinstance(vectors, SideBySide):
        return GrowingParts(vectors)
    d = vectors.shape[1]
    return GrowingSparse(d) if sp.issparse(vectors) else Growing((d,), np.float32)


class GrowingRagged:
    """Rows of different lengths that each grow at their end, at an amortised cost per value.

    A row that has outgrown its place moves to one twice as large, at the end; so no more than a few
    times the space of the values is taken.

    Parameters
    ----------
    rows : Ragged
        What there is at first.
    """

    def __init__(self, rows: Ragged) -> None:
        self._values = Growing((), rows.values.dtype)
        self._values.extend(rows.values)
        self._starts = rows.offsets[:-1].copy()
        self._room = rows.lengths
        #: length of each row, int64
        self.lengths = rows.lengths

    def append(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Append a value to each of some rows, which are unique."""
        full = rows[self.lengths[rows] == self._room[rows]]
        if len(full):
            self._move(full)
        self._values.values[self._starts[rows] + self.lengths[rows]] = values
        self.lengths[rows] += 1

    def take(self, rows: np.ndarray) -> Ragged:
        """Gather rows, in the order given."""
        return Ragged.from_spans(self._values.values, self._starts[rows], self.lengths[rows])

    def _move(self, rows: np.ndarray) -> None:
        room = np.maximum(2 * self._room[rows], _LEAST_ROOM)
        places = Ragged.from_lengths(np.empty(room.sum(), self._values.values.dtype), room)
        moved = self.take(rows)
        starts = np.repeat(places.offsets[:-1] - moved.offsets[:-1], moved.lengths)
        places.values[starts + np.arange(len(moved.values))] = moved.values
        self._starts[rows] = len(self._values) + places.offsets[:-1]
        self._room[rows] = room
        self._values.extend(places.values)
