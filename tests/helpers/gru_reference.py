"""Small networks, and what they say one sequence and one step at a time."""

import numpy as np
import torch
from torch import nn

from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork
from embrec.network.gru import GRUModule
from embrec.network.items import TowerItems

CPU = torch.device("cpu")
VARIANTS = [(1, True), (1, False), (2, True), (2, False)]


def make_encoder(n_layers=1, residual=True, dropout=0.0, input_dropout=0.0, **changes):
    """A GRU over embeddings of 6 numbers, with a state before any item that is not 0."""
    torch.manual_seed(0)
    encoder = GRUModule(
        6,
        changes.pop("hidden_size", 7),
        n_layers,
        dropout=dropout,
        input_dropout=input_dropout,
        residual=residual,
        **changes,
    )
    if isinstance(encoder.initial, nn.Parameter):
        nn.init.normal_(encoder.initial)
    return encoder.eval()


def make_network(*arguments, **changes):
    """Two towers of 3 numbers each, and such a GRU."""
    torch.manual_seed(1)
    return SequenceNetwork(TowerItems((5, 4), 3, 6), make_encoder(*arguments, **changes)).eval()


def make_sequences(lengths, n_items=20, seed=0):
    """Rows drawn at random."""
    values = np.random.default_rng(seed).integers(0, n_items, sum(lengths)).astype(np.int32)
    return Ragged.from_lengths(values, np.array(lengths))


def predictions_one_by_one(encoder, items, sequence):
    """ê after each step, from the GRU's documented interface, one sequence and step at a time."""
    n_layers, hidden_size = encoder.n_layers, encoder.hidden_size
    hidden = encoder.initial[: n_layers * hidden_size].reshape(n_layers, 1, hidden_size)
    predicted = []
    for row in sequence:
        item = items[int(row)]
        output, hidden = encoder.gru(item.reshape(1, 1, -1), hidden.contiguous())
        step = output[0, 0] if encoder.output is None else encoder.output(output[0, 0])
        predicted.append(step + item if encoder.residual else step)
    return torch.stack(predicted)
