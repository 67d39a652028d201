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
from embrec.network.device import available_device, resolve_device
from embrec.network.events import EventModule
from embrec.network.inference import embed_items, encode_queries, encode_states, encode_steps
from embrec.network.visitors import VisitorModule
from embrec.network.weights import (
    check_weights,
    copy_network,
    copy_weights,
    draw,
    fingerprint,
)
from embrec.persistence.state import SavedState
from embrec.recommenders.events import EventReader, LogReader
from embrec.recommenders.parts import Parts, raise_if_changed
from embrec.recommenders.sessions import SessionRecommender
from embrec.serving.sessions import SnapshotRows
from embrec.training import DivergedError, EpochRecord, TrainedItems
from embrec.training.run import TrainingData


class NetworkRecommender(SessionRecommender):
    """Base of the recommenders whose vectors a network makes; it may come from anywhere."""

    #: whether content features are read
    reads_content = False

    #: parameters, where a subclass makes them such
    event_featurizer: Any = None
    user_featurizer: Any = None
    device: str | torch.device

    network_: SequenceNetwork
    featurizer_: Any
    event_featurizer_: Any = None
    user_featurizer_: Any = None
    _event_columns: dict[str, str] | None = None
    _user_columns: dict[str, str] | None = None
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
            width, n_event_features = items.embedding_size, size.n_event_features
            encoder = parts.encoder._build_for(width, size.sources)
            events = EventModule(n_event_features, width) if n_event_features else None
            n_of_visitors = size.n_visitor_features
            visitors = VisitorModule(n_of_visitors, width) if n_of_visitors else None
            return SequenceNetwork(items, encoder, events, visitors)

        return draw(make, seed)

    def _size_for(
        self, parts: Parts, data: TrainingData, more: dict[str, Any], reader: LogReader
    ) -> NetworkSize:
        n_ids = len(data.trained.rows) if parts.item_model.knows_ids else 0
        n_users, sources = more.pop("n_users", 0), self._sources(more)
        n_features = data.n_features, reader.events.n_features, reader.visitors.n_features
        of_items, of_events, of_visitors = n_features
        return NetworkSize(of_items, n_ids, n_users, of_events, of_visitors, sources)

    def _new_network(
        self, parts: Parts, size: NetworkSize, data: TrainingData, rng: np.random.RandomState
    ) -> SequenceNetwork:
        network = self._make_network(parts, size, int(rng.randint(2**31)))
        parts.item_model._prepare(network.items, data.blocks, data.trained.rows, rng)
        network.items.set_support(torch.from_numpy(data.trained.counts))
        if network.events is not None:
            network.events.fit(data.sequences.event_blocks)
        if network.visitors is not None:
            network.visitors.fit(data.sequences.visitor_blocks)
        if (network.events or network.visitors) is not None and not network.state_size:
            raise ValueError(
                "event_featurizer and user_featurizer need an encoder that keeps a state, which is "
                f"where sessions have what they say; {parts.encoder} keeps none."
            )
        return network.to(resolve_device(self.device))

    def _grown_network(
        self,
        parts: Parts,
        size: NetworkSize,
        data: TrainingData,
        rng: np.random.RandomState,
        kept: np.ndarray | None = None,
    ) -> SequenceNetwork:
        """Copy the network, with room for what became known since."""
        parts.check_unchanged(self._fitted_parts)
        for name in ("n_features", "n_event_features", "n_visitor_features"):
            before, now = getattr(self._size, name), getattr(size, name)
            raise_if_changed({name: (before, now)} if before != now else {})
        seed = int(rng.randint(2**31)) if parts.item_model.draws_items else 0
        network = self._make_network(parts, size, seed)
        copy_weights(self.network_, network, kept)
        network.items.set_support(torch.from_numpy(data.trained.counts))
        return network.to(self.device_)

    def _sources(self, more: dict[str, Any]) -> tuple[str, ...]:
        """Name the content sources that feature blocks are of.

        In ``more`` is what will be assigned with the network, such as a featurizer.
        """
        return ()

    def _named(self, histories: Ragged) -> Ragged:
        """Do so for histories to be asked about."""
        return replace(histories, names=None)

    @property
    def reads_events(self) -> bool:
        """Whether histories keep what a log says besides user and item."""
        return self.event_featurizer_ is not None or self.user_featurizer_ is not None

    def log_reader(self) -> LogReader:
        """Return what makes features of events and of visitors, as it was fitted."""
        of_events, of_visitors = self.event_featurizer_, self.user_featurizer_
        sizes = self._size.n_event_features, self._size.n_visitor_features
        time = self.timestamp_col
        return LogReader(
            EventReader(of_events, of_events, sizes[0], self._event_columns, time),
            EventReader(of_visitors, of_visitors, sizes[1], self._user_columns),
        )

    def _reader(self, *, goes_on: bool) -> LogReader:
        """Return what makes features of events and of visitors in training."""
        for name in ("event_featurizer", "user_featurizer") if goes_on else ():
            before, now = getattr(self, f"{name}_"), getattr(self, name)
            if (before is None) != (now is None):
                raise_if_changed({name: (before, now)})
        if goes_on:
            return self.log_reader()
        return LogReader(
            EventReader(self.event_featurizer, timestamp_col=self.timestamp_col),
            EventReader(self.user_featurizer, parameter="user_featurizer"),
        )

    def _as_read(self, histories: Ragged) -> Ragged:
        """Turn what is known of histories to be asked about into what the network knows."""
        return self.log_reader()(self._named(histories))

    # ---- answers

    def query_vectors(self, histories: Ragged) -> np.ndarray:
        """Read histories: ndarray of shape (n_histories, vector_size), float32."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_queries(self.network_, rows, self._as_read(histories)).cpu().numpy()

    def step_query_vectors(self, sequences: Ragged) -> np.ndarray:
        """Read sequences, and say what follows every item of them, in one pass."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_steps(self.network_, rows, self._as_read(sequences)).cpu().numpy()

    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Read histories: the network's states after them."""
        rows = SnapshotRows(self.index_.snapshot)
        return encode_states(self.network_, rows, self._as_read(histories))

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
                "event_columns": self._event_columns,
                "user_columns": self._user_columns,
            },
            arrays={
                "trained_rows": self._trained_items.rows,
                "trained_counts": self._trained_items.counts,
                **{f"network:{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()},
            },
            objects=self._objects(),
            # the parameters may have been set anew since it was trained
            parts=self._fitted_parts.as_dict(),
        )

    def _objects(self) -> dict[str, Any]:
        read = {"featurizer": self.featurizer_} if self.reads_content else {}
        others = {
            name: getattr(self, f"{name}_") for name in ("event_featurizer", "user_featurizer")
        }
        return read | {name: fitted for name, fitted in others.items() if fitted is not None}

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        size = state.values["size"]
        lists = ("n_features", "n_event_features", "n_visitor_features", "sources")
        self._size = NetworkSize(**size | {name: tuple(size.get(name, ())) for name in lists})
        self._fitted_parts = Parts(**{"early_stopping": None, **state.parts})
        weights = {
            k.removeprefix("network:"): torch.from_numpy(v)
            for k, v in state.arrays.items()
            if k.startswith("network:")
        }
        weights.setdefault("items.scale", torch.ones(()))  # format 5 did not scale scores
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
        self.event_featurizer_ = state.objects.get("event_featurizer")
        self._event_columns = state.values.get("event_columns")
        self.user_featurizer_ = state.objects.get("user_featurizer")
        self._user_columns = state.values.get("user_columns")

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
