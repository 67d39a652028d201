"""EmbRecEstimator: wires interactions, features, network, training and index together."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import HasMethods, Interval, StrOptions, fit_context
from embrec.data.ids import IdIndex
from embrec.data.items import Features, ItemRows, ItemTable, read_items, warn_of_no_content
from embrec.data.tables import Table
from embrec.featurizers._blocks import fit_feature_blocks, transform_feature_blocks
from embrec.featurizers._default import default_featurizer
from embrec.index.base import BaseIndex
from embrec.index.choice import NAMES, make_index
from embrec.network import Dropout, EmbRecNetwork, NetworkSize, to_feature_tensors
from embrec.network.device import resolve_device
from embrec.network.inference import embed_items, encode_queries
from embrec.network.weights import build_network
from embrec.persistence.folder import SavedState
from embrec.recommenders.fitting import (
    KnownItems,
    TrainingData,
    check_checkpoints,
    check_parameters,
    check_size,
    grown_network,
    loss_settings,
    network_size,
    new_network,
    train_network,
    training_settings,
)
from embrec.recommenders.trained import TrainedRecommender, with_rows
from embrec.serving.catalog import ItemCatalog
from embrec.serving.sessions import SessionRecommender
from embrec.training import TrainingRun, TrainingSequences

#: Queries that an index is measured with.
N_QUERIES = 256


class EmbRecEstimator(  # type: ignore[call-arg]
    TransformerMixin, SessionRecommender, TrainedRecommender, auto_wrap_output_keys=None
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
    loss : {"cross_entropy", "bpr", "bpr_max", "cosine"}, default="cross_entropy"
        What training makes smaller (thesis section 3.2). "cosine" uses no negatives and fixed item
        embeddings: the features themselves, cut to ``embedding_dim`` by truncated SVD.
    n_negatives : "all" or int, default="all"
        Items that each next item is set against: all that training has seen, or so many drawn anew
        at every step, shared by the batch. Memory and time per step grow with it.
    sample_alpha : float, default=1.0
        Negatives are drawn in proportion to this power of their popularity: 1 is the thesis' way, 0
        draws all items alike.
    batch_negatives : bool, default=False
        Whether the next items of a batch are negatives too, besides a number of drawn ones.
    logq_correction : bool, default=True
        Whether sampled cross-entropy corrects for how negatives are drawn, so that it estimates the
        loss over all items.
    bpr_max_reg : float, default=1.0
        Weight λ of BPR-max's regularisation.
    item_ids : {"none", "delta"}, default="none"
        Whether items that training has seen also get a learned vector of their own, added to what
        their content says. It is zero at the start, so new items are known by content alone.
    id_dropout : float, default=0.5
        Probability to leave an item's own vector out at a step of training.
    id_bound : float, default=3.0
        Greatest length of an item's own vector.
    id_shrinkage : float, default=10.0
        An item of ``n`` events gets ``n / (n + id_shrinkage)`` of its own vector and bias.
    item_bias : bool, default=False
        Whether items that training has seen get a learned bias, added to their score. Other items
        get the mean of all biases.
    optimizer : {"adam", "adagrad"}, default="adam"
        Of the weights. Each wants a learning rate of its own.
    learning_rate : float, default=0.001
        At its highest. Adagrad wants some fifty times that of Adam.
    momentum : float, default=0.0
        Of Adagrad.
    lr_schedule : {"constant", "linear", "cosine"}, default="constant"
        What becomes of the learning rate: the last two let it fall to 0 over ``max_epochs``, so set
        those to what you mean.
    warmup_steps : int, default=0
        Steps over which the learning rate first rises.
    weight_decay : float, default=0.0
        Decoupled, as in AdamW; of weight matrices, but not of items' own vectors. Not for Adagrad.
    max_grad_norm : float or None, default=None
        Longer gradients are scaled down to this.
    ema_decay : float, default=0.999
        Between 0 and 1: what is validated and kept is an exponential moving average of the weights,
        which looks back over about a tenth of the steps so far, and no further than this lets it. 0
        keeps the weights themselves.
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
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the featurizer of the last fit. Popularity is
        then the larger count of the two logs, which may overlap.
    callbacks : list of Callback, default=None
        Objects that watch training and may stop it; see `embrec.training.Callback`. `save` leaves
        them out.
    checkpoint_dir : str, Path or None, default=None
        Folder in which `fit` keeps its state as it goes. If it was killed, the same call with the
        same data goes on from there and ends as if nothing had happened. A folder is for one run:
        one with other parameters or data is an error. Needs an int ``random_state``. `save` leaves
        it out.
    score_memory : "auto" or int, default="auto"
        MiB of scores held at a time in training. "auto" is 16, or as much as the item embeddings
        take if that is more.
    index : {"auto", "exact", "annoy", "hnsw", "faiss"} or index, default="auto"
        How the catalogue is searched: see `embrec.index`. "auto" is exact as long as that is
        fastest, which it is for tens of thousands of items.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the scores in training, and of partial sums over them. "auto" is bfloat16 where the
        hardware multiplies it faster. Weights and answers are float32.
    device : str or torch.device, default="auto"
        Where to train and encode: "auto" is CUDA if there is any, else the CPU.
    random_state : int, RandomState or None, default=None
        An int makes fits repeatable on the same machine, bit by bit on a CPU.
    verbose : int, default=0
        1 shows a progress bar, 2 a line per epoch as well.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    featurizer_ : transformer
        The fitted featurizer.
    catalog_ : ItemCatalog
        Ids and features of all items, those added since included.
    index_ : AutoIndex, ExactIndex, AnnoyIndex, HnswIndex or FaissIndex
        Item embeddings, and the search over them; ``index_.recall_`` is the share of the best
        items that it finds.
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
        "loss": [StrOptions({"cross_entropy", "bpr", "bpr_max", "cosine"})],
        "n_negatives": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "sample_alpha": [Interval(Real, 0, None, closed="left")],
        "batch_negatives": ["boolean"],
        "logq_correction": ["boolean"],
        "bpr_max_reg": [Interval(Real, 0, None, closed="left")],
        "item_ids": [StrOptions({"none", "delta"})],
        "id_dropout": [Interval(Real, 0, 1, closed="left")],
        "id_bound": [Interval(Real, 0, None, closed="left")],
        "id_shrinkage": [Interval(Real, 0, None, closed="left")],
        "item_bias": ["boolean"],
        "optimizer": [StrOptions({"adam", "adagrad"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "lr_schedule": [StrOptions({"constant", "linear", "cosine"})],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "ema_decay": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 2, None, closed="left")],
        "on_unknown": [StrOptions({"raise", "skip"})],
        "user_col": [str],
        "item_col": [str],
        "timestamp_col": [str, None],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint_dir": [str, PathLike, None],
        "score_memory": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "index": [StrOptions(set(NAMES)), BaseIndex],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
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
        loss: str = "cross_entropy",
        n_negatives: str | int = "all",
        sample_alpha: float = 1.0,
        batch_negatives: bool = False,
        logq_correction: bool = True,
        bpr_max_reg: float = 1.0,
        item_ids: str = "none",
        id_dropout: float = 0.5,
        id_bound: float = 3.0,
        id_shrinkage: float = 10.0,
        item_bias: bool = False,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        momentum: float = 0.0,
        lr_schedule: str = "constant",
        warmup_steps: int = 0,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        ema_decay: float = 0.999,
        batch_size: int = 64,
        max_epochs: int = 100,
        early_stopping: bool = True,
        patience: int = 5,
        max_length: int = 50,
        on_unknown: str = "raise",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        warm_start: bool = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        score_memory: str | int = "auto",
        index: Any = "auto",
        precision: str = "auto",
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
        self.loss = loss
        self.n_negatives = n_negatives
        self.sample_alpha = sample_alpha
        self.batch_negatives = batch_negatives
        self.logq_correction = logq_correction
        self.bpr_max_reg = bpr_max_reg
        self.item_ids = item_ids
        self.id_dropout = id_dropout
        self.id_bound = id_bound
        self.id_shrinkage = id_shrinkage
        self.item_bias = item_bias
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.lr_schedule = lr_schedule
        self.warmup_steps = warmup_steps
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.patience = patience
        self.max_length = max_length
        self.on_unknown = on_unknown
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.score_memory = score_memory
        self.index = index
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    network_: EmbRecNetwork

    # ---- training

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, *, items: Table | ItemTable, X_val: Any = None) -> Self:
        """Train on a log.

        Parameters
        ----------
        X : log, list of sequences or InteractionStore
            A table with one row per interaction (pandas, polars or pyarrow), sorted in any way; or
            one sequence of item ids per user, oldest first; or a log on disk, of which a batch at a
            time is read. Sequences of a single item train nothing.
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
        check_parameters(self)
        check_checkpoints(self)
        make_index(self.index).check()  # now, rather than after training
        catalog_rows = read_items(items, self.item_col)
        ids = IdIndex(catalog_rows.ids)
        rng = check_random_state(self.random_state)
        sequences, validation = self._read_training(X, X_val, ids, rng)
        goes_on = self.warm_start and hasattr(self, "network_")
        if goes_on:
            featurizer, blocks = self.featurizer_, self._featurize(catalog_rows.content)
            warn_of_no_content(catalog_rows.ids, blocks)
        else:
            featurizer, blocks = self._fit_featurizer(catalog_rows)
        known, kept = self._known_among(ids) if goes_on else (KnownItems.none(), None)
        known = known.and_those_of(sequences.count_items(len(ids)), is_new=not goes_on)
        data = TrainingData(sequences, validation, blocks, known, len(ids))
        network = self._warm_network(data, kept) if goes_on else self._cold_network(data, rng)
        run = self._train(network, data, rng, checkpoint_dir=self.checkpoint_dir)
        catalog = ItemCatalog(catalog_rows.ids, blocks)
        return self._commit(network, catalog, run, data, rng, featurizer)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        items: Table | ItemTable | None = None,
        replay: Any = None,
    ) -> Self:
        """Go on training from the current weights: one pass over a new log.

        The first call behaves as `fit`. Later ones keep the weights, the featurizer as it was
        fitted, the items' own vectors and how often each item was trained on, which is how popular
        it is when negatives are drawn; the optimiser starts anew. What only earlier logs held is
        forgotten bit by bit, unless some of it is replayed. Other threads that change the catalogue
        wait meanwhile.

        Parameters
        ----------
        X : log or list of sequences
            New interactions. Sequences do not continue those of earlier calls.
        y : ignored
        items : table or ItemTable, optional
            New items, and known ones whose content changed. Required at the first call.
        replay : log or list of sequences, optional
            A sample of what was trained on before, to train on along with ``X`` so that it is not
            forgotten. Its events count once more as training data, not towards popularity.

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
        check_parameters(self)
        make_index(self.index).check()
        if not hasattr(self, "network_"):
            if items is None:
                raise ValueError("The first call of partial_fit needs items=, the catalogue.")
            if replay is not None:
                raise ValueError("The first call of partial_fit has no past to replay.")
            return self.fit(X, items=items)
        with self._changing(training=True):  # or what others change would be lost in the end
            return self._go_on(X, items, replay)

    def _go_on(self, X: Any, items: Table | ItemTable | None, replay: Any) -> Self:
        catalog, removed = self._catalog_with(items)
        rng = np.random.RandomState(self._next_seed)
        new = self._encoded(X, catalog.ids)
        counts = TrainingSequences(new[0], self.max_length, rows=new[1]).count_items(len(catalog))
        known = self._known.and_those_of(counts)
        if replay is not None:
            past = with_rows(*self._encoded(replay, catalog.ids, what="replay"))
            new = with_rows(*new).and_then(past), None
            known = known.and_those_of(np.zeros(len(catalog), dtype=np.int64), also=past.values)
        sequences = TrainingSequences(new[0], self.max_length, rows=new[1])
        data = TrainingData(sequences, None, catalog.blocks, known, len(catalog))
        network = self._warm_network(data)
        run = self._train(network, data, rng, max_epochs=1).after(self.training_log_)
        return self._commit(network, catalog, run, data, rng, self.featurizer_, removed)

    def _fit_featurizer(self, items: ItemRows) -> tuple[Any, list[Features]]:
        featurizer = self.featurizer
        if featurizer is None:
            featurizer = default_featurizer(items.content)
        fitted, blocks = fit_feature_blocks(featurizer, items.content)
        warn_of_no_content(items.ids, blocks)
        return fitted, blocks

    def _cold_network(self, data: TrainingData, rng: np.random.RandomState) -> EmbRecNetwork:
        return new_network(self, data, resolve_device(self.device), rng)

    def _warm_network(self, data: TrainingData, kept: np.ndarray | None = None) -> EmbRecNetwork:
        check_size(self.network_.size, network_size(self, data.blocks, data.known))
        return grown_network(self, self.network_, data.known, kept)

    def _train(
        self,
        network: EmbRecNetwork,
        data: TrainingData,
        rng: np.random.RandomState,
        *,
        max_epochs: int | None = None,
        checkpoint_dir: Any = None,
    ) -> TrainingRun:
        settings = training_settings(self)
        if max_epochs is not None:
            settings = replace(settings, max_epochs=max_epochs)
        return train_network(
            network,
            data,
            settings,
            loss_settings(self, next(network.parameters()).device),
            rng,
            callbacks=self.callbacks or (),
            checkpoint_dir=checkpoint_dir,
        )

    def _commit(
        self,
        network: EmbRecNetwork,
        catalog: ItemCatalog,
        run: TrainingRun,
        data: TrainingData,
        rng: np.random.RandomState,
        featurizer: Any,
        removed: np.ndarray | None = None,
    ) -> Self:
        """Compute what is left to compute, then assign everything."""
        vectors = _embed(network, catalog.blocks, data.known.places(np.arange(len(catalog))))
        index = make_index(self.index).fit(vectors, queries=_queries(network, vectors, data))
        if removed is not None:
            index.remove(removed)
        self._assign(network, catalog, index, run, data.known, int(rng.randint(2**31)))
        self.featurizer_ = featurizer
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

    def _item_vectors(self, blocks: Sequence[Features], ids: np.ndarray) -> np.ndarray:
        return _embed(self.network_, blocks, self._known.places(self.catalog_.ids.rows(ids)))

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
        queries = self._query_vectors(self._read_histories(X, on_unknown))
        return queries[:, : self.network_.embedding_size]

    def item_embeddings(self, ids: Any) -> np.ndarray:
        """Return the embeddings of items: ndarray of shape (n, d), float32.

        Parameters
        ----------
        ids : list of ids
            Items of the catalogue.
        """
        check_is_fitted(self)
        rows = self._rows_of(ids, what="ids")
        return np.array(self.index_.snapshot.take(rows)[:, : self.network_.embedding_size])

    # ---- persistence

    def _get_state(self) -> SavedState:
        return replace(super()._get_state(), objects={"featurizer": self.featurizer_})

    def _build(self, size: dict[str, Any], dropout: Dropout) -> EmbRecNetwork:
        n_features = tuple(size["n_features"])
        return build_network(NetworkSize(**size | {"n_features": n_features}), dropout, seed=0)

    def _set_state(self, state: SavedState) -> None:
        if "touched" in state.arrays:  # as version 0.1 wrote them: without counts
            touched = state.arrays["touched"]
            more = {"known_rows": touched, "known_counts": touched * 0 + 1}
            state = replace(state, arrays=state.arrays | more)
        super()._set_state(state)
        self.featurizer_ = state.objects["featurizer"]

    # ---- scikit-learn

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # ê is float32 whatever X is
        return tags


def _queries(network: EmbRecNetwork, vectors: np.ndarray, data: TrainingData) -> np.ndarray:
    """Predict what follows some of the sequences: what an index will be asked."""
    n = len(data.sequences)
    some = data.sequences.take(np.unique(np.linspace(0, n - 1, N_QUERIES).astype(np.int64)))
    queries: np.ndarray = encode_queries(network, torch.from_numpy(vectors), some).cpu().numpy()
    return queries


def _embed(network: EmbRecNetwork, blocks: Sequence[Features], places: np.ndarray) -> np.ndarray:
    device = next(network.parameters()).device
    features, ids = to_feature_tensors(blocks, device), torch.from_numpy(places).to(device)
    embedded: np.ndarray = embed_items(network, features, ids).cpu().numpy()
    finite = np.isfinite(embedded).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"The embeddings of {int((~finite).sum())} of {len(finite)} items are not finite (the "
            f"first is in row {int((~finite).argmax())}). Look for extreme values in their content."
        )
    return embedded
