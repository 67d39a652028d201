"""The EmbRec network: item towers, a GRU over item embeddings, and the predicted embedding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence
from torch.utils.checkpoint import checkpoint

from embrec.memmaps import ROWS_AT_A_TIME
from embrec.network.features import FeatureTensor, SparseMatrix, StoredMatrix, feature_rows
from embrec.network.id_vectors import IdVectors
from embrec.network.tower import FixedTower, Tower


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
    n_ids : int
        Items that may have a vector or a bias of their own.
    item_ids : bool
        Whether such a vector is added to the content embedding.
    item_bias : bool
        Whether such a bias is added to the score.
    fixed_items : bool
        Whether item embeddings are features, projected and of length 1, and nothing is learned of
        them: what the cosine loss needs. Predictions are of length 1 too then.
    """

    n_features: tuple[int, ...]
    embedding_dim: int = 128
    tower_size: int = 128
    hidden_size: int = 128
    n_layers: int = 1
    residual: bool = True
    n_ids: int = 0
    item_ids: bool = False
    item_bias: bool = False
    fixed_items: bool = False


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


class EmbRecNetwork(nn.Module):
    """Predicts the embedding of the next item from those of the items before (thesis Figure 2b).

    ``e = concatenate(tower_k(features_k))``, ``h_t = GRU(h_{t-1}, e_t)`` and
    ``ê_t = output(h_t) + e_t``; the score of an item is the inner product of ``ê_t`` and its ``e``.
    The towers' weights serve the input and the output side alike. The thesis' network is the one
    without the residual ``e_t``.

    A sequence's *state* is all that its future depends on, one row of ``state_size`` numbers: the
    GRU's layers, then the last item's embedding. The state before any item is learned, so that
    there is an answer for a visitor of whom nothing is known.

    What stands for an item outside is its *vector*: its embedding and, if there are biases, its
    bias. Predictions end in a 1 then, so that a score is one inner product all the same.

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
        self.vector_size = self.embedding_size + size.item_bias
        self.state_size = size.n_layers * size.hidden_size + self.embedding_size
        self.towers = nn.ModuleList(
            FixedTower(n_features, size.embedding_dim)
            if size.fixed_items
            else Tower(n_features, size.tower_size, size.embedding_dim, dropout.tower)
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
        # last, so that the weights above are drawn alike with and without them
        self.id_vectors = (
            IdVectors(size.n_ids, self.embedding_size, dropout.id) if size.item_ids else None
        )
        self.id_biases = IdVectors(size.n_ids, 1) if size.item_bias else None

    def fit_scales(self, mean_square_lengths: Sequence[float]) -> None:
        """Tell each tower how long the rows of its training features are (before training)."""
        for tower, square in zip(self.towers, mean_square_lengths, strict=True):
            if isinstance(tower, Tower):
                tower.set_scale(square**-0.5)

    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors.

        Parameters
        ----------
        blocks : list of Tensor, SparseMatrix or StoredMatrix
            One feature block per tower, of ``n_items`` rows each. Many rows, and rows on disk, go
            through the towers in chunks, and again in the backward pass.
        ids : Tensor of shape (n_items,), int64, optional
            Rows of the items' own vectors and biases, -1 where there are none: without it nowhere.
            Such an item has a vector of 0, and the mean of all biases.

        Returns
        -------
        Tensor of shape (n_items, vector_size)
        """
        n_items = len(blocks[0])
        in_memory = [block for block in blocks if not isinstance(block, StoredMatrix)]
        if n_items <= ROWS_AT_A_TIME and len(in_memory) == len(blocks):
            embedded = self.embed_content(in_memory)
        else:
            embedded = torch.cat([*self._embed_in_chunks(blocks, n_items)])
        if ids is None and self.has_ids:
            ids = torch.full((n_items,), -1, device=embedded.device)
        return self.add_own(embedded, ids)

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

    def _embed_in_chunks(self, blocks: Sequence[FeatureTensor], n_items: int) -> Iterator[Tensor]:
        for start in range(0, n_items, ROWS_AT_A_TIME):
            # a tensor among the arguments tells checkpoint whose generator to keep for dropout
            chunk = (blocks, start, min(start + ROWS_AT_A_TIME, n_items), self.initial)
            if torch.is_grad_enabled():
                yield checkpoint(self._embed_rows, *chunk, use_reentrant=False)
            else:
                yield self._embed_rows(*chunk)

    def _embed_rows(
        self, blocks: Sequence[FeatureTensor], start: int, stop: int, _: Tensor | None = None
    ) -> Tensor:
        return self.embed_content([feature_rows(block, start, stop) for block in blocks])

    def embed_content(self, blocks: Sequence[Tensor | SparseMatrix]) -> Tensor:
        """Make embeddings of content alone, all rows at once: (n_items, embedding_size)."""
        parts = [tower(block) for tower, block in zip(self.towers, blocks, strict=True)]
        embedded = torch.cat(parts, dim=1)
        return F.normalize(embedded, dim=1) if self.size.fixed_items else embedded

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
        output = F.linear(
            self._hidden(state)[:, -1], self.output.weight.detach(), self.output.bias.detach()
        )
        return self._finish(output, state[:, -self.embedding_size :])

    def _predict(self, outputs: Tensor, last_items: Tensor) -> Tensor:
        return self._finish(self.output(self._drop(outputs, self.dropout.output)), last_items)

    def _finish(self, predicted: Tensor, last_items: Tensor) -> Tensor:
        if self.size.residual:
            predicted = predicted + last_items
        if self.size.fixed_items:
            predicted = F.normalize(predicted, dim=1)
        return F.pad(predicted, (0, 1), value=1.0) if self.size.item_bias else predicted

    def _hidden(self, states: Tensor) -> Tensor:
        hidden = states[:, : -self.embedding_size]
        return hidden.reshape(states.shape[0], self.size.n_layers, self.size.hidden_size)

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
