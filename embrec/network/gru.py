"""A GRU over item embeddings."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from embrec.network.packing import Packing
from embrec.network.sequence import SequenceModule


class GRUModule(SequenceModule):
    """``h_t = GRU(h_{t-1}, e_t)``, ``ê_t = output(h_t) + e_t`` (thesis Figure 2b).

    Its state is the GRU's layers and, with the residual term, the last item's embedding.

    Parameters
    ----------
    embedding_size : int
        Width of item embeddings.
    hidden_size : int
        Width of the GRU.
    n_layers : int
        Layers of the GRU.
    dropout : float
        Probability to drop elements of the GRU's outputs, and between its layers.
    input_dropout : float
        Probability to drop elements of the embeddings that the GRU reads.
    residual : bool
        Whether the last item's embedding is added to the prediction.
    projected : bool, default=True
        Whether outputs go through a linear layer; else ``hidden_size`` is ``embedding_size``.
    learns_start : bool, default=True
        Whether the state before any item is learned; else it is 0.
    """

    initial: Tensor

    def __init__(
        self,
        embedding_size: int,
        hidden_size: int,
        n_layers: int,
        *,
        dropout: float,
        input_dropout: float,
        residual: bool,
        projected: bool = True,
        learns_start: bool = True,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.residual = residual
        self._n_hidden = n_layers * hidden_size
        self.state_size = self._n_hidden + (embedding_size if residual else 0)
        self.gru = nn.GRU(
            embedding_size,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.output = nn.Linear(hidden_size, embedding_size) if projected else None
        start = torch.zeros(self.state_size)
        if learns_start:
            self.initial = nn.Parameter(start)
        else:
            self.register_buffer("initial", start)

    def forward(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after every step."""
        read = F.dropout(x, self.input_dropout, self.training)
        outputs = self.gru(PackedSequence(read, packed.batch_sizes), self._start(packed))[0]
        return self._predict(outputs.data, x)

    def final_state(self, x: Tensor, packed: Packing) -> Tensor:
        """Return the states after the last items, in one pass."""
        hidden = self.gru(PackedSequence(x, packed.batch_sizes), self._start(packed))[1]
        state = hidden.transpose(0, 1).flatten(1)
        return torch.cat([state, x[packed.last_steps.to(x.device)]], 1) if self.residual else state

    def initial_state(self, n: int) -> Tensor:
        """Return the state before any item."""
        return self.initial.expand(n, -1)

    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """Take one step each."""
        below, hidden, above = x, self._hidden(state), []
        # a cell per layer: for single steps up to twice as fast as the GRU, and it can be exported
        for layer, weights in enumerate(self.gru.all_weights):
            below = torch.gru_cell(below, hidden[:, layer], *weights)
            above.append(below)
        return torch.cat([*above, x] if self.residual else above, dim=1)

    def read(self, state: Tensor) -> Tensor:
        """Predict from states."""
        return self._predict(self._hidden(state)[:, -1], state[:, self._n_hidden :])

    def _predict(self, outputs: Tensor, last_items: Tensor) -> Tensor:
        predicted = F.dropout(outputs, self.dropout, self.training)
        if self.output is not None:
            predicted = self.output(predicted)
        return predicted + last_items if self.residual else predicted

    def _hidden(self, state: Tensor) -> Tensor:
        hidden = state[:, : self._n_hidden]
        return hidden.reshape(state.shape[0], self.n_layers, self.hidden_size)

    def _start(self, packed: Packing) -> Tensor:
        state = self.initial_state(packed.n_sequences)
        return self._hidden(state).transpose(0, 1).contiguous()
