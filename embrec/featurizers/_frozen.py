"""What featurizers have in common whose features of an item depend on this item alone."""

from abc import abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import HasMethods, Interval, StrOptions, fit_context
from embrec._utils.warn import warn
from embrec.encoders.callables import hash_reads
from embrec.encoders.protocol import Encoder, EncoderSpec
from embrec.encoders.running import encode, get_encoder
from embrec.featurizers._base import ItemFeaturizer
from embrec.featurizers._text_columns import TextItems
from embrec.featurizers._vector_store import KEY_BYTES, KEY_DTYPE, VectorStore
from embrec.network.device import resolve_device

#: Bytes of vectors that are encoded before they are written to disk.
STORED_AT_A_TIME = 2**26
#: The key of a content that is missing.
_NO_CONTENT = b""
#: How many contents go through a model together on a GPU, if the user does not say.
GPU_BATCH = 64


class FrozenFeaturizer(ClassNamePrefixFeaturesOutMixin, ItemFeaturizer):
    """Base class: contents are read, told apart by hash, looked up on disk, and encoded if new.

    A subclass says how to read contents from ``X`` (`_read`) and which encoder reads them
    (`_source`). Equal contents are encoded once. Missing contents (None) have zeros.
    """

    #: Constraints of the parameters that all of them have.
    _shared_constraints: ClassVar[dict[str, Any]] = {
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "device": [str],
        "memory": [None, str, HasMethods(["__fspath__"]), HasMethods(["cache"])],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }
    #: What a progress bar counts.
    _unit: ClassVar[str] = "items"
    #: The batch that is fastest on a CPU, whose caches are small.
    _cpu_batch: ClassVar[int]
    #: Parameters that `model_fingerprint_` depends on, beside files.
    _model_parameters: ClassVar[tuple[str, ...]]

    batch_size: int | str
    device: str
    memory: Any
    n_jobs: int | None
    verbose: int

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None) -> Self:
        """Load the model, and check that it can read the items.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of length n_items
            The items.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` lacks a column, is empty or holds no content at all, or the model cannot be
            loaded.
        """
        self._fit(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: object = None) -> np.ndarray:
        """Do as ``fit(X).transform(X)`` does, reading the items once.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of length n_items
            The items.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_items, n_features), float32
        """
        return self._features(self._fit(X))

    def transform(self, X: Any) -> np.ndarray:
        """Turn items into vectors.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of length n_items
            The items.

        Returns
        -------
        ndarray of shape (n_items, n_features), float32
            Zeros for items without content. A read-only memory map if `memory` has a
            ``mmap_mode``.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If `X` lacks a column or is empty, or the model is not the one that ``fit`` saw.
        """
        check_is_fitted(self)
        return self._features(self._contents(X))

    @abstractmethod
    def _read(self, X: Any) -> tuple[TextItems, list[Any]]:
        """Read the items, and one content per item; None if it is missing."""

    @abstractmethod
    def _source(self) -> EncoderSpec | Encoder:
        """Say where the encoder comes from."""

    @abstractmethod
    def _content_bytes(self, content: Any) -> bytes:
        """Return what makes a content equal to another."""

    def _fit(self, X: Any) -> list[Any]:
        items, contents = self._read(X)
        if all(content is None for content in contents):
            raise ValueError(
                f"There are no {self._unit} in {len(contents)} items: all values are missing or "
                f"empty. columns={self.columns!r} says where {type(self).__name__} looks."
            )
        encoder = get_encoder(self._source())
        # assigned last: a fit that fails leaves an earlier one intact
        self._check_items(items, reset=True)
        self._set_fitted(encoder)
        return contents

    def _contents(self, X: Any) -> list[Any]:
        items, contents = self._read(X)
        self._check_items(items, reset=False)
        return contents

    def _set_fitted(self, encoder: Encoder) -> None:
        self.n_features_out_ = encoder.n_features
        self.model_fingerprint_ = encoder.fingerprint

    @property
    def _n_features_out(self) -> int:
        # the name that scikit-learn's mixin reads
        return self.n_features_out_

    def _features(self, contents: Sequence[Any]) -> np.ndarray:
        keys, places = np.unique(self._keys(contents), return_inverse=True)
        first = np.full(len(keys), len(contents))
        np.minimum.at(first, places, np.arange(len(contents)))
        store = self._open_store()
        different = [contents[i] for i in first]
        if store is None:
            vectors = self._encode(different)[places]
            self._report_broken(np.flatnonzero(~np.isfinite(vectors).all(axis=1)), len(contents))
            return vectors
        failed, broken = self._fill(store, keys, different)
        keys[failed] = _NO_CONTENT  # has the same vector, and lasts
        if not broken:
            return store.read(keys[places])
        vectors = store.read(keys[places], writable=True)
        rows = np.flatnonzero(np.isin(places, list(broken)))
        with np.errstate(over="ignore"):  # a memory map may be of float16
            vectors[rows] = [broken[place] for place in places[rows].tolist()]
        vectors.flags.writeable = not store.mapped
        self._report_broken(rows, len(contents))
        return vectors

    def _fill(
        self, store: VectorStore, keys: np.ndarray, contents: Sequence[Any]
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Encode what the store lacks, some at a time so that little is lost to a crash.

        Returns which could not be read, and the vectors that are not finite, by row. Neither are
        stored: next time they may be readable, or right.
        """
        failed = np.zeros(len(keys), dtype=bool)
        broken: dict[int, np.ndarray] = {}
        lacking = np.flatnonzero(~store.contains(keys))
        n_rows = max(1, STORED_AT_A_TIME // (4 * self._n_encoded))
        for start in range(0, len(lacking), n_rows):
            rows = lacking[start : start + n_rows]
            vectors = self._encode([contents[i] for i in rows])
            failed[rows] = self._failed(vectors) & (keys[rows] != _NO_CONTENT)
            finite = np.isfinite(vectors).all(axis=1)
            kept = finite & ~failed[rows]
            store.add(keys[rows][kept], vectors[kept])
            broken |= dict(zip(rows[~finite].tolist(), vectors[~finite], strict=True))
        if len(lacking) and self._store_name() != store.folder.name:
            warn(
                f"{' or '.join(f'{name}=' for name in self._functions())} of {type(self).__name__} "
                "changes what it reads while it runs, so that memory= will not find these vectors "
                "again. Pass a function that leaves globals and what it holds as they are "
                "(functools.lru_cache does), or leave memory= out."
            )
        failed[list(broken)] = True
        no_content = np.array([_NO_CONTENT], dtype=KEY_DTYPE)
        if failed.any() and not store.contains(no_content).all():
            store.add(no_content, self._encode([None]))
        return failed, broken

    def _report_broken(self, rows: np.ndarray, n_items: int) -> None:
        if len(rows):
            warn(
                f"The vectors of {len(rows)} of {n_items} items, such as that at position "
                f"{rows[0]}, are not finite (NaN or infinite): the model fails on these "
                f"{self._unit}, or on those that it computes with them. memory= does not keep such "
                "vectors. Try batch_size=1, or another device=."
            )

    def _failed(self, vectors: np.ndarray) -> np.ndarray:
        """Tell which vectors stand for contents that could not be read: (n,) bool."""
        return np.zeros(len(vectors), dtype=bool)

    def _encode(self, contents: Sequence[Any]) -> np.ndarray:
        vectors = np.zeros((len(contents), self._n_encoded), dtype=np.float32)
        present = np.fromiter((c is not None for c in contents), dtype=bool, count=len(contents))
        if present.any():
            vectors[present] = encode(
                self._checked_source(),
                [content for content in contents if content is not None],
                batch_size=self._batch_size(),
                n_jobs=self.n_jobs,
                verbose=self.verbose,
                what=self._unit,
            )
        return vectors

    @property
    def _n_encoded(self) -> int:
        return self.n_features_out_

    def _batch_size(self) -> int:
        if self.batch_size != "auto":
            return int(self.batch_size)
        return self._cpu_batch if resolve_device(self.device).type == "cpu" else GPU_BATCH

    def _checked_source(self) -> EncoderSpec | Encoder:
        name, settings = type(self).__name__, [f"{p}=" for p in self._model_parameters]
        try:
            source = self._source()
            fingerprint = get_encoder(source).fingerprint
        except (OSError, ValueError) as error:
            error.add_note(
                f"{name} was fitted with this model. If it is elsewhere now, say where by "
                f"set_params of the fitted {name} (a recommender has it in featurizer_)."
            )
            raise
        if fingerprint != self.model_fingerprint_:
            raise ValueError(
                f"The model of {name} is not the one that it was fitted with: its files, or one "
                f"of {', '.join(settings)} have changed since. Bring them back, or fit again."
            )
        return source

    def _keys(self, contents: Sequence[Any]) -> np.ndarray:
        keys = (_NO_CONTENT if c is None else self._key(c) for c in contents)
        return np.fromiter(keys, dtype=KEY_DTYPE, count=len(contents))

    def _key(self, content: Any) -> bytes:
        return blake2b(self._content_bytes(content), digest_size=KEY_BYTES).digest()

    def _open_store(self) -> VectorStore | None:
        if self.memory is None:
            return None
        return VectorStore.open(self.memory, self._store_name(), self._n_encoded)

    def _store_name(self) -> str:
        owner = type(self).__name__
        reads = hash_reads(self._functions(), owner)
        return "-".join([owner.lower(), self.model_fingerprint_, *reads])

    def _functions(self) -> dict[str, Any]:
        """Parameters that compute something, whose results may depend on anything they read."""
        parameters = {name: getattr(self, name) for name in self._model_parameters}
        return {name: value for name, value in parameters.items() if callable(value)}
