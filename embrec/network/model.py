"""The EmbRec network: item towers, a GRU over item embeddings, and the predicted embedding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from embrec.data.memmaps import ROWS_AT_A_TIME
from embrec.network.features import FeatureTensor, SparseMatrix, StoredMatrix, feature_rows
from embrec.network.id_vectors import IdVectors
from embrec.network.recurrent import Dropout, SequenceNetwork
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


class EmbRecNetwork(SequenceNetwork):
    """Predicts the embedding of the next item from those of the items before (thesis Figure 2b).

    ``e = concatenate(tower_k(features_k))``, ``h_t = GRU(h_{t-1}, e_t)`` and
    ``ê_t = output(h_t) + e_t``; the score of an item is the inner product of ``ê_t`` and its ``e``.
    The towers' weights serve the input and the output side alike. The thesis' network is the one
    without the residual ``e_t``.

    The state before any item is learned, so that there is an answer for a visitor of whom nothing
    is known.

    Parameters
    ----------
    size : NetworkSize
    dropout : Dropout
    """

    def __init__(self, size: NetworkSize, dropout: Dropout) -> None:
        super().__init__(
            embedding_size=size.embedding_dim * len(size.n_features),
            hidden_size=size.hidden_size,
            n_layers=size.n_layers,
            dropout=dropout,
            has_biases=size.item_bias,
        )
        self.size = size
        self.towers = nn.ModuleList(
            FixedTower(n_features, size.embedding_dim)
            if size.fixed_items
            else Tower(n_features, size.tower_size, size.embedding_dim, dropout.tower)
            for n_features in size.n_features
        )
        self.gru = self._new_gru()
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

    def _project(self, outputs: Tensor, *, frozen: bool = False) -> Tensor:
        weight, bias = self.output.weight, self.output.bias
        return F.linear(outputs, *((weight.detach(), bias.detach()) if frozen else (weight, bias)))

    def _finish(self, predicted: Tensor, last_items: Tensor) -> Tensor:
        if self.size.residual:
            predicted = predicted + last_items
        if self.size.fixed_items:
            predicted = F.normalize(predicted, dim=1)
        return super()._finish(predicted, last_items)
