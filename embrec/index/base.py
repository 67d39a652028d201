"""What all indexes share: vectors that come, change and go while others search."""

import threading
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.preprocessing import normalize
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted

from embrec._utils.compat import Interval, StrOptions, fit_context, validate_data
from embrec._utils.forks import renew_after_fork
from embrec._utils.pickles import Versioned
from embrec.data.side_by_side import SideBySide
from embrec.index.answering import AnsweringMixin
from embrec.index.background import BackgroundBuilder
from embrec.index.changing import ChangingMixin
from embrec.index.neighbors import NeighborsMixin
from embrec.index.protocol import StaticSearch
from embrec.index.rows import RowStore
from embrec.index.snapshot import Snapshot


class BaseIndex(  # type: ignore[call-arg]
    ChangingMixin,
    AnsweringMixin,
    NeighborsMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Versioned,
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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions({"dot", "angular"})],
        "mode": [StrOptions({"connectivity", "distance"})],
        "rebuild_fraction": [Interval(Real, 0, None, closed="neither")],
        "memory": [Interval(Integral, 1, None, closed="left")],
    }
    #: Whether vectors may be sparse, and how.
    _sparse_formats: ClassVar[Any] = "csr"

    def __init__(
        self, n_neighbors: int, *, metric: str, mode: str, rebuild_fraction: float, memory: int
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.mode = mode
        self.rebuild_fraction = rebuild_fraction
        self.memory = memory

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
        renew_after_fork(self)

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
        if isinstance(X, SideBySide):
            return self._validated_parts(X, reset=reset)
        return validate_data(
            self, X, reset=reset, dtype=np.float32, order="C", accept_sparse=self._sparse_formats
        )

    def _validated_parts(self, X: SideBySide, *, reset: bool) -> SideBySide:
        if reset:
            self.n_features_in_ = X.shape[1]
        options = {"dtype": np.float32, "order": "C", "accept_sparse": "csr"}
        parts = (
            check_array(part, ensure_min_samples=0, ensure_min_features=0, **options)
            for part in X.parts
        )
        return SideBySide(parts)

    def _as_unit(self, vectors: Any) -> Any:
        if self.metric == "dot" or vectors.shape[0] == 0:
            return vectors
        return normalize(vectors)

    # ---- what there is

    @property
    def snapshot(self) -> Snapshot:
        """All that there is now; it stays as it is while the index changes."""
        return self._store.snapshot

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

    @property
    def recall_p10_(self) -> float:
        """The share that 9 of 10 queries reach or exceed: the 10th percentile; 1 if exact."""
        static = self.snapshot.static
        return 1.0 if static is None else float(static.recall_p10)

    # ---- its companion

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
