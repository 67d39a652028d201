"""What is learned of an item beyond its content: a vector, or a bias, of its own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class IdVectors(nn.Module):
    """One learned vector per known item, zero at the start and for all others.

    An item's vector counts as much as its support allows: ``n / (n + shrinkage)`` of it for an item
    of ``n`` events, so that rare items stay with their content, as shrinkage estimates do.

    Parameters
    ----------
    n_ids : int
        Items that may have one.
    dim : int
        Width.
    dropout : float, default=0
        Probability to leave an item's whole vector out, in training: content must do without it.
    bound : float, optional
        Greatest length of a vector.
    shrinkage : float, optional
        See above; None lets every vector count in full.
    """

    trust: Tensor

    def __init__(
        self,
        n_ids: int,
        dim: int,
        dropout: float = 0.0,
        *,
        bound: float | None = None,
        shrinkage: float | None = None,
    ) -> None:
        super().__init__()
        self.bound = bound
        self.shrinkage = shrinkage
        self.weight = nn.Parameter(torch.zeros(n_ids, dim))
        self.dropout = dropout
        self.register_buffer("trust", torch.ones(n_ids))
        #: whether only the rows that were used get a gradient
        self.sparse = False

    def set_support(self, counts: Tensor) -> None:
        """Say how many events each item has: (n_ids,)."""
        if self.shrinkage is None:
            return
        shrinkage = float(self.shrinkage)
        self.trust.copy_(counts / (counts + shrinkage).clamp(min=1e-12))

    def forward(self, ids: Tensor) -> Tensor:
        """Look vectors up: (n,) int64, -1 for items without one, to (n, dim)."""
        rows = ids.clamp(min=0)
        weight = self.trust[rows] * (ids >= 0)
        if self.training and self.dropout:
            weight = weight * (torch.rand_like(weight) >= self.dropout)
        return F.embedding(rows, self.weight, sparse=self.sparse) * weight[:, None]

    @torch.no_grad()
    def mean(self) -> Tensor:
        """Mean of what known items get, dropout off: (dim,)."""
        return self.trust @ self.weight / max(1, len(self.trust))

    @torch.no_grad()
    def limit_norms(self, ids: Tensor | None = None) -> None:
        """Shorten vectors that are longer than the bound; ``ids`` says which may have grown."""
        if self.bound is None:
            return
        rows = self.weight if ids is None else self.weight[ids]
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        shorter = rows * (float(self.bound) / norms.clamp(min=1e-12)).clamp(max=1)
        if ids is None:
            self.weight.copy_(shorter)
        else:
            self.weight[ids] = shorter
