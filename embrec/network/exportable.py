"""The parts of a network that a service needs, as modules that torch.export takes."""

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from embrec.network.items import TowerItems
from embrec.network.model import SequenceNetwork

#: Rows of the example inputs; 1 would be taken for the only number there can be.
_N_EXAMPLES = 3


class SessionStep(nn.Module):
    """One click: states and vectors of the items touched, to new states and queries.

    Parameters
    ----------
    network : SequenceNetwork
        In evaluation mode.
    """

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, states: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step each.

        Parameters
        ----------
        states : Tensor of shape (n, state_size)
        vectors : Tensor of shape (n, vector_size)

        Returns
        -------
        states : Tensor of shape (n, state_size)
        queries : Tensor of shape (n, vector_size)
            Their inner products with items' vectors are the scores.
        """
        states = self.network.advance(states, vectors)
        return states, self.network.predict(states)


class ItemTower(nn.Module):
    """New items: features to vectors.

    Parameters
    ----------
    items : TowerItems
        In evaluation mode.
    """

    def __init__(self, items: TowerItems) -> None:
        super().__init__()
        self.items = items

    def forward(self, features: list[Tensor], own: Tensor | None = None) -> Tensor:
        """Embed items.

        Parameters
        ----------
        features : list of Tensor of shape (n, n_features), float32
            One per tower.
        own : Tensor of shape (n,), int64
            Rows of their own vectors and biases, -1 for items that training has not seen. Only if
            the network has such.

        Returns
        -------
        Tensor of shape (n, vector_size)
        """
        return self.items.as_vectors(self.items.embed_content(features), own)


def export_session_step(network: SequenceNetwork) -> ExportedProgram:
    """Trace `SessionStep`, for any number of rows; the network is on the CPU."""
    widths = network.state_size, network.vector_size
    example = tuple(torch.zeros(_N_EXAMPLES, width) for width in widths)
    rows = {0: Dim.DYNAMIC}
    return torch.export.export(SessionStep(network), example, dynamic_shapes=(rows, rows))


def export_item_tower(items: TowerItems) -> ExportedProgram:
    """Trace `ItemTower`, for any number of rows; the module is on the CPU."""
    features = [torch.zeros(_N_EXAMPLES, n) for n in items.n_features]
    own = torch.full((_N_EXAMPLES,), -1) if items.has_ids else None
    rows = {0: Dim.DYNAMIC}
    shapes = [rows for _ in features], rows if items.has_ids else None
    return torch.export.export(ItemTower(items), (features, own), dynamic_shapes=shapes)
