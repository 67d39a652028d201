"""The TransRec network: items as points, a step to the next item as a translation."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embrec.network.features import FeatureTensor
from embrec.network.id_vectors import IdVectors
from embrec.network.recurrent import Dropout


@dataclass(frozen=True)
class TransRecSize:
    """What the network needs to know to be built.

    Parameters
    ----------
    n_ids : int
        Items that have a point.
    n_users : int
        Users that have a translation of their own.
    embedding_dim : int
        Dimensions of the space.
    """

    n_ids: int
    n_users: int
    embedding_dim: int


class TransRecNetwork(nn.Module):
    """Scores items by ``b_j - |γ_i + t + t_u - γ_j|²``, ``i`` the item before ``j``.

    Up to what is the same for all ``j`` that is the inner product of the query
    ``(2 (γ_i + t + t_u), 1)`` with the item's vector ``(γ_j, b_j - |γ_j|²)``.

    Parameters
    ----------
    size : TransRecSize
    """

    def __init__(self, size: TransRecSize) -> None:
        super().__init__()
        self.size = size
        self.dropout = Dropout()
        self.embedding_size = size.embedding_dim
        self.vector_size = size.embedding_dim + 1
        self.translation = nn.Parameter(torch.zeros(size.embedding_dim))
        self.id_vectors = IdVectors(size.n_ids, size.embedding_dim)
        self.id_biases = IdVectors(size.n_ids, 1)
        self.user_vectors = IdVectors(size.n_users, size.embedding_dim)
        # points in the middle half of the unit ball
        bound = 0.5 * size.embedding_dim**-0.5
        nn.init.uniform_(self.id_vectors.weight, -bound, bound)

    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Look up items' vectors; ``blocks`` are not read.

        Parameters
        ----------
        blocks : list
        ids : Tensor of shape (n_items,), int64
            Rows of their points; -1 for items that training has not seen, which stand at 0 and have
            the mean of all biases.

        Returns
        -------
        Tensor of shape (n_items, embedding_dim + 1)
        """
        assert ids is not None
        points = self.id_vectors(ids)
        biases = torch.where(ids[:, None] < 0, self.id_biases.mean(), self.id_biases(ids))
        return torch.cat([points, biases - points.square().sum(1, keepdim=True)], dim=1)

    def query(self, inputs: Tensor, users: Tensor) -> Tensor:
        """Say what scores items after one.

        Parameters
        ----------
        inputs : Tensor of shape (n, embedding_dim + 1)
            Vectors of the items before.
        users : Tensor of shape (n,), int64
            Whose step it is; -1 for users that training has not seen, who take the step of all.

        Returns
        -------
        Tensor of shape (n, embedding_dim + 1)
        """
        points = inputs[:, : self.embedding_size] + self.translation
        if self.size.n_users:
            points = points + self.user_vectors(users)
        return torch.cat([2 * points, torch.ones_like(points[:, :1])], dim=1)
