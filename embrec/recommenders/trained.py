"""The engine: recommenders that train a network of parts on a log."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils import check_random_state

from embrec._utils.compat import Interval, fit_context
from embrec._utils.moments import replace_attributes
from embrec.data.ids import IdIndex
from embrec.data.items import Features, ItemRows, read_items
from embrec.data.ragged import Ragged
from embrec.data.repeats import warn_of_repeats
from embrec.data.store import InteractionStore
from embrec.data.tables import Table
from embrec.data.whole import Whole, whole
from embrec.index.choice import make_index
from embrec.network import NetworkSize, SequenceNetwork
from embrec.network.device import resolve_device
from embrec.network.inference import encode_queries
from embrec.network.weights import fingerprint
from embrec.recommenders.checks import check_callbacks, check_checkpoints
from embrec.recommenders.network import NetworkRecommender, check_scores, embed
from embrec.recommenders.parts import Parts, score_settings
from embrec.recommenders.reading import encoded, ids_of, read_training, with_rows
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog, current_catalog
from embrec.training import (
    Callback,
    TrainedItems,
    TrainingRun,
    TrainingSequences,
    TrainingSettings,
)
from embrec.training.run import TrainingData, TrainingGoal, train_network

#: Queries that an index is measured with.
N_QUERIES = 256


class TrainedRecommender(NetworkRecommender):
    """Base of the recommenders that train a network on a log.

    A subclass has the parameters ``max_length``, ``batch_size``, ``max_epochs``, ``ema_decay``,
    ``warm_start``, ``callbacks``, ``checkpoint_dir``, ``device``, ``random_state`` and ``verbose``,
    and writes one method: `_parts`. One that reads content sets ``reads_content`` and writes
    `_fit_featurizer` and `_featurize` too.
    """

    _unsaved_parameters = ("callbacks", "checkpoint_dir")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkRecommender._parameter_constraints,
        "ema_decay": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 2, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint_dir": [str, PathLike, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "optimizer": "no_validation",
        "early_stopping": "no_validation",
    }
    __metadata_request__partial_fit = {"items": True, "replay": True}

    # parameters, where a subclass does not make them such
    index: Any = "exact"
    precision: str = "float32"
    score_memory: Any = "auto"
    max_length: int
    batch_size: int
    max_epochs: int
    ema_decay: float
    warm_start: bool
    callbacks: Sequence[Callback] | None
    checkpoint_dir: Any
    device: str | torch.device
    random_state: Any
    verbose: int

    # ---- what a subclass brings

    @abstractmethod
    def _parts(self) -> Parts:
        """Resolve the parts that parameters name, and check them together."""

    def _fit_featurizer(self, items: ItemRows) -> tuple[Any, list[Features]]:
        """Fit a featurizer to a catalogue, and return its features too."""
        return None, []

    def _name_users(
        self, sequences: TrainingSequences, validation: Ragged | None, *, goes_on: bool
    ) -> tuple[TrainingSequences, Ragged | None, dict[str, Any]]:
        """Turn users' names into what the network knows them by: by default, into nothing.

        What else is to be assigned when the network is trained comes along; ``n_users``, if it is
        among it, is the network's.
        """
        unnamed = None if validation is None else replace(validation, names=None)
        return sequences.with_names(None), unnamed, {}

    # ---- training

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        items: Table | Whole | None = None,
        X_val: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train on a log.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
            A table with one row per interaction (pandas, polars or pyarrow), sorted in any way; or
            one sequence of item ids per user, oldest first; or a log on disk, of which a batch at a
            time is read. Sequences of a single item train nothing.
        y : ignored
        items : table or Whole
            The catalogue: one row per item, with the id column (or index) and content columns.
            Items nobody has touched belong in it too. Recommenders that know items by id alone take
            the items of ``X`` without it.
        X_val : log, list of sequences, InteractionStore or Whole, optional
            Early stopping predicts each sequence's last item from those before. Without it, the
            last events of a tenth of the users of ``X`` are kept from training for that purpose.
            With ``early_stopping=False`` its figures are logged and nothing else.
        sample_weight : array-like of shape (n_events,), optional
            How much each event of ``X`` counts as a next item, in the order of its rows. Those of 0
            are read and never predicted, nor do they validate.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the catalogue cannot be used as it is; nothing changes then.
        """
        parts = self._checked_parts()
        check_checkpoints(self.checkpoint_dir, self.random_state)
        items, rows = whole(items, X, y, what="items"), None
        if items is not None or self.reads_content:
            rows = read_items(items, self.item_col)
        rng = check_random_state(self.random_state)
        log = self._read_log(X, weights=sample_weight)
        rows = ids_of(log) if rows is None else rows
        ids = IdIndex(rows.ids)
        X_val = whole(X_val, X, what="X_val")
        X_val = None if X_val is None else self._read_log(X_val, what="X_val")
        draws = rng if parts.early_stopping is not None else None
        goes_on = self.warm_start and hasattr(self, "network_")
        reader = self._reader(goes_on=goes_on)
        sequences, validation = read_training(
            log, X_val, ids, self.max_length, draws, reader=reader, weights=sample_weight
        )
        trained, kept = self._trained_among(ids) if goes_on else (TrainedItems.none(), None)
        trained = trained.and_those_of(sequences.count_items(len(ids)), is_new=not goes_on)
        sequences, validation, more = self._name_users(sequences, validation, goes_on=goes_on)
        if goes_on or not self.reads_content:
            featurizer, blocks = getattr(self, "featurizer_", None), self._features(rows)
        else:
            featurizer, blocks = self._fit_featurizer(rows)
        more |= {"featurizer_": featurizer} if self.reads_content else {}
        data = TrainingData(sequences, validation, blocks, trained, len(ids))
        parts = parts.of_size(len(trained.rows))
        size = self._size_for(parts, data, more, reader)
        if goes_on:
            network = self._grown_network(parts, size, data, rng, kept)
        else:
            network = self._new_network(parts, size, data, rng)
        run = self._train(network, parts, data, rng, checkpoint_dir=self.checkpoint_dir)
        catalog = ItemCatalog(rows.ids, blocks)
        more |= reader.as_fitted()
        return self._commit(network, parts, size, catalog, run, data, rng, more)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        items: Table | Whole | None = None,
        replay: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Go on training from the current weights: one pass over a new log.

        The first call behaves as `fit`. Later ones keep the weights, the featurizer as it was
        fitted, the items' own vectors and how often each item was trained on, which is how popular
        it is when negatives are drawn; the optimiser starts anew. What only earlier logs held is
        forgotten bit by bit, unless it is replayed. Other threads wait to change the catalogue.

        Parameters
        ----------
        X : log or list of sequences
            New interactions. Sequences do not continue those of earlier calls.
        y : ignored
        items : table or Whole, optional
            New items, and known ones whose content changed; removed ones come back. Required at the
            first call, if content is read.
        replay : log, list of sequences, InteractionStore or Whole, optional
            A sample of what was trained on before, to train on along with ``X`` so that it is not
            forgotten. Its events count once more as training data, not towards popularity.
        sample_weight : array-like of shape (n_events,), optional
            As for `fit`; replayed events count 1.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the items cannot be used as they are, or parameters were set since that
            ask for another network; nothing changes then.
        """
        self._validate_params()  # which scikit-learn leaves out once there is a fit
        parts = self._checked_parts()
        if not hasattr(self, "network_"):
            if items is None and self.reads_content:
                raise ValueError("The first call of partial_fit needs items=, the catalogue.")
            if replay is not None:
                raise ValueError("The first call of partial_fit has no past to replay.")
            return self.fit(X, y, items=items, sample_weight=sample_weight)
        items = whole(items, y=y, what="items")
        with current_catalog(self, training=True) as catalog:  # or changes of others would be lost
            return self._go_on(catalog, parts, X, items, replay, sample_weight)

    def _go_on(
        self,
        catalog: LiveCatalog,
        parts: Parts,
        X: Any,
        items: Table | Whole | None,
        replay: Any,
        weights: Any,
    ) -> Self:
        grown, removed = self._grown_catalog(catalog, items)
        rng, reader = np.random.RandomState(self._next_seed), self._reader(goes_on=True)
        sequences, rows = encoded(self._read_log(X, weights=weights), grown.ids, weights=weights)
        sequences = reader(sequences)
        counts = TrainingSequences(sequences, self.max_length, rows=rows).count_items(len(grown))
        trained = self._trained_items.and_those_of(counts)
        if replay is not None:
            log = self._read_log(whole(replay, what="replay"), what="replay")
            past = reader(with_rows(*encoded(log, grown.ids, what="replay")), what="replay")
            sequences, rows = with_rows(sequences, rows).and_then(past), None
            trained = trained.and_those_of(np.zeros(len(grown), dtype=np.int64), also=past.values)
        training = TrainingSequences(sequences, self.max_length, rows=rows)
        training, _, more = self._name_users(training, None, goes_on=True)
        data = TrainingData(training, None, grown.blocks, trained, len(grown))
        parts = parts.of_size(len(trained.rows))
        size = self._size_for(parts, data, more, reader)
        network = self._grown_network(parts, size, data, rng)
        run = self._train(network, parts, data, rng, max_epochs=1).after(self.training_log_)
        return self._commit(network, parts, size, grown, run, data, rng, more, removed)

    def _checked_parts(self) -> Parts:
        """Check all that can be checked before anything is read."""
        check_callbacks(self.callbacks)
        parts = self._parts()
        resolve_device(self.device)
        make_index(self.index).check()  # now, rather than after training
        return parts

    def _read_log(self, X: Any, what: str = "X", weights: Any = None) -> Ragged | InteractionStore:
        log = X
        if not isinstance(X, InteractionStore):
            asked = (self.event_featurizer, self.user_featurizer)
            with_events = any(featurizer is not None for featurizer in asked)
            log = self.read_sequences(X, what=what, with_events=with_events, weights=weights)
        if isinstance(log, InteractionStore):
            log.check()
        if what == "X":
            warn_of_repeats(log.sequences() if isinstance(log, InteractionStore) else log)
        return log

    def _grown_catalog(
        self, catalog: LiveCatalog, items: Table | Whole | None
    ) -> tuple[ItemCatalog, np.ndarray]:
        """Copy the catalogue, with items added and replaced, and say which rows stay removed."""
        if items is None:
            return catalog.grown()
        table = read_items(items, self.item_col)
        catalog.ids.check_kind(table.ids, what=f"items[{self.item_col!r}]")
        blocks = self._features(table)
        return catalog.grown(table.ids, blocks)

    def _trained_among(self, ids: IdIndex) -> tuple[TrainedItems, np.ndarray]:
        """Find the items that were trained on in another catalogue, and which of them are there."""
        trained = self._trained_items
        rows = ids.rows(self.catalog_.ids.take(trained.rows))
        kept = np.flatnonzero(rows >= 0)
        return TrainedItems(rows[kept], trained.counts[kept]), kept

    # ---- the run

    def _train(
        self,
        network: SequenceNetwork,
        parts: Parts,
        data: TrainingData,
        rng: np.random.RandomState,
        *,
        max_epochs: int | None = None,
        checkpoint_dir: Any = None,
    ) -> TrainingRun:
        stopping = parts.early_stopping
        settings = TrainingSettings(
            parts.optimizer,
            batch_size=int(self.batch_size),
            max_epochs=int(max_epochs or self.max_epochs),
            stopping=None if stopping is None else stopping._build(),
            ema_decay=float(self.ema_decay),
            verbose=int(self.verbose),
        )
        device = next(network.parameters()).device
        scores = score_settings(self.precision, self.score_memory, device)
        assert parts.negatives is not None
        goal = TrainingGoal(
            parts.loss._build(**scores),
            parts.negatives._build(data.trained.counts, data.count_targets),
            "hit_rate@50" if stopping is None else stopping.monitor,
        )
        about = {**parts.describe(), "scores": {k: str(v) for k, v in scores.items()}}
        return train_network(
            network,
            data,
            settings,
            goal,
            rng,
            callbacks=self.callbacks or (),
            checkpoint_dir=checkpoint_dir,
            parts=about,
        )

    def _commit(
        self,
        network: SequenceNetwork,
        parts: Parts,
        size: NetworkSize,
        items: ItemCatalog,
        run: TrainingRun,
        data: TrainingData,
        rng: np.random.RandomState,
        more: dict[str, Any],
        removed: np.ndarray | None = None,
    ) -> Self:
        """Compute what is left to compute, then assign everything."""
        vectors = embed(network, items.blocks, data.trained.places(np.arange(len(items))))
        queries = _queries(network, vectors, data)
        check_scores(vectors, queries)
        index = make_index(self.index).fit(vectors, queries=queries)
        if removed is not None:
            index.remove(removed)
        replace_attributes(
            self,
            network_=network,
            fingerprint_=fingerprint(network),
            catalog_=LiveCatalog(items, index),
            training_log_=run.log,
            best_epoch_=run.best_epoch,
            device_=next(network.parameters()).device,
            _fitted_parts=parts,
            _size=size,
            _trained_items=data.trained,
            # a number, not the generator, which may be shared and would change if training failed
            _next_seed=int(rng.randint(2**31)),
            **more,
        )
        return self


def _queries(network: SequenceNetwork, vectors: np.ndarray, data: TrainingData) -> np.ndarray:
    """Predict what follows some of the sequences: what an index will be asked."""
    n = len(data.sequences)
    some = data.sequences.take(np.unique(np.linspace(0, n - 1, N_QUERIES).astype(np.int64)))
    queries: np.ndarray = encode_queries(network, torch.from_numpy(vectors), some).cpu().numpy()
    return queries
