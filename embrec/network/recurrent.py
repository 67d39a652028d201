"""A GRU over items' vectors: what EmbRec and GRU4Rec have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from embrec.network.features import FeatureTensor
from embrec.network.id_vectors import IdVectors


@dataclass(frozen=True)
class Dropout:
    """Probabilities to drop, in training only.

    Parameters
    ----------
    tower : float
        Hidden units of the towers.
    input : float
        Elements of the item embeddings that the GRU reads.
    output : float
        Elements of the GRU's outputs (and between its layers).
    id : float
        Whole id vectors.
    """

    tower: float = 0.0
    input: float = 0.0
    output: float = 0.0
    id: float = 0.0


class SequenceNetwork(nn.Module):
    """Predicts the vector of the next item from those of the items before.

    A subclass registers ``gru`` and ``initial``, and ``id_vectors`` and ``id_biases`` or None, and
    writes `embed_items`.

    A sequence's *state* is all that its future depends on, one row of ``state_size`` numbers: the
    GRU's layers, then the last item's embedding.

    What stands for an item outside is its *vector*: its embedding and, if there are biases, its
    bias. Predictions end in a 1 then, so that a score is one inner product all the same.

    Parameters
    ----------
    embedding_size : int
        Width of an item embedding.
    hidden_size : int
        Width of the GRU.
    n_layers : int
        Layers of the GRU.
    dropout : Dropout
    has_biases : bool
        Whether items have biases.
    """

    #: whether the state before any item is trained
    learns_start = True

    gru: nn.GRU
    initial: Tensor
    id_vectors: IdVectors | None
    id_biases: IdVectors | None

    def __init__(
        self,
        *,
        embedding_size: int,
        hidden_size: int,
        n_layers: int,
        dropout: Dropout,
        has_biases: bool,
    ) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.vector_size = embedding_size + has_biases
        self.state_size = n_layers * hidden_size + embedding_size
        self._has_biases = has_biases

    def _new_gru(self) -> nn.GRU:
        return nn.GRU(
            self.embedding_size,
            self.hidden_size,
            self.n_layers,
            batch_first=True,
            dropout=self.dropout.output if self.n_layers > 1 else 0.0,
        )

    @abstractmethod
    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors: (n_items, vector_size).

        Parameters
        ----------
        blocks : list of Tensor, SparseMatrix or StoredMatrix
            What their content says.
        ids : Tensor of shape (n_items,), int64, optional
            Rows of what they have of their own, -1 where that is nothing.
        """

    @property
    def has_ids(self) -> bool:
        """Whether known items have vectors or biases of their own."""
        return self.id_vectors is not None or self.id_biases is not None

    def add_own(self, embedded: Tensor, ids: Tensor | None) -> Tensor:
        """Add what items have of their own to what their content says.

        Parameters
        ----------
        embedded : Tensor of shape (n_items, embedding_size)
            What the towers make of their content.
        ids : Tensor of shape (n_items,), int64
            As for `embed_items`; may be None if no item has anything of its own.

        Returns
        -------
        Tensor of shape (n_items, vector_size)
        """
        if ids is None:
            return embedded
        if self.id_vectors is not None:
            embedded = embedded + self.id_vectors(ids)
        if self.id_biases is not None:
            # an item without a bias is one like all others
            biases = torch.where(ids[:, None] < 0, self.id_biases.mean(), self.id_biases(ids))
            embedded = torch.cat([embedded, biases], dim=1)
        return embedded

    def predict_steps(self, inputs: Tensor, batch_sizes: Tensor) -> Tensor:
        """Predict the next item's embedding after every step of packed sequences.

        Parameters
        ----------
        inputs : Tensor of shape (n_steps, vector_size)
            Item vectors, time by time: first the first items of all sequences, longest sequence
            first, then the second items, and so on.
        batch_sizes : Tensor of shape (max_length,), int64, on the CPU
            How many sequences reach each time.

        Returns
        -------
        Tensor of shape (n_steps, vector_size)
            ê after each step.
        """
        inputs = inputs[:, : self.embedding_size]
        read = self._drop(inputs, self.dropout.input)
        outputs = self.gru(PackedSequence(read, batch_sizes), self._initial_hidden(batch_sizes))[0]
        return self._predict(outputs.data, inputs)

    def initial_states(self, n: int) -> Tensor:
        """Return the state before any item, ``n`` times: (n, state_size)."""
        return self.initial.expand(n, -1)

    def final_states(self, inputs: Tensor, batch_sizes: Tensor) -> Tensor:
        """Run packed sequences and return the states after their last items.

        Parameters
        ----------
        inputs, batch_sizes : Tensor
            As for `predict_steps`.

        Returns
        -------
        Tensor of shape (n_sequences, state_size)
        """
        inputs = inputs[:, : self.embedding_size]
        hidden = self.gru(PackedSequence(inputs, batch_sizes), self._initial_hidden(batch_sizes))[1]
        # sequence j is at place j of every time it reaches; the last of these holds its last item
        n_times = (batch_sizes[None, :] > torch.arange(int(batch_sizes[0]))[:, None]).sum(dim=1)
        starts = batch_sizes.cumsum(0) - batch_sizes
        last = (starts[n_times - 1] + torch.arange(len(n_times))).to(inputs.device)
        return self._join(hidden, inputs[last])

    def advance(self, states: Tensor, inputs: Tensor) -> Tensor:
        """Take one step each.

        Parameters
        ----------
        states : Tensor of shape (n, state_size)
        inputs : Tensor of shape (n, vector_size)
            Vectors of the items just touched.

        Returns
        -------
        Tensor of shape (n, state_size)
        """
        inputs = inputs[:, : self.embedding_size]
        below, hidden, above = inputs, self._hidden(states), []
        # a cell per layer: for single steps up to twice as fast as the GRU, and it can be exported
        for layer, weights in enumerate(self.gru.all_weights):
            below = torch.gru_cell(below, hidden[:, layer], *weights)
            above.append(below)
        return torch.cat([*above, inputs], dim=1)

    def predict(self, states: Tensor) -> Tensor:
        """Predict the next item's embedding from states: (n, vector_size)."""
        return self._predict(self._hidden(states)[:, -1], states[:, -self.embedding_size :])

    def predict_first(self) -> Tensor:
        """Predict the first item's embedding, in a way that trains the initial state alone.

        Returns
        -------
        Tensor of shape (1, vector_size)
            Equal to ``predict(initial_states(1))`` in evaluation mode; no gradient reaches the
            output layer, which is there to tell what follows items.
        """
        state = self.initial_states(1)
        output = self._project(self._hidden(state)[:, -1], frozen=True)
        return self._finish(output, state[:, -self.embedding_size :])

    def _predict(self, outputs: Tensor, last_items: Tensor) -> Tensor:
        return self._finish(self._project(self._drop(outputs, self.dropout.output)), last_items)

    def _project(self, outputs: Tensor, *, frozen: bool = False) -> Tensor:
        """Turn the GRU's outputs into embeddings; ``frozen`` trains no weight in doing so."""
        return outputs

    def _finish(self, predicted: Tensor, last_items: Tensor) -> Tensor:
        """Turn embeddings into predictions, which end in a 1 if items have biases."""
        return F.pad(predicted, (0, 1), value=1.0) if self._has_biases else predicted

    def _hidden(self, states: Tensor) -> Tensor:
        hidden = states[:, : -self.embedding_size]
        return hidden.reshape(states.shape[0], self.n_layers, self.hidden_size)

    def _gru_layers(self, states: Tensor) -> Tensor:
        """Take the GRU's layers from states: (n_layers, n, hidden_size)."""
        return self._hidden(states).transpose(0, 1).contiguous()

    def _initial_hidden(self, batch_sizes: Tensor) -> Tensor:
        return self._gru_layers(self.initial_states(int(batch_sizes[0])))

    def _join(self, hidden: Tensor, last_items: Tensor) -> Tensor:
        """Make states of GRU layers (n_layers, n, hidden_size) and embeddings (n, ...)."""
        return torch.cat([hidden.transpose(0, 1).flatten(1), last_items], dim=1)

    def _drop(self, values: Tensor, probability: float) -> Tensor:
        return F.dropout(values, probability, self.training)
