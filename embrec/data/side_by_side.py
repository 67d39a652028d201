"""Matrices side by side, dense ones and sparse ones, as one."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp


class SideBySide:
    """Matrices of the same number of rows, whose columns count as those of one matrix.

    A dense embedding and a sparse row of counts are one vector then, whose inner products are sums
    of inner products; neither has to become what the other is.

    Parameters
    ----------
    parts : iterable of ndarray or CSR of shape (n, d_part), float32
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        self.parts = tuple(parts)
        lengths = [part.shape[0] for part in self.parts]
        if len({*lengths}) != 1:
            raise ValueError(f"Expected matrices of one length; got {lengths} rows.")

    @property
    def shape(self) -> tuple[int, int]:
        """Of the whole."""
        return self.parts[0].shape[0], sum(self.widths)

    @property
    def ndim(self) -> int:
        """2, as of any matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all of them."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def widths(self) -> list[int]:
        """How many columns each has."""
        return [int(part.shape[1]) for part in self.parts]

    def __getitem__(self, key: Any) -> Any:
        """Take rows; or of all rows the first columns, those of the first part at most."""
        if not isinstance(key, tuple):
            return SideBySide(part[key] for part in self.parts)
        rows, columns = key
        if columns == slice(None):
            return self[rows]
        if columns.start is None and columns.step is None and columns.stop <= self.widths[0]:
            return self.parts[0][rows, columns]
        raise IndexError(f"Only columns before {self.widths[0]} can be taken; got {columns}.")

    @cached_property
    def turned(self) -> list[Any]:
        """The parts as products want them: sparse ones transposed. Kept, since it takes a copy."""
        return [part.T.tocsr() if sp.issparse(part) else part for part in self.parts]

    @staticmethod
    def check_alike(given: Any, vectors: Any, what: str) -> None:
        """Raise a ValueError if one of both is side by side, and the other is not of its widths."""
        wanted, found = (_told(each) for each in (vectors, given))
        if wanted != found:
            raise ValueError(f"Expected {what} to be {wanted}, as the index; got {found}.")

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self.parts}


def _told(vectors: Any) -> str:
    if isinstance(vectors, SideBySide):
        return f"matrices side by side, of {vectors.widths} columns"
    return "one matrix"
