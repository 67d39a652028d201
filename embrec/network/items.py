"""From features, and from what is learned of known items, to item vectors."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from embrec.data.memmaps import ROWS_AT_A_TIME
from embrec.network.features import (
    FeatureTensor,
    SparseMatrix,
    StoredMatrix,
    feature_rows,
    mean_square_length,
)
from embrec.network.id_vectors import IdVectors
from embrec.network.tower import FixedTower, Tower

#: What inner products and distances are multiplied by where items are learned. A new network's
#: scores of other items then differ by about .5, and what items have of their own, which starts at
#: 0 and grows by the optimizer's step, counts before the encoder has learned them by heart.
SCALE = 5.0
#: What cosines are multiplied by at first, and at most.
FIRST_SCALE, LARGEST_SCALE = 15.0, 100.0


class ItemModule(nn.Module, ABC):
    """Base of what makes item vectors.

    What stands for an item outside is its *vector*: its embedding and, if there are biases or
    distances, one number more. Queries end in a 1 then. So a score is one inner product, whatever
    the similarity:

    - "inner_product" of prediction p and embedding e, times a constant scale;
    - "cosine" of both, times a scale that is learned, since a softmax of numbers from -1 to 1 tells
      little apart (the temperature of Radford et al. 2021);
    - "euclidean", ``-|p - e|² / 2``, up to what is the same for all items: ``<p, e> - |e|² / 2``;
      times that scale too.

    Parameters
    ----------
    embedding_size : int
        Width of an item embedding.
    id_vectors : IdVectors or None
        Added to what the content says.
    id_biases : IdVectors or None
        Added to the score.
    similarity : {"inner_product", "cosine", "euclidean"}, default="inner_product"
    scale : float, default=1.0
        What scores but cosines and biases are multiplied by.
    """

    scale: Tensor

    def __init__(
        self,
        embedding_size: int,
        id_vectors: IdVectors | None,
        id_biases: IdVectors | None,
        similarity: str = "inner_product",
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.similarity = similarity
        self.vector_size = embedding_size + (id_biases is not None or similarity == "euclidean")
        self.id_vectors = id_vectors
        self.id_biases = id_biases
        self.register_buffer("scale", torch.tensor(scale))
        if similarity == "cosine":
            self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def draw_own(self) -> None:
        """Draw what items have of their own, where that does not start at 0.

        After all other weights, which are then the same with and without it.
        """

    def set_support(self, counts: Tensor) -> None:
        """Tell vectors and biases how many events each known item has: (n_ids,)."""
        for own in (self.id_vectors, self.id_biases):
            if own is not None:
                own.set_support(counts.to(own.trust))

    @property
    def has_ids(self) -> bool:
        """Whether known items have vectors or biases of their own."""
        return self.id_vectors is not None or self.id_biases is not None

    @abstractmethod
    def forward(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors.

        Parameters
        ----------
        blocks : list of Tensor, SparseMatrix or StoredMatrix
            What their content says: one feature block per source, of ``n_items`` rows each.
        ids : Tensor of shape (n_items,), int64, optional
            Rows of the items' own vectors and biases, -1 where there are none: without it nowhere.
            Such an item has a vector of 0, and the mean of all biases.

        Returns
        -------
        Tensor of shape (n_items, vector_size)
        """

    def as_vectors(self, embedded: Tensor, ids: Tensor | None) -> Tensor:
        """Add what items have of their own, and what the similarity needs, to what content says.

        Parameters
        ----------
        embedded : Tensor of shape (n_items, embedding_size)
        ids : Tensor of shape (n_items,), int64
            As for `forward`; may be None if no item has anything of its own.

        Returns
        -------
        Tensor of shape (n_items, vector_size)
        """
        if ids is not None and self.id_vectors is not None:
            embedded = embedded + self.id_vectors(ids)
        if self.similarity == "cosine":
            embedded = F.normalize(embedded, dim=1)
        last = None if ids is None or self.id_biases is None else self._biases(ids)
        if self.similarity == "euclidean":
            lengths = self.scale / 2 * embedded.square().sum(dim=1, keepdim=True)
            last = -lengths if last is None else last - lengths
        return embedded if last is None else torch.cat([embedded, last], dim=1)

    def _biases(self, ids: Tensor) -> Tensor:
        assert self.id_biases is not None
        # an item without a bias is one like all others
        return torch.where(ids[:, None] < 0, self.id_biases.mean(), self.id_biases(ids))

    def query(self, predicted: Tensor) -> Tensor:
        """Turn predicted embeddings into what scores items: (n, vector_size)."""
        scale = self.scale
        if self.similarity == "cosine":
            scale = self.log_scale.clamp(max=math.log(LARGEST_SCALE)).exp()
            predicted = F.normalize(predicted, dim=1)
        predicted = scale * predicted
        is_longer = self.vector_size > self.embedding_size
        return F.pad(predicted, (0, 1), value=1.0) if is_longer else predicted


class TowerItems(ItemModule):
    """One tower per feature block, joined; and what items have of their own.

    Parameters
    ----------
    n_features : tuple of int
        Columns of each feature block.
    embedding_dim : int
        Width of each tower's output.
    tower_size : int
        Width of each tower's hidden layer.
    dropout : float
        Probability to drop a hidden unit of the towers.
    id_vectors, id_biases : IdVectors or None
    similarity : str, default="inner_product"
    """

    def __init__(
        self,
        n_features: tuple[int, ...],
        embedding_dim: int,
        tower_size: int,
        dropout: float = 0.0,
        id_vectors: IdVectors | None = None,
        id_biases: IdVectors | None = None,
        similarity: str = "inner_product",
    ) -> None:
        width = embedding_dim * len(n_features)
        super().__init__(width, id_vectors, id_biases, similarity, SCALE)
        self.n_features = n_features
        self.towers = nn.ModuleList(
            Tower(n, tower_size, embedding_dim, dropout) for n in n_features
        )

    def fit_scales(self, blocks: Sequence[Any]) -> None:
        """Tell each tower how long the rows of its training features are (before training)."""
        for tower, block in zip(self.towers, blocks, strict=True):
            assert isinstance(tower, Tower)
            tower.set_scale(mean_square_length(block) ** -0.5)

    def forward(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors; many rows, and rows on disk, in chunks, forward and backward."""
        n_items = len(blocks[0])
        in_memory = [block for block in blocks if not isinstance(block, StoredMatrix)]
        if n_items <= ROWS_AT_A_TIME and len(in_memory) == len(blocks):
            embedded = self.embed_content(in_memory)
        else:
            embedded = torch.cat([*self._embed_in_chunks(blocks, n_items)])
        if ids is None and self.has_ids:
            ids = torch.full((n_items,), -1, device=embedded.device)
        return self.as_vectors(embedded, ids)

    def _embed_in_chunks(self, blocks: Sequence[FeatureTensor], n_items: int) -> Iterator[Tensor]:
        anchor = next((p for p in self.parameters()), torch.empty(0))
        for start in range(0, n_items, ROWS_AT_A_TIME):
            # a tensor among the arguments tells checkpoint whose generator to keep for dropout
            chunk = (blocks, start, min(start + ROWS_AT_A_TIME, n_items), anchor)
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
        return torch.cat(parts, dim=1)


class UnitItems(TowerItems):
    """Features, projected and of length 1, of which nothing is learned; so are predictions.

    Parameters
    ----------
    n_features : tuple of int
    embedding_dim : int
    """

    def __init__(self, n_features: tuple[int, ...], embedding_dim: int) -> None:
        super().__init__((), embedding_dim, 0)
        self.scale.fill_(1.0)
        self.n_features = n_features
        self.embedding_size = self.vector_size = embedding_dim * len(n_features)
        self.towers = nn.ModuleList(FixedTower(n, embedding_dim) for n in n_features)

    def set_projection(self, number: int, projection: np.ndarray) -> None:
        """Set how features of a source are cut: (n_features, embedding_dim)."""
        tower = self.towers[number]
        assert isinstance(tower, FixedTower)
        tower.projection.copy_(torch.from_numpy(projection))

    def embed_content(self, blocks: Sequence[Tensor | SparseMatrix]) -> Tensor:
        """Project content: (n_items, embedding_size)."""
        return F.normalize(super().embed_content(blocks), dim=1)

    def query(self, predicted: Tensor) -> Tensor:
        """Scale predictions to length 1."""
        return F.normalize(predicted, dim=1)


class VectorItems(ItemModule):
    """Learned vectors and biases alone: items are known by id.

    Parameters
    ----------
    n_ids : int
    dim : int
    """

    id_vectors: IdVectors
    id_biases: IdVectors

    def __init__(self, n_ids: int, dim: int) -> None:
        super().__init__(dim, IdVectors(n_ids, dim), IdVectors(n_ids, 1))

    def draw_own(self) -> None:
        """Draw vectors within Glorot's bound, as the authors of GRU4Rec do."""
        n_ids, dim = self.id_vectors.weight.shape
        bound = (6 / (n_ids + dim)) ** 0.5
        nn.init.uniform_(self.id_vectors.weight, -bound, bound)

    def forward(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Look up items' vectors; ``blocks`` are not read."""
        assert ids is not None
        return self.as_vectors(self.id_vectors.weight.new_zeros(len(ids), self.embedding_size), ids)


class PointItems(VectorItems):
    """Points that are scored by distance: ``b_j - |p - γ_j|²``.

    Up to what is the same for all ``j`` that is the inner product of the query ``(2 p, 1)`` with
    the item's vector ``(γ_j, b_j - |γ_j|²)``.

    Parameters
    ----------
    n_ids : int
    dim : int
    """

    def __init__(self, n_ids: int, dim: int) -> None:
        super().__init__(n_ids, dim)
        self.id_vectors.bound = 1.0

    def draw_own(self) -> None:
        """Draw points in the middle half of the unit ball."""
        bound = 0.5 * self.embedding_size**-0.5
        nn.init.uniform_(self.id_vectors.weight, -bound, bound)

    def forward(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Look up items' vectors; ``blocks`` are not read."""
        assert ids is not None
        points = self.id_vectors(ids)
        last = self._biases(ids) - points.square().sum(1, keepdim=True)
        return torch.cat([points, last], dim=1)

    def query(self, predicted: Tensor) -> Tensor:
        """Say what scores items by their distance from a point."""
        return torch.cat([2 * predicted, torch.ones_like(predicted[:, :1])], dim=1)
