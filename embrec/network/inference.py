"""Running a network without gradients, in blocks of bounded size."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from embrec.data.ragged import Ragged
from embrec.network.features import FeatureTensor
from embrec.network.model import SequenceNetwork
from embrec.network.packing import fixed_size_blocks, pack, to_tensors

#: Steps that run through the encoder together.
STEPS_PER_BLOCK = 2**16


class EmbedsItems(Protocol):
    """A network that makes items' vectors."""

    def eval(self) -> Any:
        """Enter evaluation mode."""

    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Make items' vectors: (n_items, vector_size)."""


@torch.inference_mode()
def embed_items(
    network: EmbedsItems, features: Sequence[FeatureTensor], ids: Tensor | None = None
) -> Tensor:
    """Make items' vectors in evaluation mode: (n_items, vector_size), on the network's device."""
    network.eval()
    return network.embed_items(features, ids)


class Rows(Protocol):
    """Item vectors by row: a Tensor, or what can be indexed by one."""

    @property
    def device(self) -> torch.device:
        """Where the vectors are."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Gather rows: (n, vector_size)."""


@torch.inference_mode()
def encode_states(
    network: SequenceNetwork,
    items: Tensor | Rows,
    sequences: Ragged,
    *,
    max_steps: int = STEPS_PER_BLOCK,
) -> Tensor:
    """Run sequences through the encoder and return the state after each one's last item.

    A sequence's state does not depend on the others it runs with; an empty sequence keeps the
    state before any item.

    Parameters
    ----------
    network : SequenceNetwork
    items : Tensor of shape (n_items, vector_size), or Rows
        Items' vectors, on any device.
    sequences : Ragged of item rows
    max_steps : int, default=65536
        Steps that run together; this bounds the memory.

    Returns
    -------
    Tensor of shape (n_sequences, state_size)
        On the network's device.
    """
    network.eval()
    states = _first_states(network, sequences)
    for members in _blocks_of_similar_length(sequences, max_steps):
        batch = pack(sequences.take(members), with_targets=False, device=items.device)
        places = torch.from_numpy(members[batch.order]).to(states.device)
        inputs = items[batch.rows].to(states.device)
        known = batch.event_tensors(states.device), batch.visitor_tensors(states.device)
        states[places] = network.final_states(inputs, batch.packing, *known)
    return states


def _first_states(network: SequenceNetwork, sequences: Ragged) -> Tensor:
    """Return the states before any item: (n_sequences, state_size)."""
    visitors = to_tensors(sequences.visitors, _device_of(network))
    return network.initial_states(len(sequences), visitors).clone()


@torch.inference_mode()
def encode_queries(network: SequenceNetwork, items: Tensor | Rows, sequences: Ragged) -> Tensor:
    """Predict the embedding of each sequence's next item: (n_sequences, vector_size)."""
    network.eval()
    device = _device_of(network)
    found = network.predict(network.initial_states(1)).repeat(len(sequences), 1)
    empty = (sequences.lengths == 0).nonzero()[0]
    if sequences.visitors is not None and len(empty):
        places = torch.from_numpy(empty).to(device)
        found[places] = network.predict(_first_states(network, sequences.take(empty)))
    for members in _blocks_of_similar_length(sequences, STEPS_PER_BLOCK):
        batch = pack(sequences.take(members), with_targets=False, device=items.device)
        places = torch.from_numpy(members[batch.order]).to(device)
        known = batch.event_tensors(device), batch.visitor_tensors(device)
        inputs = items[batch.rows].to(device)
        found[places] = network.predict_last(inputs, batch.packing, *known)
    return found


def _device_of(network: SequenceNetwork) -> torch.device:
    return network.initial_states(1).device


@torch.inference_mode()
def encode_steps(
    network: SequenceNetwork,
    items: Tensor | Rows,
    sequences: Ragged,
    *,
    max_steps: int = STEPS_PER_BLOCK,
) -> Tensor:
    """Predict the next item's embedding after every item of sequences, in one pass.

    Parameters
    ----------
    network, items, sequences, max_steps
        As for `encode_states`.

    Returns
    -------
    Tensor of shape (n_values, vector_size)
        In the order of ``sequences.values``, on the network's device.
    """
    network.eval()
    device = _device_of(network)
    found = torch.empty(len(sequences.values), network.vector_size, device=device)
    for members in _blocks_of_similar_length(sequences, max_steps):
        batch = pack(sequences.take(members), with_targets=False, device=items.device)
        known = batch.event_tensors(device), batch.visitor_tensors(device)
        predicted = network.predict_steps(items[batch.rows].to(device), batch.packing, *known)
        packing = batch.packing
        lanes, sizes = packing.lanes.numpy(), packing.batch_sizes.numpy()
        times = np.repeat(np.arange(len(sizes)), sizes)
        places = sequences.offsets[members[batch.order]][lanes] + times
        found[torch.from_numpy(places).to(device)] = predicted
    return found


def _blocks_of_similar_length(sequences: Ragged, max_steps: int) -> Iterator[np.ndarray]:
    """Cut the sequences that are not empty into blocks: a block's end together."""
    filled = sequences.lengths.nonzero()[0]
    # sorted by length, little of a block is idle
    by_length = filled[sequences.lengths[filled].argsort(kind="stable")]
    for start, stop in fixed_size_blocks(sequences.lengths[by_length], max_steps):
        yield by_length[start:stop]
