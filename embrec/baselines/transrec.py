"""TransRec: a user as a translation from item to item."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embrec._utils.compat import Interval, StrOptions
from embrec.data.ids import IdIndex, preview
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
from embrec.network import Dropout, bpr
from embrec.network.features import FeatureTensor
from embrec.network.inference import Rows
from embrec.network.packing import PackedBatch
from embrec.network.transrec import TransRecNetwork, TransRecSize
from embrec.network.weights import draw
from embrec.persistence.folder import SavedState, pack_ids, unpack_ids
from embrec.recommenders.fitting import TrainingData
from embrec.recommenders.trained_on_ids import TrainedOnIds
from embrec.serving.sessions import ItemVectors
from embrec.training import LossSettings, Objective, OptimizerSettings


class TransRecRecommender(TrainedOnIds):
    """TransRec: the next item lies where the user's translation leads (He, Kang & McAuley 2017).

    Items are points ``γ`` of the unit ball, and a user ``u`` goes from one to the next by a
    translation ``t + t_u``:

        ``score(u, i, j) = b_j - |γ_i + t + t_u - γ_j|²``

    with a popularity bias ``b_j``, ``i`` the user's last item and ``j`` the next [1]_. It is
    trained to set the next item above others that are drawn alike, by BPR:
    ``-log sigmoid(score(u, i, j) - score(u, i, j'))``, plus ``l2`` times the squares of the
    parameters that a step uses.

    The paper draws one ``j'`` per step, out of what the user never touched; here every step of a
    batch is set against the same ``n_negatives`` items. Its other distance, L1, is no inner product
    and is left out.

    A log tells whose history it is: its users are looked up by the name they had in training. For
    users who were not there, and for lists of sequences, which name nobody, ``t_u`` is 0, as it was
    for all at first. An item that training has not seen stands at 0.

    Parameters
    ----------
    embedding_dim : int, default=32
        Dimensions of the space.
    n_negatives : int, default=64
        Items that each step of a batch is set against.
    l2 : float, default=0.01
        Weight of the squared parameters that a step uses: its user's translation, the points and
        the biases of its items and, averaged, of the negatives.
    learning_rate : float, default=0.003
        Of Adam.
    ema_decay : float, default=0.0
        As for `EmbRecEstimator`: 0, as in the paper, averages no weights.
    batch_size : int, default=16
        Sequences per step.
    max_epochs : int, default=100
        Passes over the log, at most.
    early_stopping : bool, default=True
        Whether to stop when the validation hit rate at 50 no longer grows, and to go back to the
        weights of the best epoch.
    patience : int, default=5
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
        Where to train.
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
        ``(γ_j, b_j - |γ_j|²)`` of each item.
    training_log_ : list of dict
        One record per epoch.
    best_epoch_ : int
        The epoch whose weights were kept.
    device_ : torch.device
        Where the network is.
    fingerprint_ : str
        Identifies the weights.

    References
    ----------
    .. [1] R. He, W.-C. Kang, J. McAuley, "Translation-based recommendation", RecSys 2017.

    Examples
    --------
    >>> from embrec.baselines import TransRecRecommender
    >>> log = [["cam", "card", "bag"], ["pen", "ink", "pad"]] * 20
    >>> rec = TransRecRecommender(8, learning_rate=0.03, random_state=0).fit(log)
    >>> rec.recommend([["cam"], ["pen", "ink"]], k=1)[0]
    array([['card'],
           ['pad']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
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

    _growing = ("n_ids", "n_users")
    network_: TransRecNetwork

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        n_negatives: int = 64,
        l2: float = 0.01,
        learning_rate: float = 0.003,
        ema_decay: float = 0.0,
        batch_size: int = 16,
        max_epochs: int = 100,
        early_stopping: bool = True,
        patience: int = 5,
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
        self.embedding_dim = embedding_dim
        self.n_negatives = n_negatives
        self.l2 = l2
        self.learning_rate = learning_rate
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

    # ---- training

    def _encoded(self, X: Any, ids: IdIndex, what: str = "X") -> tuple[Ragged, np.ndarray | None]:
        sequences, rows = super()._encoded(X, ids, what)
        if isinstance(X, InteractionStore):
            sequences = replace(sequences, names=X.users)
        return sequences, rows

    def _new_network(
        self, data: TrainingData, seed: int, *, goes_on: bool
    ) -> tuple[TransRecNetwork, dict[str, Any]]:
        known = IdIndex(self._users.ids) if goes_on else None
        users = _with_names(known, data.sequences.names)
        size = TransRecSize(len(data.known.rows), len(users), int(self.embedding_dim))
        return draw(partial(TransRecNetwork, size), seed), {"_users": users}

    def _optimizer(self) -> OptimizerSettings:
        return OptimizerSettings(float(self.learning_rate), id_bound=1.0)

    def _loss(self) -> LossSettings:
        return LossSettings("bpr", n_negatives=int(self.n_negatives), sample_alpha=0.0)

    def _training_parts(self, data: TrainingData, more: dict[str, Any]) -> dict[str, Any]:
        users: IdIndex = more["_users"]
        of_sequences = _user_rows(users, data.sequences.names, len(data.sequences))

        def encode(network: TransRecNetwork, items: Tensor, histories: Ragged) -> Tensor:
            return _queries(network, items, histories, users)

        objective = partial(TransRecObjective, users=of_sequences, l2=float(self.l2))
        identity = f"{self.l2!r}".encode() + of_sequences.tobytes()
        if data.validation is not None:  # looked up now: an error is not to wait for an epoch
            names = data.validation.names
            identity += _user_rows(users, names, len(data.validation)).tobytes()
        return {"objective": objective, "encode": encode, "identity": identity}

    # ---- answers

    def _query_vectors(self, histories: Ragged) -> np.ndarray:
        vectors = ItemVectors(self.index_.snapshot)
        return _queries(self.network_, vectors, histories, self._users).cpu().numpy()

    @property
    def _n_embedding_columns(self) -> int:
        return self.network_.embedding_size

    # ---- persistence

    def _build(self, size: dict[str, Any], dropout: Dropout) -> TransRecNetwork:
        return draw(partial(TransRecNetwork, TransRecSize(**size)), seed=0)

    def _get_state(self) -> SavedState:
        state = super()._get_state()
        users = {f"users:{name}": part for name, part in pack_ids(self._users.ids).items()}
        return replace(state, arrays=state.arrays | users)

    def _set_state(self, state: SavedState) -> None:
        super()._set_state(state)
        packed = {k.removeprefix("users:"): v for k, v in state.arrays.items()}
        self._users = IdIndex(unpack_ids(packed))


class TransRecObjective(Objective):
    """BPR over the steps of a batch, and the squares of what it uses.

    Parameters
    ----------
    settings : LossSettings
    features : list
        Not read.
    ids : Tensor of shape (n_items,), int64
    counts, n_targets : ndarray of shape (n_items,)
    users : ndarray of shape (n_sequences,), int64
        Whose each training sequence is; -1 is nobody.
    l2 : float
    """

    def __init__(
        self,
        settings: LossSettings,
        features: Sequence[FeatureTensor],
        ids: Tensor | None,
        counts: np.ndarray,
        n_targets: np.ndarray | None = None,
        *,
        users: np.ndarray,
        l2: float,
    ) -> None:
        super().__init__(settings, features, ids, counts, n_targets)
        self._users = users
        self._l2 = l2

    def _loss(
        self,
        network: Any,
        items: Tensor,
        batch: PackedBatch,
        sample: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        assert batch.targets is not None
        assert batch.numbers is not None
        assert sample is not None
        users = torch.from_numpy(self._users[batch.numbers])[batch.lanes].to(items.device)
        queries = network.query(F.embedding(batch.rows, items), users)
        loss = bpr(queries, items, batch.targets, sample[0])
        return loss + self._l2 * _mean_squares(network, items, batch, users, sample[0])


def _mean_squares(
    network: TransRecNetwork, items: Tensor, batch: PackedBatch, users: Tensor, negatives: Tensor
) -> Tensor:
    """Squares of the parameters that score a step's next item and a negative, on average."""
    assert batch.targets is not None
    points = items[:, :-1].square().sum(1, keepdim=True)
    biases = (items[:, -1:] + points).square()
    of_score = torch.cat([points, points + biases], dim=1)
    before, after, others = (
        F.embedding(rows, of_score)[:, column].mean()
        for rows, column in ((batch.rows, 0), (batch.targets, 1), (negatives, 1))
    )
    steps = network.translation.square().sum()
    if network.size.n_users:
        steps = steps + network.user_vectors(users).square().sum(1).mean()
    return before + after + others + steps


def _with_names(known: IdIndex | None, names: np.ndarray | None) -> IdIndex:
    """Index users: those that are known, in a copy, then those of a log."""
    if known is None or len(known) == 0:
        return IdIndex(np.empty(0, dtype=np.int64) if names is None else names)
    if names is not None:
        known.extend(names[_user_rows(known, names, len(names)) < 0])
    return known


def _user_rows(users: IdIndex, names: np.ndarray | None, n: int) -> np.ndarray:
    """Look users up: (n,) int64, -1 for those who are not known."""
    if names is None or len(users) == 0:
        return np.full(n, -1)
    if (names.dtype == object) != users.holds_strings:
        ours, theirs = ("strings", "integers") if users.holds_strings else ("integers", "strings")
        raise TypeError(
            f"The users of this log are {theirs}, such as {preview(names[:1])}, where those of "
            f"training are {ours}, such as {preview(users.ids[:1])}. Convert one of them; or pass "
            "a list of sequences, if none of these users was in training."
        )
    return users.rows(names)


@torch.inference_mode()
def _queries(
    network: TransRecNetwork, items: Tensor | Rows, histories: Ragged, users: IdIndex
) -> Tensor:
    """Say what scores items after the last one of each history: (n, embedding_dim + 1).

    After none only the bias and the distance from 0 count.
    """
    network.eval()
    device = network.translation.device
    found = torch.zeros(len(histories), network.vector_size, device=device)
    found[:, -1] = 1
    filled = np.flatnonzero(histories.lengths)
    some = histories.take(filled)
    last = torch.from_numpy(some.last().astype(np.int64)).to(items.device)
    whose = torch.from_numpy(_user_rows(users, some.names, len(some))).to(device)
    found[torch.from_numpy(filled).to(device)] = network.query(items[last].to(device), whose)
    return found
