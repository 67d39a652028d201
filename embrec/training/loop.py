"""The training loop: knows tensors and item rows; no ids, no tables, no scikit-learn."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from types import NoneType
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from embrec.network.packing import PackedBatch, pack
from embrec.training.averaging import WeightAverage
from embrec.training.batches import epoch_batches
from embrec.training.best_epoch import BestEpoch
from embrec.training.callbacks import Callback, EpochRecord, TrainingProgress
from embrec.training.checkpoint import CheckpointError
from embrec.training.display import Display
from embrec.training.optimization import Optimization, OptimizerRecipe
from embrec.training.sequences import TrainingSequences

Validate: TypeAlias = Callable[[Any], dict[str, float]]

#: Seconds between checkpoints within an epoch; the end of an epoch always has one.
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    optimizer : OptimizerRecipe
    batch_size : int
        Sequences per step.
    max_epochs : int
        Passes over the sequences, at most.
    stopping : BestEpoch or None
        What stops training, and says which epoch is kept; None runs all epochs and keeps the last
        weights.
    ema_decay : float
        Of an average of the weights, which is what is validated and kept; 0 keeps the weights.
    verbose : int
        0 shows nothing, 1 a progress bar, 2 a line per epoch as well.
    """

    optimizer: OptimizerRecipe
    batch_size: int
    max_epochs: int
    stopping: BestEpoch | None = None
    ema_decay: float = 0.0
    verbose: int = 0


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


class TrainingObjective(Protocol):
    """What training makes smaller."""

    @property
    def is_sampled(self) -> bool:
        """Whether a step uses but some of the items, so that only their weights need a change."""

    def __call__(self, network: Any, batch: PackedBatch, rng: np.random.RandomState) -> Tensor:
        """Mean loss over the next items of a batch; ``rng`` draws negatives."""


class Checkpoints(Protocol):
    """Where the state of training is kept; see `embrec.training.checkpoint.CheckpointFolder`."""

    def write(self, step: int, state: Mapping[str, Any], *, is_best: bool = False) -> Any:
        """Keep a state."""

    def newest(self) -> Mapping[str, Any] | None:
        """Return the last state that was kept."""


def train(
    network: nn.Module,
    objective: TrainingObjective,
    sequences: TrainingSequences,
    settings: TrainingSettings,
    *,
    rng: np.random.RandomState,
    validate: Validate | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoints: Checkpoints | None = None,
) -> TrainingRun:
    """Train a network in place, and leave it with the weights of its best epoch.

    Parameters
    ----------
    network : Module
    objective : TrainingObjective
        The loss of a batch, such as `embrec.training.Objective`.
    sequences : TrainingSequences
        Of item rows.
    settings : TrainingSettings
    rng : RandomState
        Decides the order of batches, the negatives and the seed of dropout.
    validate : callable, optional
        Figures of a network by name, more being better; early stopping watches them, the first one
        first. Without it all epochs run and the last weights stay.
    callbacks : sequence of Callback
    checkpoints : Checkpoints, optional
        Where the state is kept as training goes on. If there is one of this run already, training
        goes on from it and ends as if it had never been interrupted.

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
    with _seeded(int(rng.randint(2**31)), next(network.parameters()).device):
        trainer = _Trainer(network, objective, sequences, settings, rng, checkpoints)
        return trainer.run(validate, callbacks)


class _Trainer:
    """A run of training: everything that changes while it goes on."""

    def __init__(
        self,
        network: nn.Module,
        objective: TrainingObjective,
        sequences: TrainingSequences,
        settings: TrainingSettings,
        rng: np.random.RandomState,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.network = network
        self.objective = objective
        self.sequences = sequences
        self.settings = settings
        self.rng = rng
        self.checkpoints = checkpoints
        self.device = next(network.parameters()).device
        self.n_steps = math.ceil(len(sequences) / settings.batch_size)
        self.optimization = Optimization(
            network,
            settings.optimizer,
            settings.max_epochs * self.n_steps,
            sparse_ids=objective.is_sampled,
        )
        decay = settings.ema_decay
        self.average = WeightAverage(network, decay) if decay else None
        self.stopping = settings.stopping
        self.records: list[EpochRecord] = []
        self.negatives_rng = np.random.RandomState(rng.randint(2**31))
        self.epoch_seed: int | None = None  # none between epochs
        self.step = 0
        self.n_events = 0
        self.seconds = 0.0
        self.loss_sum = torch.zeros((), device=self.device)
        self.stopped = False
        self._last_checkpoint = time.monotonic()

    # ---- the run

    def run(self, validate: Validate | None, callbacks: Sequence[Callback]) -> TrainingRun:
        self._restore()
        settings = self.settings
        display = Display(settings.verbose, settings.max_epochs, self.n_steps)
        progress = TrainingProgress(self.network, self.n_steps, settings.max_epochs)
        try:
            while not self.stopped and len(self.records) < settings.max_epochs:
                progress.epoch, progress.record = len(self.records) + 1, {}
                progress.network = self.network
                display.start_epoch(progress.epoch, self.step)
                self._run_epoch(progress, callbacks, display)
                record = self._end_epoch(validate)
                progress.record, progress.network = record, self._averaged()
                # lists: all are asked, and a generator would make a RuntimeError of StopIteration
                self.stopped |= any([callback.on_epoch_end(progress) for callback in callbacks])
                _make_plain(record)
                display.end_epoch(record)
                self._keep_state()
        finally:
            display.close()
        best_epoch = len(self.records)
        if self.stopping is not None and self.stopping.best is not None:
            self.stopping.restore(self.network)
            best_epoch = self.stopping.best_epoch
        elif self.average is not None:
            self.network.load_state_dict(self._averaged().state_dict())
        self.network.eval()
        _check_weights(self.network, settings)
        return TrainingRun(self.records, best_epoch)

    def _run_epoch(
        self, progress: TrainingProgress, callbacks: Sequence[Callback], display: Display
    ) -> None:
        if self.epoch_seed is None:
            self.epoch_seed = int(self.rng.randint(2**31))
        batches = epoch_batches(self.sequences, self.settings.batch_size, self.epoch_seed)
        self.network.train()
        started = time.perf_counter() - self.seconds
        for sequences in islice(batches, self.step, None):
            batch = pack(sequences, with_targets=True, device=self.device)
            loss = self.objective(self.network, batch, self.negatives_rng)
            self.optimization.step(loss)
            if self.average is not None:
                self.average.step()
            self.loss_sum = self.loss_sum + loss.detach() * len(batch.rows)
            self.n_events += len(batch.rows)
            self.step += 1
            self.seconds = time.perf_counter() - started
            display.step()
            if callbacks:
                progress.step, progress.loss = self.step, float(loss.detach())
                self.stopped |= any([callback.on_step_end(progress) for callback in callbacks])
                self.network.train()  # embedding items to look at them ends that
            if self.stopped:
                break
            self._keep_state_now_and_then()

    def _check_loss(self) -> float:
        mean_loss = float(self.loss_sum) / self.n_events
        if not math.isfinite(mean_loss):
            raise _diverged(f"The training loss became {mean_loss}.", self.settings)
        return mean_loss

    def _end_epoch(self, validate: Validate | None) -> EpochRecord:
        mean_loss = self._check_loss()
        record: EpochRecord = {
            "epoch": len(self.records) + 1,
            "loss": mean_loss,
            "seconds": self.seconds,
            "events_per_second": self.n_events / self.seconds,
        }
        network = self._averaged()
        if validate is not None:
            figures = validate(network)
            record.update({f"valid_{name}": figure for name, figure in figures.items()})
            if self.stopping is not None:
                epoch = len(self.records) + 1
                self.stopped |= self.stopping.update(tuple(figures.values()), network, epoch)
        self.records.append(record)
        self.epoch_seed, self.step, self.n_events, self.seconds = None, 0, 0, 0.0
        self.loss_sum = torch.zeros_like(self.loss_sum)
        return record

    def _averaged(self) -> nn.Module:
        """Return the network that is to be kept: with averaged weights, if they are averaged."""
        if self.average is None:
            return self.network
        self.average.look()
        return self.average.network

    # ---- its state

    def _keep_state_now_and_then(self) -> None:
        if time.monotonic() - self._last_checkpoint >= CHECKPOINT_SECONDS:
            self._check_loss()  # or good checkpoints would make room for useless ones
            self._keep_state()

    def _keep_state(self) -> None:
        if self.checkpoints is None:
            return
        n_done = len(self.records) * self.n_steps + self.step
        is_best = self.stopping is not None and self.stopping.best_epoch == len(self.records)
        is_best &= self.epoch_seed is None
        self.checkpoints.write(n_done, self._state_dict(), is_best=is_best)
        self._last_checkpoint = time.monotonic()

    def _restore(self) -> None:
        state = None if self.checkpoints is None else self.checkpoints.newest()
        if state is None:
            return
        try:
            self._load_state_dict(state)
        except Exception as error:  # torch and numpy raise just about anything then
            told = (
                f"The newest checkpoint holds no state of this run, so it was changed: {error!r}."
            )
            raise CheckpointError(f"{told} Remove it, or choose another checkpoint_dir.") from error

    def _state_dict(self) -> dict[str, Any]:
        on_gpu = self.device.type == "cuda"
        return {
            "network": self.network.state_dict(),
            "optimization": self.optimization.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "stopping": None if self.stopping is None else self.stopping.state_dict(),
            "rng": self.rng.get_state(),
            "negatives_rng": self.negatives_rng.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if on_gpu else None,
            "records": self.records,
            "stopped": self.stopped,
            "epoch_seed": self.epoch_seed,
            "step": self.step,
            "n_events": self.n_events,
            "seconds": self.seconds,
            "loss_sum": self.loss_sum,
        }

    def _load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimization.load_state_dict(state["optimization"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.stopping is not None:
            self.stopping.load_state_dict(state["stopping"])
        self.rng.set_state(state["rng"])
        self.negatives_rng.set_state(state["negatives_rng"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        plain = {"records": list, "stopped": bool, "step": int, "n_events": int, "seconds": float}
        for name, kind in {**plain, "epoch_seed": int | None}.items():
            if not isinstance(state[name], kind):
                raise TypeError(f"{name}={state[name]!r}")
            setattr(self, name, state[name])
        self.loss_sum = state["loss_sum"].to(self.loss_sum.device)


def _make_plain(record: dict[str, Any]) -> None:
    """Turn numpy's numbers that a callback added into Python's, and refuse what is no figure."""
    for name, value in record.items():
        if isinstance(value, np.generic):
            record[name] = value = value.item()
        if not isinstance(value, (bool, int, float, str, NoneType)):
            raise TypeError(
                f"A callback put {type(value).__name__} under {name!r} into progress.record; "
                "expected a number or a string, since records are saved with the model."
            )


def _check_weights(network: nn.Module, settings: TrainingSettings) -> None:
    # the loss of an epoch tells nothing of its last step
    if not all(bool(torch.isfinite(weights).all()) for weights in network.parameters()):
        raise _diverged("Weights of the network became infinite or NaN.", settings)


def _diverged(what: str, settings: TrainingSettings) -> DivergedError:
    return DivergedError(
        f"{what} Lower learning_rate (it is {settings.optimizer.learning_rate}), set "
        "max_grad_norm, or look for extreme values in the item features."
    )


class _seeded(AbstractContextManager[None]):
    """Seeds torch within a block, and gives the global state back after it."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._fork = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        self._seed, self._device = seed, device

    def __enter__(self) -> None:
        self._fork.__enter__()
        # not torch.manual_seed, which seeds all GPUs
        torch.default_generator.manual_seed(self._seed)
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                torch.cuda.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)
