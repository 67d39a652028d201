"""Which vectors may answer which query."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embrec.data.ragged import Ragged


@dataclass(frozen=True)
class Candidates:
    """Which vectors may answer which query.

    Parameters
    ----------
    allowed : Tensor of shape (n_vectors,), bool, optional
        For all queries alike.
    forbidden : Tensor of vector rows, int64, optional
        None of these, for all queries alike.
    included : Ragged of vector rows, optional
        Per query: nothing but these.
    excluded : tuple of Ragged of vector rows
        Per query: none of these.
    """

    allowed: Tensor | None = None
    included: Ragged | None = None
    excluded: tuple[Ragged, ...] = ()
    forbidden: Tensor | None = None

    def mask(self, scores: Tensor, start: int) -> None:
        """Set the scores of what may not answer to -inf, in place.

        Parameters
        ----------
        scores : Tensor of shape (n_block, n_vectors)
            Scores of the queries ``start, start + 1, ...``.
        start : int
            Number of the block's first query.
        """
        stop = start + len(scores)
        if self.allowed is not None:
            scores.masked_fill_(~self.allowed.to(scores.device), -torch.inf)
        if self.forbidden is not None:
            scores.index_fill_(1, self.forbidden.to(scores.device), -torch.inf)
        if self.included is not None:
            kept = torch.full_like(scores, -torch.inf)
            cells = _cells(self.included.slice_rows(start, stop), scores.device)
            kept[cells] = scores[cells]
            scores.copy_(kept)
        for rows in self.excluded:
            scores[_cells(rows.slice_rows(start, stop), scores.device)] = -torch.inf


def _cells(rows: Ragged, device: torch.device) -> tuple[Tensor, Tensor]:
    columns = torch.from_numpy(rows.values.astype(np.int64))
    return torch.from_numpy(rows.row_numbers).to(device), columns.to(device)
