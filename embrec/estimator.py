"""EmbRecEstimator: sequential recommendation from item content."""

from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import HasMethods, Interval, StrOptions
from embrec._utils.moments import of_one_moment
from embrec.components import Encoder, ItemModel, Loss, Negatives, Optimizer
from embrec.components.stopping import EarlyStopping
from embrec.data.items import Features, ItemRows, warn_of_no_content
from embrec.data.tables import Table
from embrec.featurizers._blocks import (
    feature_block_names,
    fit_feature_blocks,
    transform_feature_blocks,
)
from embrec.featurizers._default import default_featurizer
from embrec.index.base import BaseIndex
from embrec.index.choice import NAMES
from embrec.recommenders.parts import SHORT_FOR, Parts, check_scores, resolve_parts
from embrec.recommenders.trained import TrainedRecommender
from embrec.training import Callback


class EmbRecEstimator(TransformerMixin, TrainedRecommender, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Sequential recommender from item content (the EmbRec thesis, chapter 3).

    From the items a visitor touched it predicts the embedding of the next one with a GRU, and ranks
    the catalogue by inner product. Items are known by their features and visitors by their
    sequence, so new items and new visitors need no training.

    Read more in the user guide.

    Parameters
    ----------
    featurizer : transformer, default=None
        Any scikit-learn transformer over the content columns of ``items`` (the id column is left
        out). A FeatureUnion gives one item tower per branch, anything else one tower. None chooses
        by what the columns hold: see the guide to featurizers.
    event_featurizer : transformer, "auto" or None, default=None
        Any scikit-learn transformer over the columns of the log besides user and item, and
        ``gap``, the seconds since the visitor's event before: what it makes of an event is read
        beside its item. A FeatureUnion gives one tower per branch. "auto" chooses by what the
        columns hold; None reads items alone. An event of which nothing is known is as all are on
        average.
    user_featurizer : transformer or None, default=None
        A transformer over the same columns, in the first row of each visitor: what it makes of a
        visitor is read before the first item. A visitor of whom nothing is known has a vector that
        is learned.
    item_model : ItemModel, default=None
        How items become vectors: `ItemTowers` or `FixedItems`, see `embrec.components`. None is
        ``ItemTowers()``, or what the loss needs.
    encoder : {"gru", "attention", "parallel"} or Encoder, default="gru"
        What reads a history; words are short for ``GRUEncoder()``, ``SelfAttentionEncoder()`` and
        ``ParallelEncoder()``, a GRU per tower.
    loss : str or Loss, default="cross_entropy"
        What training makes smaller (thesis section 3.2): "cross_entropy", "bpr", "bpr_max",
        "smooth_ndcg" and "cosine" are short for ``CrossEntropy()``, ``BPR()``, ``BPRMax()``,
        ``SmoothNDCG()`` and ``CosineDistance()``. The last uses no negatives and fixed item
        embeddings.
    negatives : {"auto", "all"}, int or Negatives, default="auto"
        Items that each next item is set against: "all" is short for ``AllItems()``, all that
        training has seen; a number for ``SampledNegatives(n)``, so many drawn anew at every step.
        "auto" is all items up to 100,000 of them, and ``SampledNegatives(8192)`` beyond.
    optimizer : {"adam", "adagrad"} or Optimizer, default="adam"
        Of the weights: short for ``Adam()`` and ``Adagrad()``, which hold learning rate, schedule
        and clipping.
    early_stopping : bool or EarlyStopping, default=True
        Whether to stop when a validation figure no longer grows, and to go back to the weights of
        the best epoch. True is ``EarlyStopping()``: the hit rate at 50, with a patience of 5.
    ema_decay : float, default=0.999
        Between 0 and 1: what is validated and kept is an exponential moving average of the weights,
        which looks back over about a tenth of the steps so far, and no further than this lets it. 0
        keeps the weights themselves.
    batch_size : int, default=64
        Sequences per step.
    max_epochs : int, default=100
        Passes over the log, at most.
    max_length : int, default=50
        Training reads the last ``max_length`` events of a sequence. Recommending reads all.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the featurizer of the last fit. Popularity is
        then the larger count of the two logs, which may overlap.
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times. None takes the order of the rows; so does a log without
        the default column.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.
    index : {"auto", "exact", "annoy", "hnsw", "faiss"} or index, default="auto"
        How the catalogue is searched: see `embrec.index`. "auto" is exact as long as that is
        fastest, which it is for tens of thousands of items.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the scores in training, and of partial sums over them. "auto" is bfloat16 where the
        hardware multiplies it faster. Weights and answers are float32.
    score_memory : "auto" or int, default="auto"
        MiB of scores held at a time in training. "auto" is 16, or as much as the item embeddings
        take if that is more.
    device : str or torch.device, default="auto"
        Where to train and encode: "auto" is CUDA if there is any, else the CPU.
    callbacks : list of Callback, default=None
        Objects that watch training and may stop it; see `embrec.training.Callback`. `save` leaves
        them out.
    checkpoint_dir : str, Path or None, default=None
        Folder in which `fit` keeps its state as it goes. If it was killed, the same call with the
        same data goes on from there and ends as if nothing had happened. A folder is for one run:
        one with other parameters or data is an error. Needs an int ``random_state``. `save` leaves
        it out.
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
    event_featurizer_, user_featurizer_ : transformer or None
        Those of events and of visitors.
    catalog_ : LiveCatalog
        Ids, features and vectors of all items, those added since included.
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

    reads_content = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainedRecommender._parameter_constraints,
        "featurizer": [HasMethods(["fit", "transform"]), None],
        "event_featurizer": [HasMethods(["fit", "transform"]), StrOptions({"auto"}), None],
        "user_featurizer": [HasMethods(["fit", "transform"]), None],
        "item_model": "no_validation",
        "encoder": "no_validation",
        "loss": "no_validation",
        "negatives": "no_validation",
        "index": [StrOptions(set(NAMES)), BaseIndex],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "score_memory": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    }
    _short_for = SHORT_FOR
    _former_parameters = {
        "embedding_dim": "item_model=ItemTowers(embedding_dim=...)",
        "tower_size": "item_model=ItemTowers(tower_size=...)",
        "tower_dropout": "item_model=ItemTowers(dropout=...)",
        "item_ids": "item_model=ItemTowers(ids=IdEmbeddings())",
        "id_dropout": "item_model=ItemTowers(ids=IdEmbeddings(dropout=...))",
        "id_bound": "item_model=ItemTowers(ids=IdEmbeddings(bound=...))",
        "id_shrinkage": "item_model=ItemTowers(ids=IdEmbeddings(shrinkage=...))",
        "item_bias": "item_model=ItemTowers(bias=True)",
        "hidden_size": "encoder=GRUEncoder(hidden_size=...)",
        "n_layers": "encoder=GRUEncoder(n_layers=...)",
        "residual": "encoder=GRUEncoder(residual=...)",
        "dropout": "encoder=GRUEncoder(dropout=...)",
        "input_dropout": "encoder=GRUEncoder(input_dropout=...)",
        "bpr_max_reg": "loss=BPRMax(reg=...)",
        "n_negatives": "negatives=...",
        "sample_alpha": "negatives=SampledNegatives(alpha=...)",
        "batch_negatives": "negatives=SampledNegatives(in_batch=...)",
        "logq_correction": "negatives=SampledNegatives(logq=...)",
        "learning_rate": "optimizer=Adam(learning_rate=...)",
        "weight_decay": "optimizer=Adam(weight_decay=...)",
        "momentum": "optimizer=Adagrad(momentum=...)",
        "lr_schedule": "optimizer=Adam(schedule=...)",
        "warmup_steps": "optimizer=Adam(warmup_steps=...)",
        "max_grad_norm": "optimizer=Adam(max_grad_norm=...)",
        "patience": "early_stopping=EarlyStopping(patience=...)",
    }

    def __init__(
        self,
        featurizer: Any = None,
        *,
        event_featurizer: Any = None,
        user_featurizer: Any = None,
        item_model: ItemModel | None = None,
        encoder: str | Encoder = "gru",
        loss: str | Loss = "cross_entropy",
        negatives: str | int | Negatives = "auto",
        optimizer: str | Optimizer = "adam",
        early_stopping: bool | EarlyStopping = True,
        ema_decay: float = 0.999,
        batch_size: int = 64,
        max_epochs: int = 100,
        max_length: int = 50,
        warm_start: bool = False,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
        index: Any = "auto",
        precision: str = "auto",
        score_memory: str | int = "auto",
        device: str | torch.device = "auto",
        callbacks: Sequence[Callback] | None = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.featurizer = featurizer
        self.event_featurizer = event_featurizer
        self.user_featurizer = user_featurizer
        self.item_model = item_model
        self.encoder = encoder
        self.loss = loss
        self.negatives = negatives
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.max_length = max_length
        self.warm_start = warm_start
        super().__init__(
            user_col=user_col,
            item_col=item_col,
            timestamp_col=timestamp_col,
            on_unknown=on_unknown,
        )
        self.index = index
        self.precision = precision
        self.score_memory = score_memory
        self.device = device
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    # ---- what the engine asks for

    def _parts(self) -> Parts:
        parts = resolve_parts(
            item_model=self.item_model,
            encoder=self.encoder,
            loss=self.loss,
            negatives=self.negatives,
            optimizer=self.optimizer,
            early_stopping=self.early_stopping,
        )
        if not parts.item_model.reads_content:
            raise ValueError(
                f"item_model={parts.item_model} reads no content, which an EmbRecEstimator is "
                "about. Use ItemTowers, or a recommender of embrec.baselines."
            )
        check_scores(parts.loss, self.precision, self.score_memory)
        return parts

    def _fit_featurizer(self, items: ItemRows) -> tuple[Any, list[Features]]:
        featurizer = self.featurizer
        if featurizer is None:
            featurizer = default_featurizer(items.content, verbose=self.verbose > 0)
        self._parts().encoder.check_sources(feature_block_names(featurizer))
        fitted, blocks = fit_feature_blocks(featurizer, items.content)
        warn_of_no_content(items.ids, blocks)
        return fitted, blocks

    def _sources(self, more: dict[str, Any]) -> tuple[str, ...]:
        return tuple(feature_block_names({**vars(self), **more}["featurizer_"]))

    def _featurize(self, content: Table) -> list[Features]:
        blocks: list[Features] = transform_feature_blocks(
            self.featurizer_, content, n_features=self._size.n_features
        )
        return blocks

    # ---- queries

    @of_one_moment
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
            What scores items by its inner product with their embeddings, ê times a scale;
            ``d`` is ``embedding_dim`` times the number of towers.
        """
        check_is_fitted(self)
        queries = self.query_vectors(self.encode(self.read_sequences(X), on_unknown))
        return queries[:, : self.network_.embedding_size]

    @of_one_moment
    def item_embeddings(self, ids: Any) -> np.ndarray:
        """Return the embeddings of items: ndarray of shape (n, d), float32.

        Parameters
        ----------
        ids : list of ids
            Items of the catalogue.
        """
        check_is_fitted(self)
        rows = self.catalog_.rows_of(ids, what="ids")
        return np.array(self.index_.snapshot.take(rows)[:, : self.network_.embedding_size])

    # ---- scikit-learn

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # ê is float32 whatever X is
        return tags
