"""From an estimator's parameters and data to a trained network.

The middle between the estimator, which knows ids and tables, and `embrec.training`, which knows
tensors: parameters become settings, feature blocks tensors, catalogue rows training rows.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import blake2b
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.decomposition import TruncatedSVD
from torch import nn

from embrec.data.items import Features
from embrec.data.memmaps import row_blocks
from embrec.data.ragged import Ragged
from embrec.network import (
    Dropout,
    EmbRecNetwork,
    NetworkSize,
    mean_square_length,
    to_feature_tensors,
)
from embrec.network.device import score_precision
from embrec.network.inference import encode_queries
from embrec.network.tower import FixedTower
from embrec.network.weights import build_network, fingerprint
from embrec.training import (
    Callback,
    CheckpointFolder,
    Encode,
    LossSettings,
    NextItemValidation,
    Objective,
    OptimizerSettings,
    TrainingRun,
    TrainingSequences,
    TrainingSettings,
    train,
)


@dataclass(frozen=True)
class KnownItems:
    """The items that training has seen; an item's place here is its id in the network.

    Parameters
    ----------
    rows : ndarray of shape (n_known,), int64
        Their catalogue rows; those known longest come first.
    counts : ndarray of shape (n_known,), int64
        Events of each that were trained on, replayed ones not counted.
    """

    rows: np.ndarray
    counts: np.ndarray

    @classmethod
    def none(cls) -> "KnownItems":
        """Begin: nothing has been seen."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    def and_those_of(
        self, counts: np.ndarray, also: np.ndarray | None = None, *, is_new: bool = True
    ) -> "KnownItems":
        """Add what a log has.

        Parameters
        ----------
        counts : ndarray of shape (n_rows,)
            Events of each catalogue row.
        also : ndarray of int, optional
            Rows that are known from elsewhere.
        is_new : bool, default=True
            Whether no event of it was counted before. Otherwise all of them may have been, and the
            larger count holds.

        Returns
        -------
        KnownItems
        """
        seen = np.flatnonzero(counts) if also is None else np.union1d(np.flatnonzero(counts), also)
        new = np.setdiff1d(seen, self.rows)
        rows = np.concatenate([self.rows, new])
        before = np.concatenate([self.counts, np.zeros(len(new), dtype=np.int64)])
        join = np.add if is_new else np.maximum
        return KnownItems(rows, join(before, counts[rows]))

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Find the places of catalogue rows, -1 for those that are not known: (n,) int64."""
        found = np.full(len(rows), -1, dtype=np.int64)
        within = (rows >= 0) & (rows < len(self._place_of_row))
        found[within] = self._place_of_row[rows[within]]
        return found

    def counts_of(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events catalogue rows have: (n,) int64, 0 for those that are not known."""
        places = self.places(rows)
        counts = np.zeros(len(rows), dtype=np.int64)
        counts[places >= 0] = self.counts[places[places >= 0]]
        return counts

    @cached_property
    def _place_of_row(self) -> np.ndarray:
        table = np.full(self.rows.max(initial=-1) + 1, -1, dtype=np.int64)
        table[self.rows] = np.arange(len(self.rows))
        return table


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on.

    Parameters
    ----------
    sequences : TrainingSequences
        Of catalogue rows.
    validation : Ragged of catalogue rows, or None
    blocks : list of ndarray or CSR of shape (n_items, n_features)
        Features of the whole catalogue.
    known : KnownItems
        What is in ``sequences``, and what was in those before.
    n_items : int
        Size of the catalogue.
    """

    sequences: TrainingSequences
    validation: Ragged | None
    blocks: Sequence[Features]
    known: KnownItems
    n_items: int


def check_parameters(params: Any) -> None:
    """Raise if parameters contradict each other, or hold what cannot be used."""
    check_callbacks(params.callbacks)
    check_number_or_word(params, "n_negatives", "score_memory")
    if params.loss == "cosine":
        _check_cosine(params)
    if params.optimizer == "adagrad" and params.weight_decay:
        raise ValueError(
            f"optimizer='adagrad' has no weight decay; got weight_decay={params.weight_decay!r}. "
            "Leave it at 0, or choose 'adam'."
        )


def check_callbacks(callbacks: Sequence[Any] | None) -> None:
    """Raise if one is no callback."""
    for callback in callbacks or ():
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks must hold instances of embrec.Callback; got {callback!r}. Inherit from "
                "it, and pass an instance rather than the class."
            )


def check_number_or_word(params: Any, *names: str) -> None:
    """Raise if a parameter is a bool, which Python takes for an int."""
    for name in names:
        if isinstance(getattr(params, name), bool):
            raise TypeError(f"{name} must be a number or a word; got {getattr(params, name)!r}.")


def check_checkpoints(params: Any) -> None:
    """Raise if a run could not be gone on with."""
    if params.checkpoint_dir is None:
        return
    if not os.fspath(params.checkpoint_dir):
        raise ValueError("checkpoint_dir must be the path of a folder, or None; got ''.")
    if not isinstance(params.random_state, Integral):
        raise ValueError(
            "checkpoint_dir needs random_state to be an int, so that a run that goes on makes the "
            f"same draws; got random_state={params.random_state!r}."
        )


def check_size(old: Any, new: Any, growing: Sequence[str] = ("n_ids",)) -> None:
    """Raise unless a network can be gone on with; how much it knows may change."""
    changed = {
        name: (before, now)
        for (name, before), now in zip(asdict(old).items(), asdict(new).values(), strict=True)
        if before != now and name not in growing
    }
    if changed:
        names = {"fixed_items": "loss='cosine'"}
        what = ", ".join(f"{names.get(k, k)} was {a}, is {b}" for k, (a, b) in changed.items())
        raise ValueError(
            "Training would go on with the network of the last fit, but the parameters now ask for "
            f"another one: {what}. Set them as they were, or call fit with warm_start=False."
        )


def _check_cosine(params: Any) -> None:
    if params.n_negatives != "all":
        raise ValueError(
            f"loss='cosine' has no negatives; got n_negatives={params.n_negatives!r}. Leave it at "
            "'all', or choose another loss."
        )
    if params.item_ids != "none" or params.item_bias:
        raise ValueError(
            "loss='cosine' learns nothing of the items; got "
            f"item_ids={params.item_ids!r}, item_bias={params.item_bias!r}. Leave them at 'none' "
            "and False, or choose another loss."
        )


def network_size(params: Any, blocks: Sequence[Features], known: KnownItems) -> NetworkSize:
    """Read the size of a network from an estimator's parameters."""
    # torch and JSON want Python's own numbers; a grid of parameters may hold numpy's
    item_ids, item_bias = params.item_ids == "delta", bool(params.item_bias)
    return NetworkSize(
        n_features=tuple(int(block.shape[1]) for block in blocks),
        embedding_dim=int(params.embedding_dim),
        tower_size=int(params.tower_size),
        hidden_size=int(params.hidden_size),
        n_layers=int(params.n_layers),
        residual=bool(params.residual),
        n_ids=len(known.rows) if item_ids or item_bias else 0,
        item_ids=item_ids,
        item_bias=item_bias,
        fixed_items=params.loss == "cosine",
    )


def _dropout(params: Any) -> Dropout:
    return Dropout(
        tower=float(params.tower_dropout),
        input=float(params.input_dropout),
        output=float(params.dropout),
        id=float(params.id_dropout),
    )


def new_network(
    params: Any, data: TrainingData, device: torch.device, rng: np.random.RandomState
) -> EmbRecNetwork:
    """Make a network for an estimator's parameters, fitted to the scale of its features."""
    size = network_size(params, data.blocks, data.known)
    network = build_network(size, _dropout(params), int(rng.randint(2**31)))
    network.fit_scales([mean_square_length(block) for block in data.blocks])
    if size.fixed_items:
        seed = int(rng.randint(2**31))
        for tower, block in zip(network.towers, data.blocks, strict=True):
            assert isinstance(tower, FixedTower)
            _fit_projection(tower, block[data.known.rows], seed)
    set_support(network, data.known, params.id_shrinkage)
    return network.to(device)


def _fit_projection(tower: FixedTower, block: Features, seed: int) -> None:
    """Project on the directions along which the items differ most, if there are too many."""
    n_features, dim = tower.projection.shape
    if n_features <= dim:
        return
    n_directions = min(dim, block.shape[0])
    svd = TruncatedSVD(n_directions, random_state=seed).fit(block)
    tower.projection.zero_()
    components = svd.components_.T.astype(np.float32)
    tower.projection[:, :n_directions] = torch.from_numpy(components)


def grown_network(
    params: Any, network: EmbRecNetwork, known: KnownItems, kept: np.ndarray | None = None
) -> EmbRecNetwork:
    """Copy a network, with room for the items that became known since.

    Parameters
    ----------
    params : EmbRecEstimator
        Its dropout and shrinkage apply from now on.
    network : EmbRecNetwork
    known : KnownItems
        Those that were known first, as they were, then the new ones: their vectors are zero.
    kept : ndarray of int, optional
        Places of those that were known and still are; all by default.

    Returns
    -------
    EmbRecNetwork
        On the same device.
    """
    size = network.size
    if size.n_ids:
        size = replace(size, n_ids=len(known.rows))
    larger = build_network(size, _dropout(params), seed=0)
    copy_weights(network, larger, kept)
    set_support(larger, known, params.id_shrinkage)
    return larger.to(next(network.parameters()).device)


def copy_weights(network: nn.Module, larger: nn.Module, kept: np.ndarray | None = None) -> None:
    """Copy all weights to a network that has room for more items or users.

    What is new stays as it is.

    Parameters
    ----------
    network, larger : Module
        The larger one is on the CPU.
    kept : ndarray of int, optional
        Places of the items that are still known; all by default.
    """
    weights = larger.state_dict()
    for name, values in network.state_dict().items():
        if name.startswith(("id_vectors", "id_biases", "user_vectors")):
            old = values.cpu() if kept is None else values.cpu()[torch.from_numpy(kept)]
            weights[name][: len(old)] = old
        else:
            weights[name] = values
    larger.load_state_dict(weights)


def set_support(network: EmbRecNetwork, known: KnownItems, shrinkage: float) -> None:
    """Tell id vectors and biases how many events each item has."""
    for module in (network.id_vectors, network.id_biases):
        if module is not None:
            counts = torch.from_numpy(known.counts).to(module.trust)
            module.set_support(counts, float(shrinkage))


def training_settings(params: Any) -> TrainingSettings:
    """Read how to train from an estimator's parameters."""
    return TrainingSettings(
        optimizer=OptimizerSettings(
            learning_rate=float(params.learning_rate),
            lr_schedule=params.lr_schedule,
            warmup_steps=int(params.warmup_steps),
            weight_decay=float(params.weight_decay),
            max_grad_norm=None if params.max_grad_norm is None else float(params.max_grad_norm),
            id_bound=float(params.id_bound),
            name=params.optimizer,
            momentum=float(params.momentum),
        ),
        batch_size=int(params.batch_size),
        max_epochs=int(params.max_epochs),
        patience=int(params.patience) if params.early_stopping else None,
        ema_decay=float(params.ema_decay),
        verbose=int(params.verbose),
    )


def loss_settings(params: Any, device: torch.device) -> LossSettings:
    """Read what to make smaller from an estimator's parameters."""
    memory = None if params.score_memory == "auto" else int(params.score_memory * 2**20)
    return LossSettings(
        name=params.loss,
        n_negatives=None if params.n_negatives == "all" else int(params.n_negatives),
        sample_alpha=float(params.sample_alpha),
        logq=bool(params.logq_correction),
        bpr_max_reg=float(params.bpr_max_reg),
        batch_negatives=bool(params.batch_negatives),
        precision=score_precision(params.precision, device),
        memory=memory,
    )


def train_network(
    network: Any,
    data: TrainingData,
    settings: TrainingSettings,
    loss: LossSettings,
    rng: np.random.RandomState,
    *,
    objective: Callable[..., Objective] = Objective,
    encode: Encode = encode_queries,
    identity: bytes = b"",
    callbacks: Sequence[Any] = (),
    checkpoint_dir: Any = None,
) -> TrainingRun:
    """Train a network in place.

    What nobody has touched yet is no negative: training would teach that nobody ever will.
    ``identity`` is all that ``objective`` and ``encode`` depend on besides: it tells checkpoints of
    other runs.
    """
    device = next(network.parameters()).device
    places = data.known.places(np.arange(data.n_items))
    sequences = data.sequences.with_rows(places)
    features = to_feature_tensors(data.blocks, device, data.known.rows)
    validate = None
    if data.validation is not None:
        all_known = np.array_equal(data.known.rows, np.arange(data.n_items))
        all_features = features if all_known else to_feature_tensors(data.blocks, device)
        validate = NextItemValidation(
            data.validation, all_features, ids=torch.from_numpy(places).to(device), encode=encode
        )
    checkpoints = None
    if checkpoint_dir is not None:
        run_id = _run_id(network, data, (settings, loss), rng, identity)
        checkpoints = CheckpointFolder(checkpoint_dir, run_id=run_id)
    ids = torch.arange(len(data.known.rows), device=device)
    n_targets = sequences.count_targets(len(ids)) if loss.batch_negatives else None
    return train(
        network,
        objective(loss, features, ids, data.known.counts, n_targets),
        sequences,
        settings,
        rng=rng,
        validate=validate,
        callbacks=callbacks,
        checkpoints=checkpoints,
    )


def _run_id(
    network: Any,
    data: TrainingData,
    how: tuple[TrainingSettings, LossSettings],
    rng: np.random.RandomState,
    identity: bytes,
) -> str:
    """Hash all that a run depends on: 32 hexadecimal digits."""
    plain = replace(how[0], verbose=0)  # changes nothing but what is shown
    digest = blake2b(digest_size=16)
    digest.update(f"{plain!r} {how[1]!r} {network.size!r} {network.dropout!r}".encode())
    digest.update(fingerprint(network).encode())
    _, key, *others = rng.get_state()
    digest.update(np.asarray(key).tobytes())  # whose repr depends on numpy's print options
    digest.update(repr(others).encode())
    data.sequences.update_digest(digest)
    if data.validation is not None:
        digest.update(data.validation.values.tobytes())
        digest.update(data.validation.offsets.tobytes())
    for block in data.blocks:
        _update_digest(digest, block)
    digest.update(identity)
    return digest.hexdigest()


def _update_digest(digest: Any, block: Features) -> None:
    """Feed a matrix of features to a hash, some rows at a time."""
    digest.update(f"{block.shape} {block.dtype}".encode())
    for _, rows in row_blocks(block):
        for part in (rows.indptr, rows.indices, rows.data) if sp.issparse(rows) else (rows,):
            # 8 bytes for indices: their width is no part of what they say
            wide = part.astype(np.int64) if part.dtype.kind == "i" else np.ascontiguousarray(part)
            digest.update(wide.tobytes())
