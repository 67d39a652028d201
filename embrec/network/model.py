"""The EmbRec network: item towers, a GRU over item embeddings, and the predicted embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from embrec.network.features import FeatureTensor
from embrec.network.tower import Tower


@dataclass(frozen=True)
class NetworkSize:
    """What a network needs to know to be built.

    Parameters
    ----------
    n_features : tuple of int
        Columns of each feature block; one tower each.
    embedding_dim : int
        Width of each tower's output; an item embedding is their concatenation.
    tower_size : int
        Width of each tower's hidden layer.
    hidden_size : int
        Width of the GRU.
    n_layers : int
        Layers of the GRU.
    residual : bool
        Whether the last item's embedding is added to the prediction.
    """

    n_features: tuple[int, ...]
    embedding_dim: int = 128
    tower_size: int = 128
    hidden_size: int = 128
    n_layers: int = 1
    residual: bool = True


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
    """

    tower: float = 0.0
    input: float = 0.0
    output: float = 0.0


class EmbRecNetwork(nn.Module):
    """Predicts the embedding of the next item from those of the items before (thesis Figure 2b).

    ``e = concatenate(tower_k(features_k))``, ``h_t = GRU(h_{t-1}, e_t)`` and
    ``ê_t = output(h_t) + e_t``; the score of an item is the inner product of ``ê_t`` and its ``e``.
    The towers' weights serve the input and the output side alike. The thesis' network is the one
    without the residual ``e_t``.

    A sequence's *state* is all that its future depends on, one row of ``state_size`` numbers: the
    GRU's layers, then the last item's embedding. The state before any item is learned, so that
    there is an answer for a visitor of whom nothing is known.

    Parameters
    ----------
    size : NetworkSize
    dropout : Dropout
    """

    def __init__(self, size: NetworkSize, dropout: Dropout) -> None:
        super().__init__()
        self.size = size
        self.dropout = dropout
        self.embedding_size = size.embedding_dim * len(size.n_features)
        self.state_size = size.n_layers * size.hidden_size + self.embedding_size
        self.towers = nn.ModuleList(
            Tower(n_features, size.tower_size, size.embedding_dim, dropout.tower)
            for n_features in size.n_features
        )
        self.gru = nn.GRU(
            self.embedding_size,
            size.hidden_size,
            size.n_layers,
            batch_first=True,
            dropout=dropout.output if size.n_layers > 1 else 0.0,
        )
        self.output = nn.Linear(size.hidden_size, self.embedding_size)
        self.initial = nn.Parameter(torch.zeros(self.state_size))

    def fit_scales(self, mean_square_lengths: Sequence[float]) -> None:
        """Tell each tower how long the rows of its training features are (before training)."""
        for tower, square in zip(self.towers, mean_square_lengths, strict=True):
            cast(Tower, tower).set_scale(square**-0.5)

    def embed_items(self, blocks: Sequence[FeatureTensor]) -> Tensor:
        """Embed items from their features: (n_items, embedding_size)."""
        parts = [tower(block) for tower, block in zip(self.towers, blocks, strict=True)]
        return torch.cat(parts, dim=1)

    def predict_steps(self, inputs: Tensor, batch_sizes: Tensor) -> Tensor:
        """Predict the next item's embedding after every step of packed sequences.

        Parameters
        ----------
        inputs : Tensor of shape (n_steps, embedding_size)
            Item embeddings, time by time: first the first items of all sequences, longest sequence
            first, then the second items, and so on.
        batch_sizes : Tensor of shape (max_length,), int64, on the CPU
            How many sequences reach each time.

        Returns
        -------
        Tensor of shape (n_steps, embedding_size)
            ê after each step.
        """
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
        inputs : Tensor of shape (n, embedding_size)
            Embeddings of the items just touched.

        Returns
        -------
        Tensor of shape (n, state_size)
        """
        return self._join(self.gru(inputs[:, None], self._gru_layers(states))[1], inputs)

    def predict(self, states: Tensor) -> Tensor:
        """Predict the next item's embedding from states: (n, embedding_size)."""
        return self._predict(self._hidden(states)[:, -1], states[:, -self.embedding_size :])

    def predict_first(self) -> Tensor:
        """Predict the first item's embedding, in a way that trains the initial state alone.

        Returns
        -------
        Tensor of shape (1, embedding_size)
            Equal to ``predict(initial_states(1))`` in evaluation mode; no gradient reaches the
            output layer, which is there to tell what follows items.
        """
        state = self.initial_states(1)
        output = F.linear(
            self._hidden(state)[:, -1], self.output.weight.detach(), self.output.bias.detach()
        )
        return output + state[:, -self.embedding_size :] if self.size.residual else output

    def _predict(self, outputs: Tensor, last_items: Tensor) -> Tensor:
        predicted: Tensor = self.output(self._drop(outputs, self.dropout.output))
        return predicted + last_items if self.size.residual else predicted

    def _hidden(self, states: Tensor) -> Tensor:
        hidden = states[:, : -self.embedding_size]
        return hidden.reshape(len(states), self.size.n_layers, self.size.hidden_size)

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
