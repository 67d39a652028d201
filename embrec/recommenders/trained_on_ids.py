"""Recommenders that learn something of each item, and know it by its id alone."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils import check_random_state

from embrec._utils.compat import fit_context
from embrec.baselines._catalog import catalog_of, grown_catalog
from embrec.data.items import Features, ItemRows, ItemTable
from embrec.data.store import InteractionStore
from embrec.data.tables import Table
from embrec.index import ExactIndex
from embrec.network.device import resolve_device
from embrec.network.inference import embed_items
from embrec.recommenders.fitting import (
    KnownItems,
    TrainingData,
    check_callbacks,
    check_checkpoints,
    check_size,
    copy_weights,
    train_network,
)
from embrec.recommenders.trained import TrainedRecommender
from embrec.serving.catalog import ItemCatalog
from embrec.training import (
    LossSettings,
    OptimizerSettings,
    TrainingRun,
    TrainingSequences,
    TrainingSettings,
)


class TrainedOnIds(TrainedRecommender):
    """Base of GRU4Rec and TransRec: everything but the network and its loss."""

    #: parts of the network's size that say how much it knows rather than what it is
    _growing: ClassVar[tuple[str, ...]] = ("n_ids",)

    def _check(self) -> None:
        """Raise if parameters are not what they may be."""

    @abstractmethod
    def _new_network(
        self, data: TrainingData, seed: int, *, goes_on: bool
    ) -> tuple[Any, dict[str, Any]]:
        """Make a network for what is to be trained on, and what else is to be assigned then."""

    @abstractmethod
    def _optimizer(self) -> OptimizerSettings:
        """Read how to change weights from the parameters."""

    @abstractmethod
    def _loss(self) -> LossSettings:
        """Read what to make smaller from the parameters."""

    def _training_parts(self, data: TrainingData, more: dict[str, Any]) -> dict[str, Any]:
        """Name what `train_network` needs besides."""
        return {}

    # ---- training

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, *, items: Table | ItemTable | None = None, X_val: Any = None
    ) -> Self:
        """Train on a log.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
            Sequences of a single item train nothing.
        y : ignored
        items : table or ItemTable, optional
            The catalogue; its content is not read. Without it, the items of ``X``.
        X_val : log or list of sequences, optional
            Early stopping predicts each sequence's last item from those before. Without it, the
            last events of a tenth of the users of ``X`` are kept from training for that purpose.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the catalogue cannot be used as it is; nothing changes then.
        """
        self._check()
        check_callbacks(self.callbacks)
        check_checkpoints(self)
        rng = check_random_state(self.random_state)
        if isinstance(X, InteractionStore):
            catalog = _catalog_of_store(X, items, self.item_col)
        else:
            X = self._read_sequences(X)
            catalog = catalog_of(X, items, self.item_col)
        sequences, validation = self._read_training(X, X_val, catalog.ids, rng)
        known = KnownItems.none().and_those_of(sequences.count_items(len(catalog)))
        data = TrainingData(sequences, validation, [], known, len(catalog))
        network, more = self._new_network(data, int(rng.randint(2**31)), goes_on=False)
        network.to(resolve_device(self.device))
        run = self._train(network, data, more, rng, self._settings(), self.checkpoint_dir)
        return self._commit(network, catalog, run, data, more, rng)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | ItemTable | None = None) -> Self:
        """Go on training from the current weights: one pass over a new log.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or ItemTable, optional
            New items, which may occur in ``X``. Items that were removed come back.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the items cannot be used as they are, or parameters were set since that
            ask for another network; nothing changes then.
        """
        if not hasattr(self, "network_"):
            return self.fit(X, items=items)
        self._validate_params()  # which scikit-learn leaves out once there is a fit
        self._check()
        check_callbacks(self.callbacks)
        with self._changing(training=True):
            return self._go_on(X, items)

    def _go_on(self, X: Any, items: Table | ItemTable | None) -> Self:
        catalog, removed = grown_catalog(self.catalog_, self.index_, items, self.item_col)
        rng = np.random.RandomState(self._next_seed)
        encoded, rows = self._encoded(X, catalog.ids)
        sequences = TrainingSequences(encoded, self.max_length, rows=rows)
        known = self._known.and_those_of(sequences.count_items(len(catalog)))
        data = TrainingData(sequences, None, [], known, len(catalog))
        network, more = self._new_network(data, int(rng.randint(2**31)), goes_on=True)
        check_size(self.network_.size, network.size, growing=self._growing)
        copy_weights(self.network_, network)
        network.to(self.device_)
        run = self._train(network, data, more, rng, self._settings(max_epochs=1))
        run = run.after(self.training_log_)
        return self._commit(network, catalog, run, data, more, rng, removed)

    def _settings(self, max_epochs: int | None = None) -> TrainingSettings:
        return TrainingSettings(
            self._optimizer(),
            batch_size=int(self.batch_size),
            max_epochs=int(max_epochs or self.max_epochs),
            patience=int(self.patience) if self.early_stopping else None,
            ema_decay=float(self.ema_decay),
            verbose=int(self.verbose),
        )

    def _train(
        self,
        network: Any,
        data: TrainingData,
        more: dict[str, Any],
        rng: np.random.RandomState,
        settings: TrainingSettings,
        checkpoint_dir: Any = None,
    ) -> TrainingRun:
        return train_network(
            network,
            data,
            settings,
            self._loss(),
            rng,
            callbacks=self.callbacks or (),
            checkpoint_dir=checkpoint_dir,
            **self._training_parts(data, more),
        )

    def _commit(
        self,
        network: Any,
        catalog: ItemCatalog,
        run: TrainingRun,
        data: TrainingData,
        more: dict[str, Any],
        rng: np.random.RandomState,
        removed: np.ndarray | None = None,
    ) -> Self:
        """Compute what is left to compute, then assign everything."""
        index = ExactIndex().fit(_vectors(network, data.known.places(np.arange(len(catalog)))))
        if removed is not None:
            index.remove(removed)
        self._assign(network, catalog, index, run, data.known, int(rng.randint(2**31)))
        for name, value in more.items():
            setattr(self, name, value)
        return self

    # ---- the catalogue

    def _featurize(self, content: Table) -> list[Features]:
        return []

    def _item_vectors(self, blocks: Sequence[Features], ids: np.ndarray) -> np.ndarray:
        return _vectors(self.network_, self._known.places(self.catalog_.ids.rows(ids)))

    def _write_items(self, items: ItemRows) -> Self:
        vectors = self._item_vectors([], items.ids)
        with self.catalog_.writing():
            self._show_items(items.ids, vectors)
            self.catalog_.write(items.ids, [])
        return self


def _catalog_of_store(
    store: InteractionStore, items: Table | ItemTable | None, item_col: str
) -> ItemCatalog:
    if items is None:
        return ItemCatalog(store.ids, [])
    return catalog_of(store.sequences(), items, item_col)


def _vectors(network: Any, places: np.ndarray) -> np.ndarray:
    ids = torch.from_numpy(places).to(next(network.parameters()).device)
    vectors: np.ndarray = embed_items(network, [], ids).cpu().numpy()
    return vectors
