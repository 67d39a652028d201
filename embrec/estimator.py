"""EmbRecEstimator: wires interactions, features, network, training and index together."""

from collections.abc import Sequence
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from embrec._compat import HasMethods, Interval, StrOptions, fit_context
from embrec._tables import Table
from embrec.catalog import (
    Features,
    ItemCatalog,
    ItemRows,
    ItemTable,
    read_items,
    warn_of_no_content,
)
from embrec.featurizers._blocks import fit_feature_blocks, transform_feature_blocks
from embrec.featurizers._default import default_featurizer
from embrec.ids import IdIndex
from embrec.index import ExactIndex
from embrec.interactions import encode
from embrec.network import (
    Dropout,
    EmbRecNetwork,
    NetworkSize,
    mean_square_length,
    to_feature_tensors,
)
from embrec.network.device import available_device, resolve_device
from embrec.network.inference import embed_items, encode_queries
from embrec.network.weights import build_network, copy_network, fingerprint
from embrec.persistence import SavedState
from embrec.ragged import Ragged
from embrec.session import SessionRecommender
from embrec.training import (
    NextItemValidation,
    TrainingRun,
    TrainingSettings,
    hold_out_last_events,
    train,
    trainable,
)


class EmbRecEstimator(  # type: ignore[call-arg]
    TransformerMixin, SessionRecommender, auto_wrap_output_keys=None
):
    """Sequential recommender from item content (the EmbRec thesis, chapter 3).

    From the items a visitor touched it predicts the embedding of the next one with a GRU, and ranks
    the catalogue by inner product. Items are known by their features and visitors by their
    sequence, so new items and new visitors need no training.

    Read more in the user guide.

    Parameters
    ----------
    featurizer : transformer, default=None
        Any scikit-learn transformer over the content columns of ``items`` (the id column is left
        out). A FeatureUnion gives one item tower per branch, anything else one tower. None is
        ``TfidfItemFeaturizer`` over the columns that hold text.
    embedding_dim : int, default=128
        Width of each tower's output. An item embedding has ``embedding_dim`` numbers per tower.
    tower_size : int, default=128
        Width of each tower's hidden layer.
    hidden_size : int, default=128
        Width of the GRU.
    n_layers : int, default=1
        Layers of the GRU.
    residual : bool, default=True
        Whether the last item's embedding is added to the predicted one, so that the GRU learns what
        the next item has different. False is the thesis' network.
    dropout : float, default=0.3
        Probability to DROP an element of the GRU's outputs in training.
    input_dropout : float, default=0.5
        Probability to drop an element of the item embeddings that the GRU reads.
    tower_dropout : float, default=0.0
        Probability to drop a hidden unit of the towers.
    learning_rate : float, default=0.001
        Of Adam.
    batch_size : int, default=64
        Sequences per step.
    max_epochs : int, default=100
        Passes over the log, at most.
    early_stopping : bool, default=True
        Whether to stop when the validation hit rate at 50 no longer grows, and to go back to the
        weights of the best epoch.
    patience : int, default=5
        Epochs without a better validation figure after which to stop.
    max_length : int, default=50
        Training reads the last ``max_length`` events of a sequence. Recommending reads all.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times. None takes the order of the rows; so does a log without
        the default column.
    device : str or torch.device, default="auto"
        Where to train and encode: "auto" is CUDA if there is any, else the CPU.
    random_state : int, RandomState or None, default=None
        An int makes fits repeatable on the same machine.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    featurizer_ : transformer
        The fitted featurizer.
    catalog_ : ItemCatalog
        Ids and features of all items, those added since included.
    index_ : ExactIndex
        Item embeddings, and the search over them.
    training_log_ : list of dict
        One record per epoch: epoch, loss, seconds, events_per_second and, with early stopping,
        valid_hit_rate and valid_mrr.
    best_epoch_ : int
        The epoch whose weights were kept.
    device_ : torch.device
        Where the network is.
    fingerprint_ : str
        Identifies the weights; sessions carry it.

    See Also
    --------
    embrec.baselines.PopularityRecommender : What everybody buys.
    embrec.baselines.ContentNeighborsRecommender : What resembles the history.

    References
    ----------
    "Jointly Tackling User and Item Cold-start with Sequential Content-based Recommendations",
    the EmbRec thesis.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec import EmbRecEstimator
    >>> items = pd.DataFrame({
    ...     "item": ["cam", "card", "bag", "pen", "ink", "pad"],
    ...     "title": ["camera", "camera card", "camera bag", "fountain pen", "pen ink", "pad"],
    ... })
    >>> log = pd.DataFrame({
    ...     "user": [u for u in range(20) for _ in range(3)],
    ...     "item": [i for u in range(20) for i in (
    ...         ["cam", "card", "bag"] if u % 2 else ["pen", "ink", "pad"])],
    ... })
    >>> rec = EmbRecEstimator(max_epochs=5, random_state=0).fit(log, items=items)
    >>> ids, scores = rec.recommend([["cam"], ["pen", "ink"]], k=2)
    >>> ids.shape
    (2, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "featurizer": [HasMethods(["fit", "transform"]), None],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "tower_size": [Interval(Integral, 1, None, closed="left")],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "residual": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "tower_dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 2, None, closed="left")],
        "on_unknown": [StrOptions({"raise", "skip"})],
        "user_col": [str],
        "item_col": [str],
        "timestamp_col": [str, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        featurizer: Any = None,
        *,
        embedding_dim: int = 128,
        tower_size: int = 128,
        hidden_size: int = 128,
        n_layers: int = 1,
        residual: bool = True,
        dropout: float = 0.3,
        input_dropout: float = 0.5,
        tower_dropout: float = 0.0,
        learning_rate: float = 0.001,
        batch_size: int = 64,
        max_epochs: int = 100,
        early_stopping: bool = True,
        patience: int = 5,
        max_length: int = 50,
        on_unknown: str = "raise",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        device: str | torch.device = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.featurizer = featurizer
        self.embedding_dim = embedding_dim
        self.tower_size = tower_size
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.residual = residual
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.tower_dropout = tower_dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.patience = patience
        self.max_length = max_length
        self.on_unknown = on_unknown
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # ---- training

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, *, items: Table | ItemTable, X_val: Any = None) -> Self:
        """Train on a log.

        Parameters
        ----------
        X : log or list of sequences
            A table with one row per interaction (pandas, polars or pyarrow), sorted in any way; or
            one sequence of item ids per user, oldest first. Sequences of a single item train
            nothing.
        y : ignored
        items : table or ItemTable
            The catalogue: one row per item, with the id column (or index) and content columns.
            Items nobody has touched belong in it too.
        X_val : log or list of sequences, optional
            Early stopping predicts each sequence's last item from those before. Without it, the
            last events of a tenth of the users of ``X`` are kept from training for that purpose.
            With ``early_stopping=False`` its figures are logged and nothing else.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the catalogue cannot be used as it is; nothing changes then.
        """
        catalog_rows = read_items(items, self.item_col)
        ids = IdIndex(catalog_rows.ids)
        sequences = self._read_training(X, ids)
        rng = check_random_state(self.random_state)
        training, validation = self._split_validation(sequences, X_val, ids, rng)
        featurizer, blocks = self._fit_featurizer(catalog_rows)
        device = resolve_device(self.device)
        network = self._build_network(blocks, device, rng)
        network.fit_scales([mean_square_length(block) for block in blocks])
        touched = np.unique(training.values)
        run = self._train(network, blocks, training, validation, touched, rng)
        catalog = ItemCatalog(catalog_rows.ids, blocks)
        return self._commit(network, catalog, run, touched, rng, featurizer)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | ItemTable | None = None) -> Self:
        """Go on training from the current weights: one pass over a new log.

        The first call behaves as `fit`. The featurizer stays as it was fitted.

        Parameters
        ----------
        X : log or list of sequences
            New interactions. Sequences do not continue those of earlier calls.
        y : ignored
        items : table or ItemTable, optional
            New items, and known ones whose content changed. Required at the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the log or the items cannot be used as they are; nothing changes then.
        """
        if not hasattr(self, "network_"):
            if items is None:
                raise ValueError("The first call of partial_fit needs items=, the catalogue.")
            return self.fit(X, items=items)
        catalog, removed = self._catalog_with(items)
        training = trainable(self._read_training(X, catalog.ids), self.max_length)
        rng = np.random.RandomState(self._next_seed)
        network = copy_network(self.network_, self.device_)
        touched = np.union1d(self._touched, training.values)
        run = self._train(network, catalog.blocks, training, None, touched, rng, max_epochs=1)
        run = run.after(self.training_log_)
        return self._commit(network, catalog, run, touched, rng, self.featurizer_, removed)

    def _read_training(self, X: Any, ids: IdIndex) -> Ragged:
        return encode(self._read_sequences(X), ids)

    def _split_validation(
        self, sequences: Ragged, X_val: Any, ids: IdIndex, rng: np.random.RandomState
    ) -> tuple[Ragged, Ragged | None]:
        if X_val is not None:
            validation = encode(self._read_sequences(X_val, what="X_val"), ids, what="X_val")
            if (validation.lengths < 1).any():
                raise ValueError("X_val holds an empty sequence, which has no last item.")
            return trainable(sequences, self.max_length), validation
        if not self.early_stopping:
            return trainable(sequences, self.max_length), None
        training, held_out = hold_out_last_events(sequences, rng)
        return trainable(training, self.max_length), held_out

    def _fit_featurizer(self, items: ItemRows) -> tuple[Any, list[Features]]:
        featurizer = self.featurizer
        if featurizer is None:
            featurizer = default_featurizer(items.content)
        fitted, blocks = fit_feature_blocks(featurizer, items.content)
        warn_of_no_content(items.ids, blocks)
        return fitted, blocks

    def _build_network(
        self, blocks: Sequence[Features], device: torch.device, rng: np.random.RandomState
    ) -> EmbRecNetwork:
        # torch and JSON want Python's own numbers; a grid of parameters may hold numpy's
        size = NetworkSize(
            n_features=tuple(block.shape[1] for block in blocks),
            embedding_dim=int(self.embedding_dim),
            tower_size=int(self.tower_size),
            hidden_size=int(self.hidden_size),
            n_layers=int(self.n_layers),
            residual=bool(self.residual),
        )
        dropout = Dropout(float(self.tower_dropout), float(self.input_dropout), float(self.dropout))
        return build_network(size, dropout, int(rng.randint(2**31))).to(device)

    def _train(
        self,
        network: EmbRecNetwork,
        blocks: Sequence[Features],
        training: Ragged,
        validation: Ragged | None,
        touched: np.ndarray,
        rng: np.random.RandomState,
        *,
        max_epochs: int | None = None,
    ) -> TrainingRun:
        settings = TrainingSettings(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=max_epochs or self.max_epochs,
            patience=self.patience if self.early_stopping else None,
            verbose=bool(self.verbose),
        )
        device = next(network.parameters()).device
        # what nobody has touched yet is no negative: training would teach that nobody ever will
        features = to_feature_tensors([block[touched] for block in blocks], device)
        rows = np.searchsorted(touched, training.values).astype(np.int32)
        training = Ragged(rows, training.offsets)
        validate = None
        if validation is not None:
            validate = NextItemValidation(validation, to_feature_tensors(blocks, device))
        return train(network, features, training, settings, rng=rng, validate=validate)

    def _commit(
        self,
        network: EmbRecNetwork,
        catalog: ItemCatalog,
        run: TrainingRun,
        touched: np.ndarray,
        rng: np.random.RandomState,
        featurizer: Any,
        removed: np.ndarray | None = None,
    ) -> Self:
        """Compute what is left to compute, then assign everything."""
        index = ExactIndex().fit(_embed(network, catalog.blocks))
        if removed is not None:
            index.remove(removed)
        identity = fingerprint(network)
        self.network_ = network
        self.featurizer_ = featurizer
        self.catalog_ = catalog
        self.index_ = index
        self.training_log_ = run.log
        self.best_epoch_ = run.best_epoch
        self.device_ = next(network.parameters()).device
        self.fingerprint_ = identity
        # rows of the items that training has seen
        self._touched = touched.astype(np.int64)
        # a number, not the generator, which may be shared and would change if training failed
        self._next_seed = int(rng.randint(2**31))
        return self

    def _catalog_with(self, items: Table | ItemTable | None) -> tuple[ItemCatalog, np.ndarray]:
        """Copy the catalogue, with items added and replaced, and say which rows stay removed."""
        catalog = ItemCatalog(self.catalog_.ids.ids, self.catalog_.blocks)
        removed = np.flatnonzero(~self.index_.active)
        if items is not None:
            table = read_items(items, self.item_col)
            catalog.ids.check_kind(table.ids, what=f"items[{self.item_col!r}]")
            blocks = self._featurize(table.content)
            warn_of_no_content(table.ids, blocks)
            removed = np.setdiff1d(removed, catalog.write(table.ids, blocks))
        return catalog, removed

    # ---- what BaseRecommender asks for

    _keeps_features = True

    def _featurize(self, content: Table) -> list[Features]:
        blocks: list[Features] = transform_feature_blocks(
            self.featurizer_, content, n_features=self.network_.size.n_features
        )
        return blocks

    def _item_vectors(self, blocks: Sequence[Features], n_items: int) -> np.ndarray:
        return _embed(self.network_, blocks)

    def _query_vectors(self, histories: Ragged) -> np.ndarray:
        vectors = torch.from_numpy(self.index_.vectors)
        return encode_queries(self.network_, vectors, histories).cpu().numpy()

    # ---- queries

    def transform(self, X: Any, *, on_unknown: str | None = None) -> np.ndarray:
        """Predict the embedding of each visitor's next item: a feature for other models.

        Parameters
        ----------
        X : list of sequences, or log
        on_unknown : {"raise", "skip"}, optional
            As for `recommend`.

        Returns
        -------
        ndarray of shape (n, d), float32
            ê, ``d`` being ``embedding_dim`` times the number of towers.
        """
        check_is_fitted(self)
        return self._query_vectors(self._read_histories(X, on_unknown))

    def item_embeddings(self, ids: Any) -> np.ndarray:
        """Return the embeddings of items: ndarray of shape (n, d), float32.

        Parameters
        ----------
        ids : list of ids
            Items of the catalogue.
        """
        check_is_fitted(self)
        return np.array(self.index_.vectors[self._rows_of(ids, what="ids")])

    # ---- persistence

    def _get_state(self) -> SavedState:
        return SavedState(
            values={
                "training_log": self.training_log_,
                "best_epoch": self.best_epoch_,
                "next_seed": self._next_seed,
                # the parameters may have been set anew since it was trained
                "size": asdict(self.network_.size),
                "dropout": asdict(self.network_.dropout),
            },
            arrays={
                "touched": self._touched,
                **{f"network:{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()},
            },
            objects={"featurizer": self.featurizer_},
        )

    def _set_state(self, state: SavedState) -> None:
        size = state.values["size"] | {"n_features": tuple(state.values["size"]["n_features"])}
        network = build_network(NetworkSize(**size), Dropout(**state.values["dropout"]), seed=0)
        weights = {k.removeprefix("network:"): v for k, v in state.arrays.items() if ":" in k}
        network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        network.eval().to(available_device(self.device))
        self.network_ = network
        self.featurizer_ = state.objects["featurizer"]
        self.training_log_ = state.values["training_log"]
        self.best_epoch_ = state.values["best_epoch"]
        self.device_ = next(network.parameters()).device
        self.fingerprint_ = fingerprint(network)
        self._touched = state.arrays["touched"]
        self._next_seed = state.values["next_seed"]

    # ---- scikit-learn

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # ê is float32 whatever X is
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:
            # a pickle made beside a GPU opens where there is none
            state["network_"] = copy_network(state["network_"], torch.device("cpu"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            self.device_ = available_device(self.device)
            self.network_.to(self.device_)


def _embed(network: EmbRecNetwork, blocks: Sequence[Features]) -> np.ndarray:
    device = next(network.parameters()).device
    embedded: np.ndarray = embed_items(network, to_feature_tensors(blocks, device)).cpu().numpy()
    finite = np.isfinite(embedded).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"The embeddings of {int((~finite).sum())} of {len(finite)} items are not finite (the "
            f"first is in row {int((~finite).argmax())}). Look for extreme values in their content."
        )
    return embedded
