"""What recommenders that are trained have in common: reading a log to train on, and weights."""

from abc import abstractmethod
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from embrec.data.ids import IdIndex
from embrec.data.interactions import encode
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
from embrec.index.base import BaseIndex
from embrec.network import Dropout
from embrec.network.device import available_device
from embrec.network.weights import copy_network, fingerprint
from embrec.persistence.folder import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.recommenders.fitting import KnownItems
from embrec.serving.catalog import ItemCatalog
from embrec.training import EpochRecord, TrainingRun, TrainingSequences
from embrec.training.held_out import choose_held_out


class TrainedRecommender(BaseRecommender):
    """Base of the recommenders that train a network on a log.

    A subclass has the parameters ``max_length``, ``early_stopping`` and ``device``, and sets
    ``network_``, ``device_`` and ``_known`` besides what `BaseRecommender` asks for.
    """

    _unsaved_parameters = ("callbacks", "checkpoint_dir")

    network_: Any
    device_: torch.device
    fingerprint_: str
    training_log_: list[EpochRecord]
    best_epoch_: int
    _known: KnownItems
    _next_seed: int

    def _encoded(self, X: Any, ids: IdIndex, what: str = "X") -> tuple[Ragged, np.ndarray | None]:
        """Read sequences: of catalogue rows, or of codes and the row of each code."""
        if isinstance(X, InteractionStore):
            rows = ids.rows(X.ids).astype(np.int32)
            if (rows < 0).any():
                encode(with_rows(X.sequences(), X.ids), ids, what=what)  # says which are unknown
            return X.sequences(), rows
        sequences = X if isinstance(X, Ragged) else self._read_sequences(X, what=what)
        return encode(sequences, ids, what=what), None

    def _read_training(
        self, X: Any, X_val: Any, ids: IdIndex, rng: np.random.RandomState
    ) -> tuple[TrainingSequences, Ragged | None]:
        """Read what is trained on, and what is validated with."""
        sequences, rows = self._encoded(X, ids)
        if X_val is not None:
            validation = with_rows(*self._encoded(X_val, ids, what="X_val"))
            if (validation.lengths < 1).any():
                raise ValueError("X_val holds an empty sequence, which has no last item.")
            return TrainingSequences(sequences, self.max_length, rows=rows), validation
        held_out = choose_held_out(sequences, rng) if self.early_stopping else np.empty(0, int)
        training = TrainingSequences(sequences, self.max_length, held_out, rows)
        if len(held_out) == 0:
            return training, None
        return training, with_rows(sequences.take(held_out), rows)

    def _known_among(self, ids: IdIndex) -> tuple[KnownItems, np.ndarray]:
        """Find the items that were trained on in another catalogue, and which of them are there."""
        rows = ids.rows(self.catalog_.ids.take(self._known.rows))
        kept = np.flatnonzero(rows >= 0)
        return KnownItems(rows[kept], self._known.counts[kept]), kept

    def _assign(
        self,
        network: Any,
        catalog: ItemCatalog,
        index: BaseIndex,
        run: TrainingRun,
        known: KnownItems,
        next_seed: int,
    ) -> None:
        """Assign what training made; nothing here can fail."""
        identity = fingerprint(network)
        self.network_ = network
        self.catalog_ = catalog
        self.index_ = index
        self.training_log_ = run.log
        self.best_epoch_ = run.best_epoch
        self.device_ = next(network.parameters()).device
        self.fingerprint_ = identity
        self._known = known
        # a number, not the generator, which may be shared and would change if training failed
        self._next_seed = next_seed

    def _get_state(self) -> SavedState:
        return SavedState(
            values={
                "training_log": self.training_log_,
                "best_epoch": self.best_epoch_,
                "next_seed": self._next_seed,
                # the parameters may have been set anew since it was trained
                "size": asdict(self.network_.size),
                "dropout": asdict(self.network_.dropout),
            },
            arrays={
                "known_rows": self._known.rows,
                "known_counts": self._known.counts,
                **{f"network:{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()},
            },
        )

    @abstractmethod
    def _build(self, size: dict[str, Any], dropout: Dropout) -> Any:
        """Make a network of a size that was saved; its weights do not matter."""

    def _set_state(self, state: SavedState) -> None:
        network = self._build(state.values["size"], Dropout(**state.values["dropout"]))
        weights = {
            k.removeprefix("network:"): v
            for k, v in state.arrays.items()
            if k.startswith("network:")
        }
        network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        network.eval().to(available_device(self.device))
        self.network_ = network
        self.training_log_ = state.values["training_log"]
        self.best_epoch_ = state.values["best_epoch"]
        self.device_ = next(network.parameters()).device
        self.fingerprint_ = fingerprint(network)
        self._known = KnownItems(state.arrays["known_rows"], state.arrays["known_counts"])
        self._next_seed = state.values["next_seed"]

    def _training_counts(self, rows: np.ndarray) -> np.ndarray:
        return self._known.counts_of(rows)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:
            # a pickle made beside a GPU opens where there is none
            state["network_"] = copy_network(state["network_"], torch.device("cpu"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            self.device_ = available_device(self.device)
            self.network_.to(self.device_)


def with_rows(sequences: Ragged, rows: np.ndarray | None) -> Ragged:
    """Sequences of catalogue rows, from codes and the row of each code."""
    return sequences if rows is None else sequences.with_values(rows[sequences.values])
