"""A run of training: from features and sequences of catalogue rows to a trained network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from embrec.data.memmaps import update_digest
from embrec.data.ragged import Ragged
from embrec.network.features import to_feature_tensors
from embrec.network.model import SequenceNetwork
from embrec.network.weights import fingerprint
from embrec.training.callbacks import Callback
from embrec.training.checkpoint import CheckpointFolder
from embrec.training.loop import TrainingRun, TrainingSettings, train
from embrec.training.negatives import NegativeSampler
from embrec.training.objective import LossFunction, Objective
from embrec.training.sequences import TrainingSequences
from embrec.training.trained_items import TrainedItems
from embrec.training.validation import NextItemValidation


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
    trained : TrainedItems
        What is in ``sequences``, and what was in those before.
    n_items : int
        Size of the catalogue.
    """

    sequences: TrainingSequences
    validation: Ragged | None
    blocks: Sequence[Any]
    trained: TrainedItems
    n_items: int

    @property
    def n_features(self) -> tuple[int, ...]:
        """Columns of each feature block."""
        return tuple(int(block.shape[1]) for block in self.blocks)

    def numbered_sequences(self) -> TrainingSequences:
        """Return the sequences with items called what the network knows them by."""
        return self.sequences.with_rows(self.trained.places(np.arange(self.n_items)))

    def count_targets(self) -> np.ndarray:
        """Count how often each trained item is a next item: (n_trained,) int64."""
        return self.numbered_sequences().count_targets(len(self.trained.rows))


@dataclass(frozen=True)
class TrainingGoal:
    """What a run makes smaller, and what it watches.

    Parameters
    ----------
    loss : callable
    sampler : NegativeSampler or None
        None sets next items against all that training has seen.
    monitor : str
        The figure of validation that is watched.
    """

    loss: LossFunction
    sampler: NegativeSampler | None
    monitor: str = "hit_rate@50"


def train_network(
    network: SequenceNetwork,
    data: TrainingData,
    settings: TrainingSettings,
    goal: TrainingGoal,
    rng: np.random.RandomState,
    *,
    callbacks: Sequence[Callback] = (),
    checkpoint_dir: Any = None,
    parts: Any = None,
) -> TrainingRun:
    """Train a network in place.

    What nobody has touched yet is no negative: training would teach that nobody ever will.

    Parameters
    ----------
    network : SequenceNetwork
    data : TrainingData
    settings : TrainingSettings
    goal : TrainingGoal
    rng : RandomState
    callbacks : list of Callback
    checkpoint_dir : path, optional
        Where the state is kept as it goes.
    parts : JSON
        All that the run depends on besides: it tells checkpoints of other runs.

    Returns
    -------
    TrainingRun
    """
    device = next(network.parameters()).device
    places = data.trained.places(np.arange(data.n_items))
    features = to_feature_tensors(data.blocks, device, data.trained.rows)
    validate = None
    if data.validation is not None:
        all_trained = np.array_equal(data.trained.rows, np.arange(data.n_items))
        of_all = features if all_trained else to_feature_tensors(data.blocks, device)
        ids = torch.from_numpy(places).to(device)
        validate = NextItemValidation(data.validation, of_all, ids, goal.monitor)
    checkpoints = None
    if checkpoint_dir is not None:
        run_id = _run_id(network, data, (settings, parts), rng)
        checkpoints = CheckpointFolder(checkpoint_dir, run_id=run_id)
    ids = torch.arange(len(data.trained.rows), device=device)
    return train(
        network,
        Objective(goal.loss, goal.sampler, features, ids),
        data.numbered_sequences(),
        settings,
        rng=rng,
        validate=validate,
        callbacks=callbacks,
        checkpoints=checkpoints,
    )


def _run_id(
    network: SequenceNetwork,
    data: TrainingData,
    how: tuple[TrainingSettings, Any],
    rng: np.random.RandomState,
) -> str:
    """Hash all that a run depends on: 32 hexadecimal digits."""
    settings, parts = how
    plain = (settings.batch_size, settings.max_epochs, settings.ema_decay)
    digest = blake2b(digest_size=16)
    digest.update(json.dumps([plain, parts], sort_keys=True).encode())
    digest.update(fingerprint(network).encode())
    _, key, *others = rng.get_state()
    digest.update(np.asarray(key).tobytes())  # whose repr depends on numpy's print options
    digest.update(repr(others).encode())
    digest.update(str(data.n_items).encode())
    digest.update(data.trained.rows.tobytes())
    digest.update(data.trained.counts.tobytes())
    data.sequences.update_digest(digest)
    if data.validation is not None:
        digest.update(data.validation.values.tobytes())
        digest.update(data.validation.offsets.tobytes())
        if data.validation.names is not None:
            digest.update(data.validation.names.tobytes())
        for known in (data.validation.events, data.validation.visitors):
            if known is not None:
                known.update_digest(digest)
    for block in data.blocks:
        update_digest(digest, block)
    return digest.hexdigest()
