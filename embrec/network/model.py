"""The network of a recommender: what makes item vectors, and what reads a history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn

from embrec._utils.pickles import refuse_old_name
from embrec.network.events import EventModule, EventTensors
from embrec.network.features import FeatureTensor
from embrec.network.items import ItemModule
from embrec.network.packing import PackedBatch, Packing
from embrec.network.sequence import SequenceModule
from embrec.network.visitors import VisitorModule


@dataclass(frozen=True)
class NetworkSize:
    """What a network's parts need to know of the data to be built.

    Parameters
    ----------
    n_features : tuple of int
        Columns of each feature block.
    n_ids : int
        Items that may have something of their own.
    n_users : int
        Users that may.
    n_event_features, n_visitor_features : tuple of int
        Columns of each block of features of events, and of visitors.
    sources : tuple of str
        Names of the content sources that the feature blocks are of.
    """

    n_features: tuple[int, ...] = ()
    n_ids: int = 0
    n_users: int = 0
    n_event_features: tuple[int, ...] = ()
    n_visitor_features: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


class SequenceNetwork(nn.Module):
    """Predicts the vector of the next item from those of the items before (thesis Figure 2b).

    Items are embedded by one module for the input and the output side alike; another reads the
    embeddings of a history. The score of an item is the inner product of a query and its vector.

    Parameters
    ----------
    items : ItemModule
    encoder : SequenceModule
    events : EventModule or None
        What changes embeddings of a history by what is known of its events.
    visitors : VisitorModule or None
        What is read of a visitor before the first item.
    """

    def __init__(
        self,
        items: ItemModule,
        encoder: SequenceModule,
        events: EventModule | None = None,
        visitors: VisitorModule | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.items = items
        self.events = events
        self.visitors = visitors
        self.embedding_size = items.embedding_size
        self.vector_size = items.vector_size
        self.state_size = encoder.state_size

    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors, as `ItemModule.forward` does: (n_items, vector_size)."""
        vectors: Tensor = self.items(blocks, ids)
        return vectors

    def _read(self, inputs: Tensor, events: EventTensors | None) -> Tensor:
        """Turn vectors of items into what the encoder reads."""
        x = inputs[:, : self.embedding_size]
        return x if self.events is None else self.events(x, events)

    def _read_all(
        self,
        inputs: Tensor,
        packed: Packing,
        events: EventTensors | None,
        visitors: EventTensors | None,
    ) -> tuple[Tensor, Packing]:
        """Turn packed sequences into what the encoder reads: visitors first, if they are read."""
        x = self._read(inputs, events)
        if self.visitors is None:
            return x, packed
        start = self.visitors(visitors, packed.n_sequences)
        return torch.cat([start, x]), packed.after_one_more()

    def predict_steps(
        self,
        inputs: Tensor,
        packed: Packing,
        events: EventTensors | None = None,
        visitors: EventTensors | None = None,
    ) -> Tensor:
        """Predict what follows every step of packed sequences.

        Parameters
        ----------
        inputs : Tensor of shape (n_steps, vector_size)
            Item vectors, time by time: first the first items of all sequences, longest sequence
            first, then the second items, and so on.
        packed : Packing
        events : EventTensors, optional
            What is known of the steps besides.
        visitors : EventTensors, optional
            What is known of whose each sequence is.

        Returns
        -------
        Tensor of shape (n_steps, vector_size)
            Queries.
        """
        return self._predict(inputs, packed, events, visitors)[-len(inputs) :]

    def predict_all(
        self,
        inputs: Tensor,
        packed: Packing,
        events: EventTensors | None = None,
        visitors: EventTensors | None = None,
    ) -> tuple[Tensor | None, Tensor]:
        """Predict what comes first in packed sequences, and what follows every step of them.

        Parameters
        ----------
        inputs, packed, events, visitors
            As for `predict_steps`.

        Returns
        -------
        firsts : Tensor of shape (n_sequences, vector_size), or (1, vector_size), or None
            One for all if visitors are not read; None if that is not trained.
        steps : Tensor of shape (n_steps, vector_size)
        """
        predicted = self._predict(inputs, packed, events, visitors)
        if self.visitors is None:
            return self.predict_first(), predicted
        return predicted[: packed.n_sequences], predicted[packed.n_sequences :]

    def _predict(self, inputs: Tensor, packed: Packing, *known: EventTensors | None) -> Tensor:
        return self.items.query(self.encoder(*self._read_all(inputs, packed, *known)))

    def predict_first(self) -> Tensor | None:
        """Predict what comes first: (1, vector_size), or None if that is not trained."""
        first = self.encoder.read_first()
        return None if first is None else self.items.query(first)

    def predict_last(
        self,
        inputs: Tensor,
        packed: Packing,
        events: EventTensors | None = None,
        visitors: EventTensors | None = None,
    ) -> Tensor:
        """Predict what follows the last step of packed sequences: queries, one each."""
        read = self._read_all(inputs, packed, events, visitors)
        return self.items.query(self.encoder.predict_last(*read))

    def initial_states(self, n: int, visitors: EventTensors | None = None) -> Tensor:
        """Return the states of ``n`` visitors before any item: (n, state_size)."""
        states = self.encoder.initial_state(n)
        if self.visitors is None:
            return states
        return self.encoder.advance(states, self.visitors(visitors, n))

    def final_states(
        self,
        inputs: Tensor,
        packed: Packing,
        events: EventTensors | None = None,
        visitors: EventTensors | None = None,
    ) -> Tensor:
        """Run packed sequences and return the states after their last items."""
        return self.encoder.final_state(*self._read_all(inputs, packed, events, visitors))

    def advance(self, states: Tensor, inputs: Tensor, events: EventTensors | None = None) -> Tensor:
        """Take one step each: states and vectors of the items just touched to states."""
        return self.encoder.advance(states, self._read(inputs, events))

    def predict(self, states: Tensor) -> Tensor:
        """Predict what follows states: queries, (n, vector_size)."""
        return self.items.query(self.encoder.read(states))

    def penalty(self, items: Tensor, batch: PackedBatch, negatives: Tensor | None) -> Tensor | None:
        """Say what training makes smaller besides the loss; None is nothing.

        Parameters
        ----------
        items : Tensor of shape (n_items, vector_size)
        batch : PackedBatch
            Of rows of ``items``.
        negatives : Tensor of shape (n_negatives,), int64, or None
            Rows of ``items``.
        """
        return None


def __getattr__(name: str) -> NoReturn:
    refuse_old_name(__name__, name, "EmbRecNetwork")
