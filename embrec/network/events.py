"""What the events of a history add to the items that they were about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from embrec.network.features import (
    FeatureTensor,
    mean_square_length,
    select_features,
    to_feature_tensors,
)
from embrec.network.tower import Tower

#: Width of the towers' hidden layers.
HIDDEN_SIZE = 64


@dataclass(frozen=True)
class EventTensors:
    """Features of steps.

    Parameters
    ----------
    blocks : list of Tensor or SparseMatrix of shape (n_steps, n_features)
        One per source.
    is_known : Tensor of shape (n_steps, 1), bool, or None
        Where they say something; None: everywhere.
    """

    blocks: list[FeatureTensor]
    is_known: Tensor | None = None

    def take(self, steps: np.ndarray) -> "EventTensors":
        """Gather those of some steps."""
        places = torch.from_numpy(steps)
        known = None if self.is_known is None else self.is_known[places.to(self.is_known.device)]
        return EventTensors(select_features(self.blocks, steps), known)


class EventModule(nn.Module):
    """Scales and shifts what is read of an item by what its event says (Perez et al. 2018).

    ``x = e * (1 + Σ scale_s(v_s)) + Σ shift_s(v_s)``: a tower for each source of features, and both
    of its outputs are 0 at first. An event of which nothing is known has the mean of the features
    that training has seen.

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
            Tower(n, HIDDEN_SIZE, 2 * embedding_size, dropout=0.0) for n in n_features
        )
        for number, (tower, n) in enumerate(zip(self.towers, n_features, strict=True)):
            assert isinstance(tower, Tower)
            nn.init.zeros_(tower.output.weight)
            nn.init.zeros_(tower.output.bias)
            self.register_buffer(f"mean_{number}", torch.zeros(1, n))

    @property
    def means(self) -> list[Tensor]:
        """What an event of which nothing is known is taken to say: (1, n_features) each."""
        return [self.get_buffer(f"mean_{number}") for number in range(len(self.n_features))]

    def fit(self, blocks: Sequence[Any]) -> None:
        """Measure the features that are trained on, (n_events, n_features) each."""
        fit_scales(self.towers, blocks)
        for mean, block in zip(self.means, blocks, strict=True):
            mean.copy_(torch.from_numpy(np.asarray(block.mean(axis=0)).reshape(1, -1)))

    def forward(self, x: Tensor, events: EventTensors | None) -> Tensor:
        """Change what is read of items: (n_steps, embedding_size).

        Parameters
        ----------
        x : Tensor of shape (n_steps, embedding_size)
        events : EventTensors or None
            None: nothing is known of any.
        """
        scale, shift = self._read(self.means).chunk(2, dim=1)
        if events is not None:
            of_step = self._read(events.blocks)
            if events.is_known is not None:
                unknown = torch.cat([scale, shift], dim=1)
                of_step = torch.where(events.is_known, of_step, unknown)
            scale, shift = of_step.chunk(2, dim=1)
        return x * (1 + scale) + shift

    def _read(self, blocks: Sequence[Any]) -> Tensor:
        parts = [tower(block) for tower, block in zip(self.towers, blocks, strict=True)]
        return torch.stack(parts).sum(dim=0)


def fit_scales(towers: nn.ModuleList, blocks: Sequence[Any]) -> None:
    """Tell each tower how long the rows of its features are."""
    for tower, block in zip(towers, blocks, strict=True):
        assert isinstance(tower, Tower)
        tower.set_scale(mean_square_length(block) ** -0.5)


def to_event_tensors(
    blocks: Sequence[Any], is_known: np.ndarray | None, device: torch.device
) -> EventTensors:
    """Move features of steps to a device.

    Parameters
    ----------
    blocks : list of ndarray or CSR of shape (n_steps, n_features)
    is_known : ndarray of shape (n_steps,), bool, or None
    device : torch.device
    """
    dense = [block if sp.issparse(block) else np.ascontiguousarray(block) for block in blocks]
    mask = None
    if is_known is not None and not is_known.all():
        mask = torch.from_numpy(is_known)[:, None].to(device)
    return EventTensors(to_feature_tensors(dense, device), mask)
