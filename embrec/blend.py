"""Several recommenders as one."""

from copy import copy
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from embrec import baselines
from embrec._utils.compat import fit_context
from embrec._utils.moments import as_of_now, replace_attributes
from embrec._utils.warn import warn
from embrec.baselines._catalog import catalog_of
from embrec.data.hold_out import hold_out_last
from embrec.data.ids import IdIndex
from embrec.data.interactions import LogColumns, encode
from embrec.data.items import Features, ItemRows, read_items
from embrec.data.ragged import Ragged
from embrec.data.side_by_side import SideBySide
from embrec.data.tables import Table
from embrec.data.targets import last_items, split_targets
from embrec.data.whole import Whole, whole
from embrec.estimator import EmbRecEstimator
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.recommenders.events import EventReader, LogReader
from embrec.recommenders.sessions import NoState, SessionRecommender
from embrec.scoring.candidates import Candidates
from embrec.scoring.log_linear import log_linear_weights
from embrec.scoring.products import as_float32
from embrec.serving.blended import BlendedCatalog, check_same_ids
from embrec.serving.live import current_catalog

#: Steps that weights are learned from, at most.
MAX_STEPS = 2000
#: More would make scores that are not finite.
LARGEST_WEIGHT = 1e9
#: What all recommenders of a blend must agree on.
_SHARED = ("user_col", "item_col", "timestamp_col", "on_unknown")


class BlendRecommender(SessionRecommender):
    """Adds up the scores of several recommenders, with weights that are learned.

    As scikit-learn's VotingClassifier is for classifiers, so is this for recommenders. The score of
    an item is the weighted sum of its scores, and weights are those under which the next items of
    visitors who were held out are likeliest, if a softmax over the catalogue tells how likely each
    is (McFadden's conditional logit). So scores that mean different things may be blended: a
    network's logits, how often an item followed others, how alike two contents are.

    Parameters
    ----------
    recommenders : list of (str, recommender)
        Names and recommenders, of which clones are fitted. By their names they are parameters too:
        ``rules__decay``. They must agree on the columns of the log and on ``on_unknown``.
    weights : list of float, default=None
        One for each, 0 or more; None learns them.

    Attributes
    ----------
    recommenders_ : dict of str to recommender
        As they were fitted; parameters that are set later count from the next fit on. Change their
        catalogue through the blend alone.
    weights_ : ndarray of shape (n_recommenders,), float64
        What the score of each is multiplied by.
    catalog_ : LiveCatalog
        Ids and vectors of all items: those of the recommenders, side by side.
    index_ : ExactIndex

    Notes
    -----
    All scores are computed, whatever ``index`` a recommender has: answers are exact.
    `similar_items` and ``diversity`` compare items as the first of the recommenders does.

    Examples
    --------
    >>> from embrec import BlendRecommender
    >>> from embrec.baselines import PopularityRecommender, SessionNeighborsRecommender
    >>> log = [["cam", "card", "bag"], ["cam", "card"], ["pen", "ink"], ["pen", "ink", "bag"]] * 9
    >>> parts = [("near", SessionNeighborsRecommender()), ("popular", PopularityRecommender())]
    >>> BlendRecommender(parts).fit(log).recommend([["cam"]], k=1)[0]
    array([['card']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "recommenders": [list],
        "weights": ["array-like", None],
    }

    def __init__(self, recommenders: list[tuple[str, Any]], *, weights: Any = None) -> None:
        self.recommenders = recommenders
        self.weights = weights

    catalog_: BlendedCatalog

    # ---- parameters

    @property
    def user_col(self) -> str:  # type: ignore[override]
        """Column of the log with the visitors, as of all recommenders."""
        return str(self._shared("user_col"))

    @property
    def item_col(self) -> str:  # type: ignore[override]
        """Column of the log, and of ``items``, with the ids of items."""
        return str(self._shared("item_col"))

    @property
    def timestamp_col(self) -> str | None:  # type: ignore[override]
        """Column of the log with the times."""
        found: str | None = self._shared("timestamp_col")
        return found

    @property
    def on_unknown(self) -> str:  # type: ignore[override]
        """What to do with an item in a history that the catalogue never had."""
        return str(self._shared("on_unknown"))

    def _shared(self, name: str) -> Any:
        return getattr(self.recommenders[0][1], name)

    def _check(self) -> None:
        """Raise unless parameters are what they may be."""
        self._validate_params()
        what = "recommenders must be a list of (name, recommender)"
        if not self.recommenders:
            raise ValueError(f"{what}; got an empty one.")
        for pair in self.recommenders:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                raise TypeError(f"{what}; got {pair!r} in it.")
            if not isinstance(pair[1], BaseRecommender) or isinstance(pair[1], BlendRecommender):
                raise TypeError(f"{what} of embrec, none a blend itself; got {pair!r} in it.")
        names = [name for name, _ in self.recommenders]
        if not all(isinstance(name, str) and name for name in names):
            raise TypeError(f"Names of recommenders must be strings; got {names}.")
        own = self._get_param_names()
        if len({*names}) < len(names) or any("__" in name or name in own for name in names):
            raise ValueError(
                f"Recommenders need distinct names without '__', none of {own}; got {names}."
            )
        for name in _SHARED:
            found = {key: getattr(each, name) for key, each in self.recommenders}
            if len({*found.values()}) > 1:
                raise ValueError(f"All recommenders must have the same {name}; got {found}.")
        if self.weights is not None:
            self._check_weights()

    def _check_weights(self) -> None:
        weights = np.array(self.weights, dtype=object)
        if all(isinstance(each, Real) for each in weights.ravel()):
            weights = weights.astype(np.float64)
        is_right = weights.shape == (len(self.recommenders),) and weights.dtype.kind in "iuf"
        is_right = is_right and bool(((weights >= 0) & (weights <= LARGEST_WEIGHT)).all())
        if not is_right or not weights.any():
            raise ValueError(
                f"weights must be one number per recommender from 0 to {LARGEST_WEIGHT:g}, not all "
                f"0; got {self.weights!r} for {len(self.recommenders)} recommenders."
            )

    # ---- learning

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, *, items: Table | Whole | None = None, X_val: Any = None
    ) -> Self:
        """Fit the recommenders, and learn what each is worth.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
        y : ignored
        items : table or Whole, optional
            The catalogue, for all recommenders; those that read content need it.
        X_val : log, list of sequences or InteractionStore, optional
            Whole sequences, of which the last items are predicted from those before: weights are
            learned from up to 2,000 of them, and recommenders that stop early look at them.
            Without it, the last events of up to 2,000 visitors are held out of ``X``, if weights
            are to be learned.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If parameters are out of range, or nobody has two events to learn weights from.
        """
        self._check()
        items, X_val = whole(items, X, y, what="items"), whole(X_val, X, what="X_val")
        if items is None:
            # for all alike, though a last event that is held out be the only one of an item
            catalog = catalog_of(self.read_sequences(X, with_events=False), None, self.item_col)
            items = pd.DataFrame({self.item_col: catalog.ids.ids})
        if X_val is None and self.weights is None:
            columns = LogColumns(self.user_col, self.item_col, self.timestamp_col)
            X, X_val = hold_out_last(X, columns, MAX_STEPS)
        if self.weights is None:
            self._check_last(X_val, items)  # before all training
        beside: dict[str, Any] = {"items": Whole(items)}  # of whatever length
        if X_val is not None:
            beside["X_val"] = Whole(X_val)
        fitted = {name: clone(each).fit(X, **beside) for name, each in self.recommenders}
        weights = self.weights
        if weights is None:
            weights = self._learned(fitted, X_val)
        self._set_up(fitted, np.array(weights, dtype=np.float64))
        return self

    def _check_last(self, X_val: Any, items: Table) -> None:
        """Raise unless all last items are of the catalogue."""
        sequences = self.read_sequences(X_val, what="X_val", with_events=False)
        ids = IdIndex(read_items(items, self.item_col).ids)
        encode(sequences, ids, on_unknown=self.on_unknown, what="X_val")
        last = last_items(sequences)
        encode(Ragged.from_lengths(last, np.ones(len(last), np.int64)), ids, what="X_val")

    def _learned(self, fitted: dict[str, BaseRecommender], X_val: Any) -> np.ndarray:
        parts = [*fitted.values()]
        with_events = any(each.reads_events for each in parts)
        sequences = self.read_sequences(X_val, what="X_val", with_events=with_events)
        sequences, targets = split_targets(sequences, None, parts[0].catalog_.rows_of)
        some = np.unique(np.linspace(0, len(targets) - 1, MAX_STEPS).astype(np.int64))
        histories, targets = parts[0].encode(sequences.take(some)), targets[some]
        scores = [
            (as_float32(each.query_vectors(histories)), each.index_.vectors) for each in parts
        ]
        weights = log_linear_weights(scores, targets, Candidates(excluded=(histories,)))
        if not weights.any():
            warn(
                f"None of {[*fitted]} tells which items come next in X_val: all weights are 0, and "
                "so are all scores. Choose other recommenders, or pass weights."
            )
        return weights

    def _set_up(self, fitted: dict[str, BaseRecommender], weights: np.ndarray) -> None:
        """Let these be what answers, all at once."""
        catalog = BlendedCatalog.of({name: each.catalog_ for name, each in fitted.items()})
        replace_attributes(self, recommenders_=fitted, weights_=weights, catalog_=catalog)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | Whole | None = None) -> Self:
        """Let the recommenders learn on; weights stay as they are.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
        y : ignored
        items : table or Whole, optional
            New items, and known ones whose content changed.

        Returns
        -------
        self
        """
        if not hasattr(self, "catalog_"):
            return self.fit(X, y, items=items)
        self._check()
        items = whole(items, y=y, what="items")
        beside = {} if items is None else {"items": Whole(items)}
        with current_catalog(self, training=True):  # what changes meanwhile would be lost
            copies = self._copies()
            for each in copies.values():
                each.partial_fit(X, **beside)
            self._set_up(copies, self.weights_)
        return self

    # ---- what answers are made of

    @property
    def reads_events(self) -> bool:
        """Whether one of the recommenders reads what a log says of its events."""
        return any(each.reads_events for each in self._fitted())

    @property
    def n_embedding_columns(self) -> int:
        """How many columns of an item's vector are those of the first recommender's embedding."""
        first = self._fitted()[0]
        return first.n_embedding_columns or first.index_.n_features_in_

    def query_vectors(self, histories: Ragged) -> SideBySide:
        """Turn histories of rows into query vectors, each weighted."""
        pairs = zip(self._fitted(), self.weights_.astype(np.float32), strict=True)
        return SideBySide(
            as_float32(each.query_vectors(histories)) * weight for each, weight in pairs
        )

    def item_vectors(self, items: ItemRows) -> tuple[SideBySide, list[Features]]:
        """Turn items into vectors, side by side."""
        vectors, blocks = zip(*(each.item_vectors(items) for each in self._fitted()), strict=True)
        return SideBySide(vectors), [block for some in blocks for block in some]

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return self._fitted()[0].training_counts(rows)

    # ---- sessions: of a blend, they are histories, which are read anew at each request

    network_: Any = NoState()
    #: Histories are of no model.
    fingerprint_ = "0" * 32

    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Return nothing for each history: (n, 0)."""
        if self.reads_events:
            reading = [name for name, each in self.recommenders_.items() if each.reads_events]
            raise ValueError(
                f"Sessions of a blend keep items alone, and {reading} read what a log says of "
                "events. Pass logs to recommend, or use sessions of the recommender itself."
            )
        return self.network_.initial_states(len(histories))

    def log_reader(self) -> LogReader:
        """Return what reads nothing of events and of visitors."""
        none = EventReader(None, None, ())
        return LogReader(none, none)

    # ---- copies

    def __copy__(self) -> Self:
        """Copy, with catalogues of its own."""
        copied = clone(self)
        now = as_of_now(self)
        if hasattr(now, "recommenders_"):
            copied._set_up(now._copies(), now.weights_.copy())
        return copied

    def __getstate__(self) -> dict[str, Any]:
        now = as_of_now(self)
        state = dict(super(BlendRecommender, now).__getstate__())
        if "recommenders_" in state:
            state["recommenders_"] = now._copies()
            del state["catalog_"]  # which is made of theirs
        return state

    def _copies(self) -> dict[str, BaseRecommender]:
        """Copy the recommenders as they are at one moment, with catalogues of their own."""
        with self.catalog_.writing():
            return {name: copy(each) for name, each in self.recommenders_.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "recommenders_" in state:
            self._set_up(self.recommenders_, self.weights_)

    def _fitted(self) -> list[BaseRecommender]:
        check_is_fitted(self)
        return [*self.recommenders_.values()]

    # ---- persistence

    def get_state(self) -> SavedState:
        """Return what was learned."""
        check_same_ids(self.catalog_.parts)
        values = {"learned": self.weights is None, "weights": self.weights_.tolist()}
        return SavedState(values, recommenders=self.recommenders_)

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        self._set_up(state.recommenders, np.array(state.values["weights"], float))

    @classmethod
    def from_state(cls, state: SavedState) -> Self:
        """Make what `get_state` returned, parameters included.

        Parameters
        ----------
        state : SavedState
        """
        blend = cls(
            [(name, clone(each)) for name, each in state.recommenders.items()],
            weights=None if state.values["learned"] else state.values["weights"],
        )
        blend._check()
        blend.set_state(state)
        return blend

    @staticmethod
    def kind_of_recommender(name: str) -> type[BaseRecommender] | None:
        """Find the class of embrec that is called so.

        Parameters
        ----------
        name : str

        Returns
        -------
        type or None
        """
        found = EmbRecEstimator if name == EmbRecEstimator.__name__ else vars(baselines).get(name)
        is_kind = isinstance(found, type) and issubclass(found, BaseRecommender)
        return found if is_kind else None
