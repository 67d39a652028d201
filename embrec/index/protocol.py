"""What a search over vectors that do not change must offer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class StaticSearch(Protocol):
    """Finds slots whose inner products with a query are among the largest.

    Several threads may use one at a time.
    """

    @property
    def recall(self) -> float:
        """Share of the truly best that it finds, as measured; 1 if it is exact."""

    @property
    def recall_p10(self) -> float:
        """The share that 9 of 10 queries reach or exceed."""

    @property
    def n_held(self) -> int:
        """How many slots it can find."""

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` slots for each query, or more.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, d), float32
        n : int

        Returns
        -------
        ndarray of shape (n_queries, at least n), int64
            In any order, -1 where there are no more. The ``n`` best of all that it holds are among
            them, or recall is less than 1; what else is found may be worse than what is not. A row
            that is -1 throughout says nothing: too many would have to be found.
        """


class Backend(Protocol):
    """A library's approximate index."""

    #: How thorough a search is; 0 before it is tuned.
    effort: int
    #: What the library has to be told to open the file.
    settings: dict[str, Any]

    @property
    def efforts(self) -> Sequence[int]:
        """Efforts to try, from fast to thorough."""

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` places for each query: (n_queries, n) int64, -1 where there are none."""

    def save(self, path: Path) -> None:
        """Write a file that the backend's class opens again."""
