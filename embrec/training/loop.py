"""The training loop: knows tensors and item rows; no ids, no tables, no scikit-learn."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

from embrec.network.features import FeatureTensor
from embrec.network.losses import full_cross_entropy, shared_cross_entropy
from embrec.network.model import EmbRecNetwork
from embrec.network.packing import PackedBatch, pack
from embrec.ragged import Ragged
from embrec.training.batches import length_buckets
from embrec.training.early_stopping import EarlyStopping

#: Figures of one epoch, by name.
EpochRecord: TypeAlias = dict[str, float]
Validate: TypeAlias = Callable[[EmbRecNetwork], tuple[float, float]]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    learning_rate : float
        Of Adam.
    batch_size : int
        Sequences per step.
    max_epochs : int
        Passes over the sequences, at most.
    patience : int or None
        Epochs without a better validation figure after which to stop; None runs all epochs and
        keeps the last weights.
    verbose : bool
        Whether to show a progress bar.
    """

    learning_rate: float
    batch_size: int
    max_epochs: int
    patience: int | None
    verbose: bool = False


@dataclass(frozen=True)
class TrainingRun:
    """What training did.

    Parameters
    ----------
    log : list of dict
        One record per epoch.
    best_epoch : int
        The epoch whose weights the network has.
    """

    log: list[EpochRecord]
    best_epoch: int

    def after(self, earlier: list[EpochRecord]) -> "TrainingRun":
        """Join the epochs of earlier runs and those of this one, numbered on."""
        n = len(earlier)
        log = [*earlier, *({**record, "epoch": record["epoch"] + n} for record in self.log)]
        return TrainingRun(log, self.best_epoch + n)


class DivergedError(FloatingPointError):
    """The loss, or a weight, is no longer a finite number."""


def train(
    network: EmbRecNetwork,
    features: Sequence[FeatureTensor],
    sequences: Ragged,
    settings: TrainingSettings,
    *,
    rng: np.random.RandomState,
    validate: Validate | None = None,
) -> TrainingRun:
    """Train a network in place, and leave it with the weights of its best epoch.

    Parameters
    ----------
    network : EmbRecNetwork
    features : list of Tensor or SparseMatrix
        One feature block per tower, on the network's device. All items in them are negatives: leave
        out those that nobody has touched.
    sequences : Ragged of item rows
        Each of at least two items.
    settings : TrainingSettings
    rng : RandomState
        Decides the order of batches and the seed of dropout.
    validate : callable, optional
        Figures of a network, more being better; early stopping watches them. Without it all epochs
        run and the last weights stay.

    Returns
    -------
    TrainingRun
        Its log has epoch, loss, seconds, events_per_second and, if validated, valid_hit_rate and
        valid_mrr.

    Raises
    ------
    DivergedError
        If the loss or a weight becomes infinite or NaN.
    """
    device = next(network.parameters()).device
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    stopping = None if settings.patience is None else EarlyStopping(settings.patience)
    stop = False
    records: list[EpochRecord] = []
    n_batches = math.ceil(len(sequences) / settings.batch_size)
    with (
        _seeded(int(rng.randint(2**31)), device),
        tqdm(
            total=settings.max_epochs * n_batches,
            disable=not settings.verbose,
            unit="step",
            dynamic_ncols=True,
        ) as progress,
    ):
        for epoch in range(1, settings.max_epochs + 1):
            progress.set_description(f"epoch {epoch}/{settings.max_epochs}", refresh=False)
            record = _run_epoch(network, features, sequences, settings, optimizer, rng, progress)
            record = {"epoch": epoch, **record}
            records.append(record)
            if validate is not None:
                figures = validate(network)
                record.update(valid_hit_rate=figures[0], valid_mrr=figures[1])
                stop = stopping is not None and stopping.update(figures, network, epoch)
            progress.set_postfix(_shown(record), refresh=False)
            if stop:
                break
    best_epoch = len(records)
    if validate is not None and stopping is not None:
        stopping.restore(network)
        best_epoch = stopping.best_epoch
    network.eval()
    _check_weights(network, settings)
    return TrainingRun(records, best_epoch)


def _run_epoch(
    network: EmbRecNetwork,
    features: Sequence[FeatureTensor],
    sequences: Ragged,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    rng: np.random.RandomState,
    progress: Any,
) -> EpochRecord:
    device = next(network.parameters()).device
    network.train()
    started = time.perf_counter()
    loss_sum = torch.zeros((), device=device)
    n_events = 0
    for members in length_buckets(sequences.lengths, settings.batch_size, rng):
        batch = pack(sequences.take(members), with_targets=True, device=device)
        optimizer.zero_grad(set_to_none=True)
        loss = training_loss(network, features, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach() * len(batch.rows)
        n_events += len(batch.rows)
        progress.update()
    mean_loss = float(loss_sum) / n_events
    if not math.isfinite(mean_loss):
        raise _diverged(f"The training loss became {mean_loss}.", settings)
    seconds = time.perf_counter() - started
    return {"loss": mean_loss, "seconds": seconds, "events_per_second": n_events / seconds}


def _check_weights(network: EmbRecNetwork, settings: TrainingSettings) -> None:
    # the loss of an epoch tells nothing of its last step
    if not all(bool(torch.isfinite(weights).all()) for weights in network.parameters()):
        raise _diverged("Weights of the network became infinite or NaN.", settings)


def _diverged(what: str, settings: TrainingSettings) -> DivergedError:
    return DivergedError(
        f"{what} Lower learning_rate (it is {settings.learning_rate}), or look for extreme values "
        "in the item features."
    )


def training_loss(
    network: EmbRecNetwork, features: Sequence[FeatureTensor], batch: PackedBatch
) -> torch.Tensor:
    """Cross-entropy of every next item among all items (thesis equation 5), mean over all of them.

    The first items count too; they train the state before any item, and nothing else. The towers
    run once: their output serves as the GRU's input and as what is scored.
    """
    assert batch.targets is not None
    items = network.embed_items(features)
    # not items[batch.rows], whose gradient is summed in an order that differs from run to run
    inputs = F.embedding(batch.rows, items)
    predicted = network.predict_steps(inputs, batch.batch_sizes)
    n_steps, n_sequences = len(predicted), int(batch.batch_sizes[0])
    steps = full_cross_entropy(predicted, items, batch.targets)
    first = shared_cross_entropy(network.predict_first(), items.detach(), batch.rows[:n_sequences])
    return (n_steps * steps + n_sequences * first) / (n_steps + n_sequences)


def _shown(record: EpochRecord) -> dict[str, str]:
    shown = {"loss": f"{record['loss']:.3f}", "events/s": f"{record['events_per_second']:,.0f}"}
    if "valid_hit_rate" in record:
        shown["valid hit rate@50"] = f"{record['valid_hit_rate']:.3f}"
    return shown


class _seeded(AbstractContextManager[None]):
    """Seeds torch within a block, and gives the global state back after it."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._fork = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        self._seed = seed

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)
