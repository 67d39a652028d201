"""The TransRec network: items as points, a step to the next item as a translation."""

from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embrec._utils.pickles import refuse_old_name
from embrec.network.id_vectors import IdVectors
from embrec.network.items import ItemModule
from embrec.network.model import SequenceNetwork
from embrec.network.packing import PackedBatch, Packing
from embrec.network.sequence import SequenceModule


class TranslationModule(SequenceModule):
    """Predicts the point ``γ_i + t + t_u``, ``i`` the last item and ``u`` the user.

    Its state is the last item's point, the user's translation, and whether there is an item yet.

    Parameters
    ----------
    dim : int
        Dimensions of the space.
    n_users : int
        Users that have a translation of their own.
    """

    def __init__(self, dim: int, n_users: int) -> None:
        super().__init__()
        self.dim = dim
        self.n_users = n_users
        self.state_size = 2 * dim + 1
        self.translation = nn.Parameter(torch.zeros(dim))
        self.user_vectors = IdVectors(n_users, dim)

    def forward(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after every step."""
        predicted = x + self.translation
        own = self.of_steps(packed)
        return predicted if own is None else predicted + own

    def of_steps(self, packed: Packing) -> Tensor | None:
        """Look up the translation of each step's user: (n_steps, dim)."""
        return self._of_users(packed, packed.lanes)

    def _of_users(self, packed: Packing, lanes: Tensor) -> Tensor | None:
        if not self.n_users:
            return None
        device = self.translation.device
        users = torch.full((packed.n_sequences,), -1) if packed.users is None else packed.users
        found: Tensor = self.user_vectors(users[lanes].to(device))
        return found

    def final_state(self, x: Tensor, packed: Packing) -> Tensor:
        """Return the states after the last items: of these alone."""
        last = x[packed.last_steps.to(x.device)]
        own = self._of_users(packed, torch.arange(packed.n_sequences))
        own = torch.zeros_like(last) if own is None else own
        return torch.cat([last, own, torch.ones_like(last[:, :1])], dim=1)

    def initial_state(self, n: int) -> Tensor:
        """Return the state before any item."""
        return self.translation.new_zeros(n, self.state_size)

    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """Go on to the next item."""
        own = state[:, self.dim : 2 * self.dim]
        return torch.cat([x, own, torch.ones_like(x[:, :1])], dim=1)

    def read(self, state: Tensor) -> Tensor:
        """Predict from states; before any item it is the middle of the space."""
        d = self.dim
        point, own, begun = state[:, :d], state[:, d : 2 * d], state[:, 2 * d :]
        return begun * (point + self.translation + own)


class TransRecNetwork(SequenceNetwork):
    """TransRec, and the squares that its training makes smaller.

    Parameters
    ----------
    items : PointItems
    encoder : TranslationModule
    l2 : float
        Weight of the squared parameters that a step uses.
    """

    encoder: TranslationModule

    def __init__(self, items: ItemModule, encoder: TranslationModule, l2: float) -> None:
        super().__init__(items, encoder)
        self.l2 = l2

    def penalty(self, items: Tensor, batch: PackedBatch, negatives: Tensor | None) -> Tensor | None:
        """Squares of the parameters that score a step's next item and a negative, on average."""
        assert batch.targets is not None
        assert negatives is not None
        points = items[:, :-1].square().sum(1, keepdim=True)
        biases = (items[:, -1:] + points).square()
        of_score = torch.cat([points, points + biases], dim=1)
        before, after, others = (
            F.embedding(rows, of_score)[:, column].mean()
            for rows, column in ((batch.rows, 0), (batch.targets, 1), (negatives, 1))
        )
        steps = self.encoder.translation.square().sum()
        own = self.encoder.of_steps(batch.packing)
        if own is not None:
            steps = steps + own.square().sum(1).mean()
        return self.l2 * (before + after + others + steps)


def __getattr__(name: str) -> NoReturn:
    refuse_old_name(__name__, name, "TransRecSize")
