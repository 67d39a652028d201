"""What is known of visitors before they touch anything."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from embrec.network.events import HIDDEN_SIZE, EventTensors, fit_scales
from embrec.network.tower import Tower

#: Share of the visitors who are taken for unknown at a step of training, so that those are learned.
SHARE_UNKNOWN = 0.1


class VisitorModule(nn.Module):
    """What an encoder reads of a visitor, before the first item: a tower per source, added up.

    Unknown visitors have a vector that is learned.

    Parameters
    ----------
    n_features : tuple of int
        Columns of each feature block.
    embedding_size : int
        Width of item embeddings.
    """

    def __init__(self, n_features: tuple[int, ...], embedding_size: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.towers = nn.ModuleList(
            Tower(n, HIDDEN_SIZE, embedding_size, dropout=0.0) for n in n_features
        )
        self.unknown = nn.Parameter(torch.zeros(embedding_size))

    def fit(self, blocks: Sequence[Any]) -> None:
        """Measure the features that are trained on, (n_visitors, n_features) each."""
        fit_scales(self.towers, blocks)

    def forward(self, visitors: EventTensors | None, n: int) -> Tensor:
        """Make what is read of ``n`` visitors: (n, embedding_size).

        Parameters
        ----------
        visitors : EventTensors or None
            Their features; None if none of them is known.
        n : int
        """
        if visitors is None:
            return self.unknown.expand(n, -1)
        parts = [tower(block) for tower, block in zip(self.towers, visitors.blocks, strict=True)]
        found = torch.stack(parts).sum(dim=0)
        is_known = torch.ones(n, 1, dtype=torch.bool, device=found.device)
        if visitors.is_known is not None:
            is_known = visitors.is_known
        if self.training:
            is_known = is_known & (torch.rand_like(found[:, :1]) >= SHARE_UNKNOWN)
        return torch.where(is_known, found, self.unknown)
