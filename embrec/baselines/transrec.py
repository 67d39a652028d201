"""TransRec: a user as a translation from item to item."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import torch

from embrec._utils.compat import Interval
from embrec.components import (
    BPR,
    Adam,
    EarlyStopping,
    Encoder,
    ItemPoints,
    Optimizer,
    SampledNegatives,
)
from embrec.data.id_arrays import pack_ids, unpack_ids
from embrec.data.ids import IdIndex, preview
from embrec.data.ragged import Ragged
from embrec.network import NetworkSize, SequenceModule, SequenceNetwork
from embrec.network.transrec import TranslationModule, TransRecNetwork
from embrec.network.weights import draw
from embrec.persistence.state import SavedState
from embrec.recommenders.parts import SHORT_FOR, Parts, resolve_parts
from embrec.recommenders.trained import TrainedRecommender
from embrec.training import Callback, TrainingSequences


class TranslationEncoder(Encoder):
    """The last item's point and a translation.

    Parameters
    ----------
    l2 : float, default=0.01
        Weight of the squared parameters that a step uses.
    """

    _free_parameters = ("l2",)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "l2": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = l2

    def _build(self, embedding_size: int, n_users: int = 0) -> SequenceModule:
        return TranslationModule(embedding_size, n_users)


class TransRecRecommender(TrainedRecommender):
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
    for all at first; so it is for a session that goes on with ``restart=True``, whose bytes name
    nobody. An item that training has not seen stands at 0.

    Parameters
    ----------
    embedding_dim : int, default=32
        Dimensions of the space.
    n_negatives : int, default=64
        Items that each step of a batch is set against.
    l2 : float, default=0.01
        Weight of the squared parameters that a step uses: its user's translation, the points and
        the biases of its items and, averaged, of the negatives.
    optimizer : {"adam", "adagrad"} or Optimizer, default=None
        Of the weights. None is ``Adam(0.003)``.
    ema_decay : float, default=0.0
        As for `EmbRecEstimator`: 0, as in the paper, averages no weights.
    batch_size : int, default=16
        Sequences per step.
    max_epochs : int, default=100
        Passes over the log, at most.
    early_stopping : bool or EarlyStopping, default=True
        Whether to stop when the validation hit rate at 50 no longer grows, and to go back to the
        weights of the best epoch. True is ``EarlyStopping(patience=5)``.
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
        Where to train.
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
    >>> from embrec.components import Adam
    >>> log = [["cam", "card", "bag"], ["pen", "ink", "pad"]] * 20
    >>> rec = TransRecRecommender(8, optimizer=Adam(0.03), random_state=0).fit(log)
    >>> rec.recommend([["cam"], ["pen", "ink"]], k=1)[0]
    array([['card'],
           ['pad']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainedRecommender._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
    }
    _short_for = {**SHORT_FOR, "optimizer": {None: Adam, **SHORT_FOR["optimizer"]}}
    _former_parameters = {
        "learning_rate": "optimizer=Adam(learning_rate=...)",
        "patience": "early_stopping=EarlyStopping(patience=...)",
    }

    network_: TransRecNetwork
    _users: IdIndex

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        n_negatives: int = 64,
        l2: float = 0.01,
        optimizer: str | Optimizer | None = None,
        ema_decay: float = 0.0,
        batch_size: int = 16,
        max_epochs: int = 100,
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
        self.embedding_dim = embedding_dim
        self.n_negatives = n_negatives
        self.l2 = l2
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

    # ---- what the engine asks for

    def _parts(self) -> Parts:
        return resolve_parts(
            item_model=ItemPoints(self.embedding_dim),
            encoder=TranslationEncoder(self.l2),
            loss=BPR(),
            negatives=SampledNegatives(self.n_negatives, alpha=0.0),
            optimizer=Adam(0.003) if self.optimizer is None else self.optimizer,
            early_stopping=self.early_stopping,
        )

    def _make_network(self, parts: Parts, size: NetworkSize, seed: int) -> SequenceNetwork:
        encoder = parts.encoder
        assert isinstance(encoder, TranslationEncoder)

        def make() -> SequenceNetwork:
            items = parts.item_model._build(size.n_features, size.n_ids)
            module = TranslationModule(items.embedding_size, size.n_users)
            return TransRecNetwork(items, module, float(encoder.l2))

        return draw(make, seed)

    def _name_users(
        self, sequences: TrainingSequences, validation: Ragged | None, *, goes_on: bool
    ) -> tuple[TrainingSequences, Ragged | None, dict[str, Any]]:
        users = _with_names(IdIndex(self._users.ids) if goes_on else None, sequences.names)
        rows = _user_rows(users, sequences.all_names, sequences.n_given)
        if validation is not None:  # looked up now: an error is not to wait for an epoch
            names = _user_rows(users, validation.names, len(validation))
            validation = replace(validation, names=names)
        return sequences.with_names(rows), validation, {"_users": users, "n_users": len(users)}

    def _named(self, histories: Ragged) -> Ragged:
        rows = _user_rows(self._users, histories.names, len(histories))
        return replace(histories, names=rows)

    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Read histories: states, which know their users also where no item came yet."""
        states = super().session_states(histories)
        rows = self._named(histories).names
        if self._size.n_users and rows is not None:
            encoder = self.network_.encoder
            with torch.inference_mode():
                own = encoder.user_vectors(torch.from_numpy(rows).to(states.device))
                states[:, encoder.dim : 2 * encoder.dim] = own
        return states

    # ---- persistence

    def get_state(self) -> SavedState:
        """Return what was learned."""
        state = super().get_state()
        users = {f"users:{name}": part for name, part in pack_ids(self._users.ids).items()}
        return replace(state, arrays=state.arrays | users)

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        super().set_state(state)
        packed = {k.removeprefix("users:"): v for k, v in state.arrays.items()}
        self._users = IdIndex(unpack_ids(packed))


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
