"""GRU4Rec: the same recurrent model with items that are known by id."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

import torch

from embrec._utils.compat import Interval, StrOptions
from embrec.network import Dropout
from embrec.network.gru4rec import GRU4RecNetwork, GRU4RecSize
from embrec.network.weights import draw
from embrec.recommenders.fitting import TrainingData, check_number_or_word
from embrec.recommenders.trained_on_ids import TrainedOnIds
from embrec.serving.sessions import SessionRecommender
from embrec.training import LossSettings, OptimizerSettings


class GRU4RecRecommender(SessionRecommender, TrainedOnIds):
    """GRU4Rec: a GRU over learned item vectors (Hidasi & Karatzoglou 2018).

    With a vector ``E_i`` and a bias ``b_i`` per item, the same at the input and the output,

        ``h_t = GRU(h_{t-1}, E_{i_t})``,  ``score(j) = h_t . E_j + b_j``,

    trained on the next item of every step against a sample ``N`` of others, drawn in proportion to
    popularity to the power of ``sample_alpha`` and, with ``batch_negatives``, the other next items
    of the batch. With ``s`` the score of the next item, ``s_j`` that of a negative and ``p`` the
    softmax over the negatives, "cross_entropy" is ``-s + log(exp(s) + sum_j exp(s_j))``, where
    ``logq_correction`` subtracts from ``s_j`` the logarithm of how often ``j`` is expected among
    the negatives, and "bpr_max" is ``-log sum_j p_j sigmoid(s - s_j) + bpr_max_reg * sum_j p_j
    s_j ** 2`` [1]_.

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
    loss : {"cross_entropy", "bpr_max", "bpr"}, default="cross_entropy"
        What training makes smaller.
    n_negatives : "all" or int, default=2048
        Negatives drawn at every step, shared by the batch; "all" sets the next item against every
        item that training has seen.
    sample_alpha : float, default=0.5
        Negatives are drawn in proportion to this power of their popularity.
    batch_negatives : bool, default=True
        Whether the next items of the batch are negatives too. Not with ``n_negatives="all"``, which
        has them.
    logq_correction : bool, default=True
        Whether sampled cross-entropy corrects for how negatives are drawn.
    bpr_max_reg : float, default=1.0
        Weight of BPR-max's regularisation.
    optimizer : {"adagrad", "adam"}, default="adagrad"
        Of the weights. Each wants a learning rate of its own.
    learning_rate : float, default=0.1
        Of the optimiser. Adam wants about a hundredth of it.
    momentum : float, default=0.2
        Of Adagrad.
    ema_decay : float, default=0.0
        As for `EmbRecEstimator`: 0, as in the paper, averages no weights.
    batch_size : int, default=16
        Sequences per step.
    max_epochs : int, default=50
        Passes over the log, at most.
    early_stopping : bool, default=True
        Whether to stop when the validation hit rate at 50 no longer grows, and to go back to the
        weights of the best epoch.
    patience : int, default=3
        Epochs without a better validation figure after which to stop.
    max_length : int, default=50
        Training reads the last ``max_length`` events of a sequence.
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
    catalog_ : ItemCatalog
        Ids of all items.
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "embedding_dropout": [Interval(Real, 0, 1, closed="left")],
        "hidden_dropout": [Interval(Real, 0, 1, closed="left")],
        "loss": [StrOptions({"cross_entropy", "bpr_max", "bpr"})],
        "n_negatives": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "sample_alpha": [Interval(Real, 0, None, closed="left")],
        "batch_negatives": ["boolean"],
        "logq_correction": ["boolean"],
        "bpr_max_reg": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions({"adagrad", "adam"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
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
        "callbacks": [list, tuple, None],
        "checkpoint_dir": [str, PathLike, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    network_: GRU4RecNetwork

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        n_layers: int = 1,
        embedding_dropout: float = 0.0,
        hidden_dropout: float = 0.4,
        loss: str = "cross_entropy",
        n_negatives: str | int = 2048,
        sample_alpha: float = 0.5,
        batch_negatives: bool = True,
        logq_correction: bool = True,
        bpr_max_reg: float = 1.0,
        optimizer: str = "adagrad",
        learning_rate: float = 0.1,
        momentum: float = 0.2,
        ema_decay: float = 0.0,
        batch_size: int = 16,
        max_epochs: int = 50,
        early_stopping: bool = True,
        patience: int = 3,
        max_length: int = 50,
        on_unknown: str = "raise",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        callbacks: Sequence[Any] | None = None,
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
        self.n_negatives = n_negatives
        self.sample_alpha = sample_alpha
        self.batch_negatives = batch_negatives
        self.logq_correction = logq_correction
        self.bpr_max_reg = bpr_max_reg
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
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
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check(self) -> None:
        check_number_or_word(self, "n_negatives")

    def _new_network(
        self, data: TrainingData, seed: int, *, goes_on: bool
    ) -> tuple[GRU4RecNetwork, dict[str, Any]]:
        size = GRU4RecSize(len(data.known.rows), int(self.hidden_size), int(self.n_layers))
        dropout = Dropout(input=float(self.embedding_dropout), output=float(self.hidden_dropout))
        return draw(partial(GRU4RecNetwork, size, dropout), seed), {}

    def _optimizer(self) -> OptimizerSettings:
        return OptimizerSettings(
            float(self.learning_rate), name=self.optimizer, momentum=float(self.momentum)
        )

    def _loss(self) -> LossSettings:
        return LossSettings(
            name=self.loss,
            n_negatives=None if self.n_negatives == "all" else int(self.n_negatives),
            sample_alpha=float(self.sample_alpha),
            logq=bool(self.logq_correction),
            bpr_max_reg=float(self.bpr_max_reg),
            batch_negatives=bool(self.batch_negatives),
        )

    def _build(self, size: dict[str, Any], dropout: Dropout) -> GRU4RecNetwork:
        return draw(partial(GRU4RecNetwork, GRU4RecSize(**size), dropout), seed=0)
