"""What a recommender must bring, and how it reads what users pass."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from embrec._utils.compat import StrOptions
from embrec._utils.parameters import Parametrized
from embrec.data.interactions import LogColumns, encode, read_sequences, with_weights
from embrec.data.items import Features, ItemRows
from embrec.data.ragged import Ragged
from embrec.data.repeats import warn_of_repeats
from embrec.data.store import InteractionStore
from embrec.index.base import BaseIndex
from embrec.persistence.state import SavedState
from embrec.serving.live import LiveCatalog


class RecommenderContract(Parametrized, ABC):
    """What a recommender brings to `BaseRecommender`.

    A subclass has the parameters below, beside its own, and writes six methods:

    - `fit`, which sets ``catalog_``, a `LiveCatalog`;
    - `query_vectors`, from histories to vectors;
    - `item_vectors`, from items to vectors;
    - `training_counts`, how often each item was in training;
    - `get_state` and `set_state`, what `save` keeps besides parameters and catalogue.

    It may also write `step_query_vectors`, if all steps of a sequence are cheaper together, and
    `n_embedding_columns`, if not all of an item's vector says what the item is.

    Parameters
    ----------
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.
    """

    catalog_: LiveCatalog
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "user_col": [str],
        "item_col": [str],
        "timestamp_col": [str, None],
        "on_unknown": [StrOptions({"raise", "skip"})],
    }

    #: Parameters of a run rather than of what it made: they are not saved.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ()

    # scikit-learn routes these to fit unasked
    __metadata_request__fit = {"items": True, "X_val": True}
    __metadata_request__partial_fit = {"items": True}

    def __init__(
        self,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.on_unknown = on_unknown

    # ---- what a subclass brings

    @abstractmethod
    def fit(self, X: Any, y: Any = None, *, items: Any = None, X_val: Any = None) -> Self:
        """Learn from a log; set ``catalog_`` when nothing can fail any more."""

    @abstractmethod
    def query_vectors(self, histories: Ragged) -> Any:
        """Turn histories into query vectors.

        Parameters
        ----------
        histories : Ragged of rows of ``catalog_``

        Returns
        -------
        ndarray or CSR of shape (n_histories, d), float32
        """

    @abstractmethod
    def item_vectors(self, items: ItemRows) -> tuple[Any, Sequence[Features]]:
        """Turn items, new or changed, into vectors.

        Parameters
        ----------
        items : ItemRows
            Their ids and content. Those that are in ``catalog_`` have rows there.

        Returns
        -------
        vectors : ndarray or CSR of shape (n, d), float32
        blocks : list of ndarray or CSR of shape (n, n_features)
            Features that the catalogue is to keep; none, if training does not go on from them.
        """

    @abstractmethod
    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row of ``catalog_`` has: (n,) int."""

    @abstractmethod
    def get_state(self) -> SavedState:
        """Return what was learned, apart from ``catalog_``."""

    @abstractmethod
    def set_state(self, state: SavedState) -> None:
        """Take back what `get_state` returned; ``catalog_`` is there."""

    def step_query_vectors(self, sequences: Ragged) -> Any:
        """Make query vectors after every item of sequences of rows: (n_values, d).

        None if there is no shorter way than through every prefix.
        """
        return None

    @property
    def reads_events(self) -> bool:
        """Whether histories keep what a log says of their events besides user and item."""
        return False

    @property
    def n_embedding_columns(self) -> int | None:
        """How many columns of an item's vector say what it is; None if all do."""
        return None

    # ---- reading what users pass

    @property
    def index_(self) -> BaseIndex:
        """Item vectors, and the search over them."""
        return self.catalog_.index

    def read_sequences(
        self, X: Any, *, what: str = "X", with_events: bool | None = None, weights: Any = None
    ) -> Ragged:
        """Read interactions in any form that embrec takes.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
        what : str, default="X"
            Its name in error messages.
        with_events : bool, optional
            Whether to keep what a log says of its events; by default if that is read.
        weights : array-like of shape (n_events,), optional
            How much each event counts.

        Returns
        -------
        Ragged of item ids
        """
        if isinstance(X, InteractionStore):
            stored = X.sequences()
            stored = replace(stored, values=X.ids[stored.values], names=X.users)
            return with_weights(stored, weights)
        columns = LogColumns(self.user_col, self.item_col, self.timestamp_col)
        with_events = self.reads_events if with_events is None else with_events
        return read_sequences(X, columns, what=what, with_events=with_events, weights=weights)[0]

    def read_log(self, X: Any) -> Ragged:
        """Read what is learned from, and warn of events that repeat the one before.

        Parameters
        ----------
        X : list of sequences, or log

        Returns
        -------
        Ragged of item ids
        """
        sequences = self.read_sequences(X)
        warn_of_repeats(sequences)
        return sequences

    def encode(self, sequences: Ragged, on_unknown: str | None = None) -> Ragged:
        """Turn sequences of item ids into sequences of rows of ``catalog_``."""
        policy = self.on_unknown if on_unknown is None else on_unknown
        if policy not in ("raise", "skip"):
            raise ValueError(f"on_unknown must be 'raise' or 'skip'; got {policy!r}.")
        return encode(sequences, self.catalog_.ids, on_unknown=policy)
