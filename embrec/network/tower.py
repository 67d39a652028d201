"""The item tower: features of one content source to a part of the item embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embrec.network.features import SparseMatrix

#: Bound of the first layer's initial weights, for rows of length 1. Their inputs are few and small:
#: the usual bound, one over the root of the number of columns, would start almost at zero.
WEIGHT_BOUND = 0.2


class Tower(nn.Module):
    """Linear, ReLU, linear (thesis section 3.4.3), over dense or sparse features.

    Features come in any scale: the mean squared length of a row is measured once, on the training
    catalogue, and divided out, so that one initialisation and one learning rate suit tf-idf rows of
    length 1 as well as 4096 image activations.

    Parameters
    ----------
    n_features : int
        Columns of the feature block.
    hidden_size : int
        Width between the two layers.
    embedding_dim : int
        Width of the output.
    dropout : float
        Probability to drop a hidden unit in training.
    """

    scale: Tensor

    def __init__(
        self, n_features: int, hidden_size: int, embedding_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_features, hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.output = nn.Linear(hidden_size, embedding_dim)
        self.dropout = dropout
        self.register_buffer("scale", torch.ones(()))
        nn.init.uniform_(self.weight, -WEIGHT_BOUND, WEIGHT_BOUND)

    def set_scale(self, scale: float) -> None:
        """Set what features are multiplied with."""
        self.scale.fill_(scale)

    def forward(self, features: Tensor | SparseMatrix) -> Tensor:
        """Embed items: (n_items, n_features) to (n_items, embedding_dim)."""
        hidden = torch.relu(features @ (self.weight * self.scale) + self.bias)
        embedded: Tensor = self.output(F.dropout(hidden, self.dropout, self.training))
        return embedded


class FixedTower(nn.Module):
    """Features as they are, in fewer dimensions; nothing is learned.

    For the cosine loss, which a learned tower would satisfy by embedding all items alike (thesis
    section 3.2).

    Parameters
    ----------
    n_features : int
        Columns of the feature block.
    embedding_dim : int
        Width of the output.
    """

    projection: Tensor

    def __init__(self, n_features: int, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("projection", torch.eye(n_features, embedding_dim))

    def forward(self, features: Tensor | SparseMatrix) -> Tensor:
        """Project features: (n_items, n_features) to (n_items, embedding_dim)."""
        return features @ self.projection
