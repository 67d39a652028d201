"""Several sequence encoders side by side."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from embrec.network.packing import Packing
from embrec.network.sequence import SequenceModule, frozen


class ParallelModule(SequenceModule):
    """Each part reads an equal share of an embedding's columns, and predicts these.

    The state is those of the parts, side by side. If a part keeps none, neither does the whole,
    which reads histories anew.

    Parameters
    ----------
    parts : list of SequenceModule
        One per share, in the order of the columns.
    """

    def __init__(self, parts: Sequence[SequenceModule]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self._sizes = [part.state_size for part in parts]
        self.state_size = sum(self._sizes) if all(self._sizes) else 0

    def forward(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after every step."""
        shares = zip(self._parts(), self._cut(x), strict=True)
        return self._join([part(share, packed) for part, share in shares])

    def initial_state(self, n: int) -> Tensor:
        """Return the states before any item."""
        return torch.cat([part.initial_state(n) for part in self._parts()], 1)[:, : self.state_size]

    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """Take one step each."""
        if not self.state_size:
            return state
        shares = zip(self._parts(), self._states(state), self._cut(x), strict=True)
        return torch.cat([part.advance(own, share) for part, own, share in shares], 1)

    def read(self, state: Tensor) -> Tensor:
        """Predict from states."""
        states = zip(self._parts(), self._states(state), strict=True)
        return self._join([part.read(own) for part, own in states])

    def final_state(self, x: Tensor, packed: Packing) -> Tensor:
        """Return the states after the last items, as each part finds them."""
        if not self.state_size:
            return self.initial_state(packed.n_sequences)
        shares = zip(self._parts(), self._cut(x), strict=True)
        return torch.cat([part.final_state(share, packed) for part, share in shares], 1)

    def predict_last(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after the last items, as each part does."""
        shares = zip(self._parts(), self._cut(x), strict=True)
        return self._join([part.predict_last(share, packed) for part, share in shares])

    def read_first(self) -> Tensor | None:
        """Predict the first item's embedding, in a way that trains the parts' initial states."""
        found = [part.read_first() for part in self._parts()]
        if all(one is None for one in found):
            return None
        with torch.no_grad(), frozen(self):
            untrained = [part.read(part.initial_state(1)) for part in self._parts()]
        return self._join([a if b is None else b for a, b in zip(untrained, found, strict=True)])

    def _parts(self) -> list[SequenceModule]:
        return cast(list[SequenceModule], [*self.parts])

    def _states(self, state: Tensor) -> Sequence[Tensor]:
        if not self.state_size:  # all that can be asked for is what comes before any item
            return [part.initial_state(len(state)) for part in self._parts()]
        return torch.split(state, self._sizes, 1)

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        """Say what each part reads of embeddings."""
        return x.chunk(len(self.parts), 1)

    def _join(self, predicted: list[Tensor]) -> Tensor:
        """Turn what the parts predict into embeddings."""
        return torch.cat(predicted, 1)


class EnsembleModule(ParallelModule):
    """Each part reads and predicts whole embeddings; what they predict is averaged.

    Parameters
    ----------
    parts : list of SequenceModule
    """

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        return [x] * len(self.parts)

    def _join(self, predicted: list[Tensor]) -> Tensor:
        return torch.stack(predicted).mean(0)
