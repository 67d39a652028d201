"""What all indexes share: vectors that come, change and go while others search."""

import os
import threading
from numbers import Integral, Real
from typing import Any, ClassVar, Self
from weakref import WeakSet

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.preprocessing import normalize
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_k
from embrec._utils.compat import Interval, StrOptions, fit_context, validate_data
from embrec._utils.warn import warn
from embrec.index.background import BackgroundBuilder
from embrec.index.filters import Filter, present_slots
from embrec.index.neighbors import NeighborsMixin
from embrec.index.protocol import StaticSearch
from embrec.index.rows import RowStore, Snapshot
from embrec.index.searching import parts, search
from embrec.scoring.products import Vectors
from embrec.scoring.ranks import Ties, rank_and_find

_EVERYTHING = Filter()


#: Those whose locks a forked process must not inherit: the threads that hold them are not there.
_ALL: "WeakSet[BaseIndex]" = WeakSet()


def _renew_all_locks() -> None:
    for index in list(_ALL):
        index._renew_locks()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all_locks)


class IndexRebuildWarning(UserWarning):
    """An index could not be rebuilt in the background; the old one goes on serving."""


class BaseIndex(  # type: ignore[call-arg]
    NeighborsMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
):
    """Base of the indexes: top-k search over vectors that are added, updated and removed.

    It knows rows of vectors, not ids. Rows never move, so whoever keeps row numbers may go on using
    them: removing keeps a vector's row and its value.

    Any number of threads may search while others change it. A search sees each change as a whole or
    not at all: never what was removed before it began, always what was added before.

    A subclass has at least the parameters ``n_neighbors``, ``metric``, ``mode``,
    ``rebuild_fraction`` and ``memory``, and says in `_build` how to search vectors that do not
    change. What changes afterwards is searched exactly, beside them; once it is more than
    ``rebuild_fraction`` of the whole, all is built anew by a thread in the background.
    """

    n_neighbors: int
    metric: str
    mode: str
    rebuild_fraction: float
    memory: int

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions({"dot", "angular"})],
        "mode": [StrOptions({"connectivity", "distance"})],
        "rebuild_fraction": [Interval(Real, 0, None, closed="neither")],
        "memory": [Interval(Integral, 1, None, closed="left")],
    }
    #: Whether vectors may be sparse, and how.
    _sparse_formats: ClassVar[Any] = "csr"
    #: Changes that are searched beside the rest whatever their share.
    _min_changes: ClassVar[int] = 1024

    # ---- building

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None, *, queries: Any = None) -> Self:
        """Take the vectors to search.

        Parameters
        ----------
        X : array-like or CSR of shape (n_vectors, d)
            Float32 without a copy, which is never written to; a memory map stays one.
        y : None
            Ignored.
        queries : array-like of shape (n_queries, d), optional
            What will be asked, for measuring how well it is answered; by default, vectors of `X`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If values are missing or infinite.
        """
        self.check()
        vectors = self._as_unit(self._validated(X, reset=True))
        sample = None if queries is None else self._as_unit(self._validated(queries, reset=False))
        static = self._build(vectors, np.arange(vectors.shape[0]), sample)
        self._set_up(RowStore(vectors, static=static), sample)
        return self

    def check(self) -> None:
        """Raise if `fit` would not begin: a parameter is out of its range, or a library is missing.

        Raises
        ------
        ValueError, TypeError, ImportError
        """
        self._validate_params()

    def _set_up(self, store: RowStore, sample: Any) -> None:
        self._sample = sample
        self._companion: BaseIndex | None = None
        self._renew_locks()
        self._store = store
        _ALL.add(self)

    def _renew_locks(self) -> None:
        self._lock = threading.RLock()
        self._companion_lock = threading.Lock()
        self._builder = BackgroundBuilder()

    def _build(
        self, vectors: Any, rows: np.ndarray, queries: np.ndarray | None
    ) -> StaticSearch | None:
        """Make a search over some of the rows of vectors that do not change.

        Parameters
        ----------
        vectors : ndarray or CSR of shape (n, d), float32
        rows : ndarray of int
            Those that may be found.
        queries : ndarray of shape (n_queries, d), float32, or None
            To measure with.

        Returns
        -------
        StaticSearch or None
            None if all rows are to be scored.
        """
        return None

    def _validated(self, X: Any, *, reset: bool) -> Any:
        return validate_data(
            self, X, reset=reset, dtype=np.float32, order="C", accept_sparse=self._sparse_formats
        )

    def _as_unit(self, vectors: Any) -> Any:
        if self.metric == "dot" or vectors.shape[0] == 0:
            return vectors
        return normalize(vectors)

    # ---- what there is

    @property
    def snapshot(self) -> Snapshot:
        """All that there is now; it stays as it is while the index changes."""
        return self._store.snapshot

    def __len__(self) -> int:
        """Count the rows, removed ones included."""
        return self.snapshot.n_rows

    @property
    def n_samples_fit_(self) -> int:
        """How many rows there are, removed ones included."""
        return self.snapshot.n_rows

    @property
    def vectors(self) -> Any:
        """Vectors in row order, removed ones included: shape (n_vectors, d). May take a copy."""
        return self.snapshot.whole()

    @property
    def active(self) -> np.ndarray:
        """Which rows may be found, shape (n_vectors,), bool."""
        return self.snapshot.active

    @property
    def recall_(self) -> float:
        """Share of the true best that is found, as measured when it was built; 1 if exact."""
        static = self.snapshot.static
        return 1.0 if static is None else float(static.recall)

    # ---- changing

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
            self._store.remove(rows)
            if self._companion is not None:
                self._companion.remove(rows)
            self._builder.start(self)

    def _write(self, rows: np.ndarray, vectors: Any) -> None:
        if vectors.shape[0] != len(rows):
            raise ValueError(f"Got {vectors.shape[0]} vectors for {len(rows)} rows.")
        if len(np.unique(rows)) < len(rows):
            raise ValueError("rows must be unique; some are there twice.")
        if len(rows) == 0:
            return
        self._report_failure()  # what can raise comes before what is seen
        self._store.write(rows, vectors)
        if self._companion is not None:
            self._companion.write(rows, vectors[:, : self._companion.n_features_in_])
        self._builder.start(self)

    def _checked(self, vectors: Any) -> Any:
        check_is_fitted(self)
        if hasattr(vectors, "shape") and vectors.shape[0] == 0:
            return vectors  # no change
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

    # ---- searching

    def search(
        self, queries: Any, k: int, rules: Filter = _EVERYTHING, *, exactly: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the vectors with the largest inner products, or cosines.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        k : int
        rules : Filter, optional
            Further limits on what may be found. As many are returned as qualify, up to k.
        exactly : bool, default=False
            Whether to score all vectors though the index is approximate.

        Returns
        -------
        scores : ndarray of shape (n_queries, k), float32
            Largest first; -inf where fewer may be found.
        rows : ndarray of shape (n_queries, k), int64
            Their rows; -1 where fewer may be found.

        Raises
        ------
        ValueError
            If queries are not of the vectors' length, or ``k`` is not a positive integer.
        """
        check_is_fitted(self)
        check_k(k)
        rows, scores = search(
            self.snapshot,
            self._as_queries(queries),
            k,
            rules,
            memory=self.memory,
            exactly=exactly,
        )
        return scores, rows

    def rank(
        self,
        queries: Any,
        targets: np.ndarray,
        rules: Filter = _EVERYTHING,
        *,
        ties: Ties = "pessimistic",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank one row per query among all that may be found, exactly, by counting.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        targets : ndarray of shape (n_queries,), int
            The row to rank for each query.
        rules : Filter, optional
            Further limits on what it is ranked against.
        ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
            How vectors that score exactly as the target count.

        Returns
        -------
        ranks : ndarray of shape (n_queries,), float64
            How many are ahead of the target.
        n_candidates : ndarray of shape (n_queries,), int64
            How many there are, the target included.
        """
        return self.rank_and_find(queries, targets, 0, rules, ties=ties)[:2]

    def rank_and_find(
        self,
        queries: Any,
        targets: np.ndarray,
        k: int,
        rules: Filter = _EVERYTHING,
        *,
        ties: Ties = "pessimistic",
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Do as `rank` does, and find the best k rows in the same pass.

        Parameters
        ----------
        queries, targets
            As for `rank`.
        k : int
            May be 0.
        rules, ties
            As for `rank`.

        Returns
        -------
        ranks : ndarray of shape (n_queries,), float64
        n_candidates : ndarray of shape (n_queries,), int64
        rows : ndarray of shape (n_queries, k), int64
            Best first; -1 where fewer may be found.
        """
        check_is_fitted(self)
        snapshot = self.snapshot
        ranks, n_candidates, slots = rank_and_find(
            self._as_queries(queries),
            parts(snapshot),
            present_slots(snapshot, targets),
            k,
            rules.slots(snapshot).candidates(),
            ties=ties,
            memory=self.memory,
        )
        return ranks, n_candidates, snapshot.rows_at(slots.ravel()).reshape(slots.shape)

    def _as_queries(self, queries: Any) -> Vectors:
        if not sp.issparse(queries):
            queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.n_features_in_:
            raise ValueError(
                f"Expected queries of shape (n_queries, {self.n_features_in_}), as the vectors; "
                f"got {queries.shape}."
            )
        return self._as_unit(queries)

    def companion(self, n_columns: int | None = None) -> "BaseIndex":
        """Return an index of the same kind and rows by cosine, which changes along with this one.

        It is built at the first call, and kept.

        Parameters
        ----------
        n_columns : int, optional
            How many of the first columns to compare; all by default, and the same at every call.

        Returns
        -------
        BaseIndex
        """
        check_is_fitted(self)
        with self._companion_lock:
            if self._companion is None:
                self._make_companion(n_columns)
        return self._companion  # type: ignore[return-value]

    def _make_companion(self, n_columns: int | None) -> None:
        with self._builder.turn():
            snapshot = self.snapshot
            made = clone(self).set_params(metric="angular")
            made.fit(snapshot.whole()[:, :n_columns])
            made.remove(np.flatnonzero(~snapshot.active))
            with self._lock:
                now = self.snapshot
                written = now.written_since(snapshot)
                made.write(written, now.take(written)[:, :n_columns])
                made.remove(np.flatnonzero(made.active & ~now.active))
                self._companion = made

    # ---- scikit-learn

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_store")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(self._sparse_formats)
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # ---- pickling

    def _restore(
        self,
        vectors: Any,
        removed: np.ndarray,
        static: StaticSearch | None,
        sample: Any,
        changes: tuple[np.ndarray, Any, np.ndarray] | None = None,
    ) -> Self:
        """Set up an index as it was.

        Parameters
        ----------
        vectors : ndarray or CSR of shape (n, d)
            Of the base.
        removed : ndarray of int
            Rows that were removed when the base was made.
        static : StaticSearch or None
        sample : ndarray or None
        changes : tuple, optional
            Since then: rows, their vectors, and the rows that were removed.
        """
        self.n_features_in_ = vectors.shape[1]
        store = RowStore(vectors, removed, static=static)
        if changes is not None:
            store.repeat(*changes)
        self._set_up(store, sample)
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_store" not in state:
            return state
        for name in _NOT_PICKLED:
            del state[name]
        snapshot = self.snapshot
        removed, changes = snapshot.history()
        state["_fitted"] = snapshot.base, removed, snapshot.static, self._sample, changes
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        fitted = state.pop("_fitted", None)
        super().__setstate__(state)
        if fitted is not None:
            self._restore(*fitted)


_NOT_PICKLED = ("_store", "_lock", "_companion_lock", "_builder", "_companion", "_sample")


def _as_rows(rows: Any) -> np.ndarray:
    array = np.asarray(rows)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise TypeError(
            f"rows must be a 1-D array of integers; got {array.dtype} of shape {array.shape}. "
            "Turn a mask into rows with np.flatnonzero."
        )
    return array.astype(np.int64)
