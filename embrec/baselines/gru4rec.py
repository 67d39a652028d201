"""GRU4Rec: the same recurrent model with items that are known by id."""

from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

import torch

from embrec._utils.compat import Interval
from embrec.components import (
    Adagrad,
    EarlyStopping,
    GRUEncoder,
    ItemVectors,
    Loss,
    Negatives,
    Optimizer,
    SampledNegatives,
)
from embrec.network import SequenceModule
from embrec.network.gru import GRUModule
from embrec.recommenders.parts import SHORT_FOR, Parts, resolve_parts
from embrec.recommenders.trained import TrainedRecommender
from embrec.training import Callback


class GRU4RecEncoder(GRUEncoder):
    """A GRU whose outputs are the predicted embeddings, and which starts at 0.

    Parameters
    ----------
    hidden_size : int, default=128
        Width of the GRU and of item embeddings.
    n_layers : int, default=1
    dropout, input_dropout : float
        As for `GRUEncoder`.
    """

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        n_layers: int = 1,
        dropout: float = 0.4,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__(
            hidden_size,
            n_layers=n_layers,
            dropout=dropout,
            input_dropout=input_dropout,
            residual=False,
        )

    def _build(self, embedding_size: int) -> SequenceModule:
        return GRUModule(
            embedding_size,
            self.hidden_size,
            self.n_layers,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            residual=False,
            projected=False,
            learns_start=False,
        )


class GRU4RecRecommender(TrainedRecommender):
    """GRU4Rec: a GRU over learned item vectors (Hidasi & Karatzoglou 2018).

    With a vector ``E_i`` and a bias ``b_i`` per item, the same at the input and the output,

        ``h_t = GRU(h_{t-1}, E_{i_t})``,  ``score(j) = h_t . E_j + b_j``,

    trained on the next item of every step against a sample of others, drawn by a power of their
    popularity, and the other next items of the batch [1]_. It is a setting of the parts that
    `EmbRecEstimator` is made of: `ItemVectors`, a GRU without an output layer, and losses,
    negatives and optimizers as there.

    It differs from the authors' code in how sequences go through: whole, with gradients through
    time, in batches of similar lengths, where theirs takes one step of many sessions at a time. The
    output is linear.

    An item that training has not seen has a vector of 0 and the mean of all biases: it is known to
    exist, and nothing more. `partial_fit` gives it a vector.

    Parameters
    ----------
    hidden_size : int, default=128
        Width of the GRU and of item vectors.
    n_layers : int, default=1
        Layers of the GRU.
    embedding_dropout : float, default=0.0
        Probability to drop an element of the item vectors that the GRU reads.
    hidden_dropout : float, default=0.4
        Probability to drop an element of the GRU's outputs.
    loss : {"cross_entropy", "bpr_max", "bpr", "smooth_ndcg"} or Loss, default="cross_entropy"
        What training makes smaller.
    negatives : {"all"}, int or Negatives, default=None
        What each next item is set against. None is ``SampledNegatives(2048, alpha=0.5,
        in_batch=True)``; a number is ``SampledNegatives(number)``, of which all else are the
        defaults.
    optimizer : {"adagrad", "adam"} or Optimizer, default=None
        Of the weights. None is ``Adagrad(0.1, momentum=0.2)``.
    ema_decay : float, default=0.0
        As for `EmbRecEstimator`: 0, as in the paper, averages no weights.
    batch_size : int, default=16
        Sequences per step.
    max_epochs : int, default=50
        Passes over the log, at most.
    early_stopping : bool or EarlyStopping, default=True
        Whether to stop when the validation hit rate at 50 no longer grows, and to go back to the
        weights of the best epoch. True is ``EarlyStopping(patience=3)``.
    max_length : int, default=50
        Training reads the last ``max_length`` events of a sequence.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times.
    callbacks : list of Callback, default=None
        Objects that watch training and may stop it. `save` leaves them out.
    checkpoint_dir : str, Path or None, default=None
        As for `EmbRecEstimator`.
    device : str or torch.device, default="auto"
        Where to train and encode.
    random_state : int, RandomState or None, default=None
        An int makes fits repeatable on the same machine.
    verbose : int, default=0
        1 shows a progress bar, 2 a line per epoch as well.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    catalog_ : LiveCatalog
        Ids and vectors of all items.
    index_ : ExactIndex
        Item vectors and biases.
    training_log_ : list of dict
        One record per epoch.
    best_epoch_ : int
        The epoch whose weights were kept.
    device_ : torch.device
        Where the network is.
    fingerprint_ : str
        Identifies the weights; sessions carry it.

    References
    ----------
    .. [1] B. Hidasi, A. Karatzoglou, "Recurrent neural networks with top-k gains for session-based
       recommendations", CIKM 2018.

    Examples
    --------
    >>> from embrec.baselines import GRU4RecRecommender
    >>> log = [["cam", "card", "bag"], ["pen", "ink", "pad"]] * 20
    >>> rec = GRU4RecRecommender(16, max_epochs=10, random_state=0).fit(log)
    >>> rec.recommend([["cam"], ["pen", "ink"]], k=1)[0]
    array([['card'],
           ['pad']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainedRecommender._parameter_constraints,
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "embedding_dropout": [Interval(Real, 0, 1, closed="left")],
        "hidden_dropout": [Interval(Real, 0, 1, closed="left")],
        "loss": "no_validation",
        "negatives": "no_validation",
    }
    _short_for = {
        **SHORT_FOR,
        "negatives": {None: SampledNegatives, **SHORT_FOR["negatives"]},
        "optimizer": {None: Adagrad, **SHORT_FOR["optimizer"]},
    }
    _former_parameters = {
        "n_negatives": "negatives=SampledNegatives(..., alpha=0.5, in_batch=True)",
        "sample_alpha": "negatives=SampledNegatives(2048, alpha=..., in_batch=True)",
        "batch_negatives": "negatives=SampledNegatives(2048, alpha=0.5, in_batch=...)",
        "logq_correction": "negatives=SampledNegatives(2048, alpha=0.5, in_batch=True, logq=...)",
        "bpr_max_reg": "loss=BPRMax(reg=...)",
        "learning_rate": "optimizer=Adagrad(learning_rate=..., momentum=0.2)",
        "momentum": "optimizer=Adagrad(0.1, momentum=...)",
        "patience": "early_stopping=EarlyStopping(patience=...)",
    }

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        n_layers: int = 1,
        embedding_dropout: float = 0.0,
        hidden_dropout: float = 0.4,
        loss: str | Loss = "cross_entropy",
        negatives: str | int | Negatives | None = None,
        optimizer: str | Optimizer | None = None,
        ema_decay: float = 0.0,
        batch_size: int = 16,
        max_epochs: int = 50,
        early_stopping: bool | EarlyStopping = True,
        max_length: int = 50,
        warm_start: bool = False,
        on_unknown: str = "raise",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        callbacks: Sequence[Callback] | None = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        device: str | torch.device = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.embedding_dropout = embedding_dropout
        self.hidden_dropout = hidden_dropout
        self.loss = loss
        self.negatives = negatives
        self.optimizer = optimizer
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.max_length = max_length
        self.warm_start = warm_start
        super().__init__(
            user_col=user_col,
            item_col=item_col,
            timestamp_col=timestamp_col,
            on_unknown=on_unknown,
        )
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _parts(self) -> Parts:
        negatives, optimizer, stopping = self.negatives, self.optimizer, self.early_stopping
        if negatives is None and getattr(self.loss, "uses_negatives", True):
            negatives = SampledNegatives(2048, alpha=0.5, in_batch=True)
        elif negatives is None:
            negatives = "all"
        if optimizer is None:
            optimizer = Adagrad(0.1, momentum=0.2)
        if stopping is True:
            stopping = EarlyStopping(patience=3)
        encoder = GRU4RecEncoder(
            self.hidden_size,
            n_layers=self.n_layers,
            dropout=self.hidden_dropout,
            input_dropout=self.embedding_dropout,
        )
        return resolve_parts(
            item_model=ItemVectors(self.hidden_size),
            encoder=encoder,
            loss=self.loss,
            negatives=negatives,
            optimizer=optimizer,
            early_stopping=stopping,
        )
