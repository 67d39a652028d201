"""The parts of a network that a service needs, as modules that torch.export takes."""

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from embrec.network.model import EmbRecNetwork

#: Rows of the example inputs; 1 would be taken for the only number there can be.
_N_EXAMPLES = 3


class SessionStep(nn.Module):
    """One click: states and vectors of the items touched, to new states and queries.

    Parameters
    ----------
    network : EmbRecNetwork
        In evaluation mode.
    """

    def __init__(self, network: EmbRecNetwork) -> None:
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
    network : EmbRecNetwork
        In evaluation mode.
    """

    def __init__(self, network: EmbRecNetwork) -> None:
        super().__init__()
        self.network = network

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
        return self.network.add_own(self.network.embed_content(features), own)


def export_session_step(network: EmbRecNetwork) -> ExportedProgram:
    """Trace `SessionStep`, for any number of rows; the network is on the CPU."""
    widths = network.state_size, network.vector_size
    example = tuple(torch.zeros(_N_EXAMPLES, width) for width in widths)
    rows = {0: Dim.DYNAMIC}
    return torch.export.export(SessionStep(network), example, dynamic_shapes=(rows, rows))


def export_item_tower(network: EmbRecNetwork) -> ExportedProgram:
    """Trace `ItemTower`, for any number of rows; the network is on the CPU."""
    features = [torch.zeros(_N_EXAMPLES, n) for n in network.size.n_features]
    own = torch.full((_N_EXAMPLES,), -1) if network.has_ids else None
    rows = {0: Dim.DYNAMIC}
    shapes = [rows for _ in features], rows if network.has_ids else None
    return torch.export.export(ItemTower(network), (features, own), dynamic_shapes=shapes)
