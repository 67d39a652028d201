"""A network to train in a moment."""

import torch

from embrec.network import SequenceNetwork
from embrec.network.gru import GRUModule
from embrec.network.id_vectors import IdVectors
from embrec.network.items import TowerItems


def small_network(
    n_features, embedding_dim=8, tower_size=8, hidden_size=8, *, own=(None, None), **dropout
):
    """One tower and a GRU; ``own`` are vectors and biases of known items."""
    torch.default_generator.manual_seed(0)  # not torch.manual_seed, which seeds GPUs too
    items = TowerItems((n_features,), embedding_dim, tower_size, 0.0, *own)
    options = {"dropout": 0.0, "input_dropout": 0.0, **dropout}
    encoder = GRUModule(embedding_dim, hidden_size, 1, residual=True, **options)
    return SequenceNetwork(items, encoder)


def own_of(n_ids, dim, **options):
    """Make vectors and biases that items have of their own."""
    return IdVectors(n_ids, dim, **options), IdVectors(n_ids, 1)
