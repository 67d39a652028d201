"""The parts of a network that a service needs, as modules that torch.export takes."""

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from embrec.network.events import EventTensors
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

    def forward(self, states: Tensor, vectors: Tensor, *events: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step each.

        Parameters
        ----------
        states : Tensor of shape (n, state_size)
        vectors : Tensor of shape (n, vector_size)
        *events : Tensor of shape (n, n_features), float32
            Features of the clicks, one per source; none if the network reads none.

        Returns
        -------
        states : Tensor of shape (n, state_size)
        queries : Tensor of shape (n, vector_size)
            Their inner products with items' vectors are the scores.
        """
        read = EventTensors([*events]) if events else None
        states = self.network.advance(states, vectors, read)
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
    states, vectors = (torch.zeros(_N_EXAMPLES, width) for width in widths)
    n_features = () if network.events is None else network.events.n_features
    events = [torch.zeros(_N_EXAMPLES, n) for n in n_features]
    rows = {0: Dim.DYNAMIC}
    shapes = (rows, rows, tuple(rows for _ in events)) if events else (rows, rows)
    return torch.export.export(
        SessionStep(network), (states, vectors, *events), dynamic_shapes=shapes
    )


def export_item_tower(items: TowerItems) -> ExportedProgram:
    """Trace `ItemTower`, for any number of rows; the module is on the CPU."""
    features = [torch.zeros(_N_EXAMPLES, n) for n in items.n_features]
    own = torch.full((_N_EXAMPLES,), -1) if items.has_ids else None
    rows = {0: Dim.DYNAMIC}
    shapes = [rows for _ in features], rows if items.has_ids else None
    return torch.export.export(ItemTower(items), (features, own), dynamic_shapes=shapes)
