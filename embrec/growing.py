"""Arrays that grow at their end while others read them."""

from typing import Any

import numpy as np
import scipy.sparse as sp


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

    def extend(self, rows: Any) -> None:
        """Append rows."""
        self.values = sp.vstack([self.values, rows], format="csr", dtype=np.float32)
