"""Sequences packed for an encoder: no padding anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embrec.data.events import Events
from embrec.data.ragged import Ragged
from embrec.network.events import EventTensors, to_event_tensors


@dataclass(frozen=True)
class Packing:
    """How sequences lie side by side, time by time, longest first.

    Parameters
    ----------
    batch_sizes : Tensor of shape (max_length,), int64
        How many sequences reach each time; on the CPU, as torch wants it.
    users : Tensor of shape (n_sequences,), int64, optional
        Whose each sequence is, -1 for users who are not known; on the CPU.
    """

    batch_sizes: Tensor
    users: Tensor | None = None

    @property
    def n_sequences(self) -> int:
        """How many sequences there are."""
        return int(self.batch_sizes[0])

    def after_one_more(self) -> "Packing":
        """Return how they lie if each has a step more, before its first."""
        sizes = torch.cat([self.batch_sizes[:1], self.batch_sizes])
        return Packing(sizes, self.users)

    def of_last(self, n: int) -> tuple[Tensor, "Packing"]:
        """Leave out all but the last steps of each sequence.

        Parameters
        ----------
        n : int
            How many are kept.

        Returns
        -------
        rows : Tensor of shape (n_kept,), int64
            Which steps are left, on the CPU.
        packing : Packing
            How they lie.
        """
        sizes, lengths = self.batch_sizes, self.lengths
        if len(sizes) <= n:
            return torch.arange(int(sizes.sum())), self
        starts = sizes.cumsum(0) - sizes
        times = torch.arange(n)[:, None] + (lengths - n).clamp(min=0)
        reached = torch.arange(n)[:, None] < lengths.clamp(max=n)
        rows = (starts[times.clamp(max=len(sizes) - 1)] + torch.arange(len(lengths)))[reached]
        return rows, Packing(reached.sum(dim=1), self.users)

    @property
    def lanes(self) -> Tensor:
        """Which of the sequences side by side each step is of: (n_steps,) int64, on the CPU."""
        return torch.cat([torch.arange(int(n)) for n in self.batch_sizes])

    @property
    def lengths(self) -> Tensor:
        """How many steps each sequence has: (n_sequences,) int64, on the CPU."""
        # sequence j is at place j of every time it reaches
        return (self.batch_sizes[None, :] > torch.arange(self.n_sequences)[:, None]).sum(dim=1)

    @property
    def last_steps(self) -> Tensor:
        """Which step is the last of each sequence: (n_sequences,) int64, on the CPU."""
        sizes, lengths = self.batch_sizes, self.lengths
        starts = sizes.cumsum(0) - sizes
        return starts[lengths - 1] + torch.arange(len(lengths))


@dataclass(frozen=True)
class PackedBatch:
    """Sequences of item rows, packed.

    Parameters
    ----------
    rows : Tensor of shape (n_steps,), int64
        Item row of each step.
    packing : Packing
    order : ndarray of shape (n_sequences,)
        Which of the given sequences stands at each place.
    targets : Tensor of shape (n_steps,), int64, or None
        Row of the item that follows each step.
    events : Events or None
        What is known of each step.
    weights : Tensor of shape (n_steps,), float32, or None
        How much each target counts.
    first_weights : Tensor of shape (n_sequences,), float32, or None
        How much each sequence's first item counts.
    visitors : Events or None
        What is known of whose each sequence is, place by place.
    """

    rows: Tensor
    packing: Packing
    order: np.ndarray
    targets: Tensor | None = None
    events: Events | None = None
    weights: Tensor | None = None
    first_weights: Tensor | None = None
    visitors: Events | None = None

    def event_tensors(self, device: torch.device) -> EventTensors | None:
        """Move what is known of steps to a device; None if nothing is."""
        return to_tensors(self.events, device)

    def visitor_tensors(self, device: torch.device) -> EventTensors | None:
        """Move what is known of visitors to a device; None if nothing is."""
        return to_tensors(self.visitors, device)


def to_tensors(events: Events | None, device: torch.device) -> EventTensors | None:
    """Move features of events, or of visitors, to a device; None if nothing is known of any."""
    if events is None or not events.blocks:
        return None
    is_known = None if events.rows is None else events.rows >= 0
    return to_event_tensors(events.select(), is_known, device)


def pack(sequences: Ragged, *, with_targets: bool, device: torch.device) -> PackedBatch:
    """Pack sequences for a sequence encoder.

    Parameters
    ----------
    sequences : Ragged of item rows
        None of them empty; with targets, none shorter than two. Their names, if they have any, are
        rows of users.
    with_targets : bool
        Whether each step's target is the item after it; the last item is then no step.
    device : torch.device
        Where the rows go.

    Returns
    -------
    PackedBatch
    """
    n_steps = sequences.lengths - 1 if with_targets else sequences.lengths
    order = np.argsort(-n_steps, kind="stable")
    times = np.arange(n_steps[order[0]])
    reached = times[:, None] < n_steps[order]
    flat = (times[:, None] + sequences.offsets[:-1][order])[reached]
    values, names = sequences.values, sequences.names
    users = None if names is None else torch.from_numpy(names[order].astype(np.int64))
    events, weights, first_weights = sequences.events, None, None
    if events is not None and events.weights is not None and with_targets:
        weights = torch.from_numpy(events.weights[flat + 1]).to(device)
        first_weights = torch.from_numpy(events.weights[flat[: len(order)]]).to(device)
    return PackedBatch(
        rows=_to_tensor(values[flat], device),
        packing=Packing(torch.from_numpy(reached.sum(axis=1, dtype=np.int64)), users),
        order=order,
        targets=_to_tensor(values[flat + 1], device) if with_targets else None,
        events=None if events is None else events.take(flat),
        weights=weights,
        first_weights=first_weights,
        visitors=sequences.visitors and sequences.visitors.take(order),
    )


def _to_tensor(rows: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(rows.astype(np.int64)).to(device)


def fixed_size_blocks(lengths: np.ndarray, max_steps: int) -> Iterator[tuple[int, int]]:
    """Cut sequences, in their order, into blocks of at most ``max_steps`` places.

    A block has as many places as it has sequences times the length of its longest, since that is
    what packing them takes; so a long sequence brings no crowd of short ones with it. A sequence
    longer than ``max_steps`` is a block of its own.

    Parameters
    ----------
    lengths : ndarray of shape (n_sequences,), int
        Each at least 1.
    max_steps : int

    Yields
    ------
    start, stop : int
    """
    start = 0
    while start < len(lengths):
        window = lengths[start : start + max_steps // int(lengths[start]) + 1]
        places = np.maximum.accumulate(window) * np.arange(1, len(window) + 1)
        stop = start + max(1, int(np.searchsorted(places, max_steps, side="right")))
        yield start, stop
        start = stop
