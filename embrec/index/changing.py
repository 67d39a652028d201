"""How vectors of an index change, and how it is built anew when they have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from embrec._utils.warn import warn
from embrec.data.side_by_side import SideBySide
from embrec.index.rows import RowStore


class IndexRebuildWarning(UserWarning):
    """An index could not be rebuilt in the background; the old one goes on serving."""


class ChangingMixin:
    """Takes changes of an index, and builds it anew once there are many.

    Needs ``rebuild_fraction``, and the index's store, lock, builder, companion and checks of
    vectors.
    """

    rebuild_fraction: float
    n_features_in_: int
    snapshot: Any
    _store: Any
    _lock: Any
    _builder: Any
    _companion: Any
    _sample: Any
    _build: Any
    _validated: Any
    _as_unit: Any

    #: Changes that are searched beside the rest whatever their share.
    _min_changes: ClassVar[int] = 1024

    def __len__(self) -> int:
        """Count the rows, removed ones included."""
        return int(self.snapshot.n_rows)

    def add(self, vectors: Any) -> np.ndarray:
        """Append vectors, at a cost that does not depend on how many there are already.

        (A CSR index copies what was added since it was built.)

        Parameters
        ----------
        vectors : array-like or CSR of shape (n_new, d)

        Returns
        -------
        ndarray of shape (n_new,)
            Their rows.
        """
        vectors = self._checked(vectors)
        with self._lock:
            rows = len(self) + np.arange(vectors.shape[0])
            self._write(rows, vectors)
        return rows

    def replace(self, rows: Any, vectors: Any) -> None:
        """Give rows new vectors, and make them findable if they were removed.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Unique.
        vectors : array-like or CSR of shape (n, d)
        """
        vectors = self._checked(vectors)
        with self._lock:
            self._write(self._known(rows, len(self)), vectors)

    def write(self, rows: np.ndarray, vectors: Any) -> None:
        """Append some vectors and replace others, in one change.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Unique. Those that there are not yet follow the last, in this order.
        vectors : array-like or CSR of shape (n, d)
        """
        vectors = self._checked(vectors)
        with self._lock:
            rows = _as_rows(rows)
            new = rows[rows >= len(self)]
            if (new != len(self) + np.arange(len(new))).any():
                raise IndexError(f"New rows must follow row {len(self) - 1}; got {new.tolist()}.")
            self._write(self._known(rows, len(self) + len(new)), vectors)

    def remove(self, rows: Any) -> None:
        """Never return these rows again.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
        """
        check_is_fitted(self)
        with self._lock:
            rows = self._known(rows, len(self))
            if len(rows) == 0:
                return
            self._report_failure()
            with self._companion_too() as companion:
                self._store.remove(rows)
                if companion is not None:
                    companion.remove(rows)
            self._builder.start(self)

    def _write(self, rows: np.ndarray, vectors: Any) -> None:
        if vectors.shape[0] != len(rows):
            raise ValueError(f"Got {vectors.shape[0]} vectors for {len(rows)} rows.")
        if len(np.unique(rows)) < len(rows):
            raise ValueError("rows must be unique; some are there twice.")
        if len(rows) == 0:
            return
        self._report_failure()  # what can raise comes before what is seen
        with self._companion_too() as companion:
            self._store.write(rows, vectors)
            if companion is not None:
                companion.write(rows, vectors[:, : companion.n_features_in_])
        self._builder.start(self)

    @contextmanager
    def _companion_too(self) -> Iterator[Any]:
        try:
            yield self._companion
        except BaseException:
            self._companion = None  # it is made anew when it is asked for
            raise

    def _checked(self, vectors: Any) -> Any:
        check_is_fitted(self)
        if hasattr(vectors, "shape") and vectors.shape[0] == 0:
            return vectors  # no change
        SideBySide.check_alike(vectors, self.snapshot.base, "vectors")
        return self._as_unit(self._validated(vectors, reset=False))

    def _known(self, rows: Any, n: int) -> np.ndarray:
        known = _as_rows(rows)
        if len(known) and (known.min() < 0 or known.max() >= n):
            raise IndexError(f"There are rows 0 to {n - 1}; got {known.min()} to {known.max()}.")
        return known

    # ---- building anew

    def _n_due(self) -> int:
        snapshot = self.snapshot
        limit = max(self._min_changes, self.rebuild_fraction * snapshot.n_base)
        return snapshot.n_changes if snapshot.n_changes > limit else 0

    def _report_failure(self) -> None:
        for index in (self, self._companion):
            failure = None if index is None else index._builder.take_failure()
            if failure is not None:
                warn(
                    f"The index could not be rebuilt in the background ({failure!r}). It goes on "
                    "as it is, more slowly as it grows, and tries again when twice as much has "
                    "changed; rebuild() tries at once and raises the error.",
                    IndexRebuildWarning,
                )

    def rebuild(self) -> Self:
        """Build anew from all there is now, and wait for it; searches go on meanwhile.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self._builder.build(self)
        return self

    def wait(self) -> Self:
        """Wait until nothing is being built in the background; warn if that has failed.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self._builder.wait()
        if self._companion is not None:
            self._companion._builder.wait()
        self._report_failure()
        return self

    def _rebuild(self) -> None:
        with self._lock:
            store, snapshot = self._store, self._store.snapshot
        vectors, active = snapshot.whole(), snapshot.active
        static = self._build(vectors, np.flatnonzero(active), self._sample)
        with self._lock:
            if self._store is not store:
                return  # it was fitted again
            removed = np.flatnonzero(~active)
            version = store.snapshot.version + 1
            renewed = RowStore(vectors, removed, static=static, version=version)
            renewed.catch_up(store.snapshot, snapshot)
            self._store = renewed


def _as_rows(rows: Any) -> np.ndarray:
    if np.ma.is_masked(rows):
        raise ValueError("Some rows are masked; pass the others alone: rows.compressed().")
    array = np.asarray(rows)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise TypeError(
            f"rows must be a 1-D array of integers; got {array.dtype} of shape {array.shape}. "
            "Turn a mask into rows with np.flatnonzero."
        )
    return array.astype(np.int64)
