"""Recommenders that answer from a network of parts: queries, item vectors, what is saved."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from embrec.data.items import Features, ItemRows, warn_of_no_content
from embrec.data.ragged import Ragged
from embrec.data.tables import Table
from embrec.network import NetworkSize, SequenceNetwork, to_feature_tensors
from embrec.network.device import available_device
from embrec.network.inference import embed_items, encode_queries, encode_states, encode_steps
from embrec.network.weights import check_weights, copy_network, draw, fingerprint
from embrec.persistence.state import SavedState
from embrec.recommenders.parts import Parts
from embrec.recommenders.sessions import SessionRecommender
from embrec.serving.sessions import SnapshotRows
from embrec.training import DivergedError, EpochRecord, TrainedItems


class NetworkRecommender(SessionRecommender):
    """Base of the recommenders whose vectors a network makes; it may come from anywhere."""

    #: whether content features are read
    reads_content = False

    device: str | torch.device

    network_: SequenceNetwork
    featurizer_: Any
    device_: torch.device
    fingerprint_: str
    training_log_: list[EpochRecord]
    best_epoch_: int
    _fitted_parts: Parts
    _size: NetworkSize
    _trained_items: TrainedItems
    _next_seed: int

    # ---- parts

    def _featurize(self, content: Table) -> list[Features]:
        """Turn content columns into feature blocks, with the fitted featurizer."""
        return []

    def _features(self, rows: ItemRows) -> list[Features]:
        """Make feature blocks of a catalogue, and warn of items without content."""
        if not self.reads_content:
            return []
        blocks = self._featurize(rows.content)
        warn_of_no_content(rows.ids, blocks)
        return blocks

    def _make_network(self, parts: Parts, size: NetworkSize, seed: int) -> SequenceNetwork:
        """Make a network of parts, with weights drawn from a seed."""

        def make() -> SequenceNetwork:
            items = parts.item_model._build(size.n_features, size.n_ids)
            encoder = parts.encoder._build_for(items.embedding_size, size.sources)
            return SequenceNetwork(items, encoder)

        return draw(make, seed)

    def _sources(self, more: dict[str, Any]) -> tuple[str, ...]:
        """Name the content sources that feature blocks are of.

        In ``more`` is what will be assigned with the network, such as a featurizer.
        """
        return ()

    def _named(self, histories: Ragged) -> Ragged:
        """Do so for histories to be asked about."""
        return replace(histories, names=None)

    # ---- answers

    def query_vectors(self, histories: Ragged) -> np.ndarray:
        """Read histories: ndarray of shape (n_histories, vector_size), float32."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_queries(self.network_, rows, self._named(histories)).cpu().numpy()

    def step_query_vectors(self, sequences: Ragged) -> np.ndarray:
        """Read sequences, and say what follows every item of them, in one pass."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_steps(self.network_, rows, self._named(sequences)).cpu().numpy()

    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Read histories: the network's states after them."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_states(self.network_, rows, self._named(histories))

    def item_vectors(self, items: ItemRows) -> tuple[np.ndarray, list[Features]]:
        """Embed items, new or changed."""
        blocks = self._features(items)
        places = self._trained_items.places(self.catalog_.ids.rows(items.ids))
        return embed(self.network_, blocks, places), blocks

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return self._trained_items.counts_of(rows)

    def trained_places(self, rows: np.ndarray) -> np.ndarray:
        """Say by what number the network knows each row: (n,) int64, -1 if it does not."""
        return self._trained_items.places(rows)

    @property
    def n_embedding_columns(self) -> int:
        """How many columns of an item's vector say what it is: a bias tells nothing of that."""
        return self.network_.embedding_size

    # ---- persistence

    def get_state(self) -> SavedState:
        """Return what was learned."""
        return SavedState(
            values={
                "training_log": self.training_log_,
                "best_epoch": self.best_epoch_,
                "next_seed": self._next_seed,
                "size": asdict(self._size),
            },
            arrays={
                "trained_rows": self._trained_items.rows,
                "trained_counts": self._trained_items.counts,
                **{f"network:{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()},
            },
            objects={"featurizer": self.featurizer_} if self.reads_content else {},
            # the parameters may have been set anew since it was trained
            parts=self._fitted_parts.as_dict(),
        )

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        size = state.values["size"]
        tuples = {name: tuple(size.get(name, ())) for name in ("n_features", "sources")}
        self._size = NetworkSize(**size | tuples)
        self._fitted_parts = Parts(**{"early_stopping": None, **state.parts})
        weights = {
            k.removeprefix("network:"): torch.from_numpy(v)
            for k, v in state.arrays.items()
            if k.startswith("network:")
        }
        make = partial(self._make_network, self._fitted_parts, self._size, seed=0)
        if self._fitted_parts.are_own:  # what others wrote is trusted, and need not run on "meta"
            check_weights(make, weights)
        network = make()
        network.load_state_dict(weights)
        network.eval().to(available_device(self.device))
        self.network_ = network
        self.training_log_ = state.values["training_log"]
        self.best_epoch_ = state.values["best_epoch"]
        self.device_ = next(network.parameters()).device
        self.fingerprint_ = fingerprint(network)
        arrays = state.arrays
        self._trained_items = TrainedItems(arrays["trained_rows"], arrays["trained_counts"])
        self._next_seed = state.values["next_seed"]
        if self.reads_content:
            self.featurizer_ = state.objects["featurizer"]

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


def embed(network: SequenceNetwork, blocks: Sequence[Features], places: np.ndarray) -> np.ndarray:
    """Make vectors of items that training knows by number: (n_items, vector_size)."""
    device = next(network.parameters()).device
    features, ids = to_feature_tensors(blocks, device), torch.from_numpy(places).to(device)
    embedded: np.ndarray = embed_items(network, features, ids).cpu().numpy()
    finite = np.isfinite(embedded).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"The embeddings of {int((~finite).sum())} of {len(finite)} items are not finite (the "
            f"first is in row {int((~finite).argmax())}). Look for extreme values in their content."
        )
    return embedded


def check_scores(vectors: np.ndarray, queries: np.ndarray) -> None:
    """Raise DivergedError if scores of items could be infinite or NaN, though no weight is."""
    largest = [max(float(each.max()), -float(each.min())) for each in (vectors, queries)]
    if not largest[0] * largest[1] * vectors.shape[1] < float(np.finfo(np.float32).max):
        raise DivergedError(
            f"Scores are not finite: items' vectors have numbers up to {largest[0]:.3g}, queries "
            f"up to {largest[1]:.3g}. Lower learning_rate, set max_grad_norm, look for "
            "extreme values in the item features, or train without the checkpoints that are there."
        )
