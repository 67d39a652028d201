"""Packed sequences, against lists and loops."""

import numpy as np
import pytest
import torch
from gru_reference import CPU, make_sequences
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.ragged import Ragged
from embrec.network.packing import Packing, fixed_size_blocks, pack


@pytest.mark.parametrize("with_targets", [True, False])
def test_pack_orders_steps_by_time(with_targets):
    sequences = make_sequences([2, 5, 3, 2])
    batch = pack(sequences, with_targets=with_targets, device=CPU)
    lists = [sequences[i].tolist() for i in (1, 2, 0, 3)]  # longest first, ties in order
    assert batch.order.tolist() == [1, 2, 0, 3]
    steps = [(s[:-1], s[1:]) if with_targets else (s, s) for s in lists]
    rows, targets, sizes = [], [], []
    for time in range(max(len(read) for read, _ in steps)):
        reaching = [(read[time], after[time]) for read, after in steps if len(read) > time]
        sizes.append(len(reaching))
        rows += [read for read, _ in reaching]
        targets += [after for _, after in reaching]
    assert batch.rows.tolist() == rows
    assert batch.packing.batch_sizes.tolist() == sizes
    assert batch.packing.users is None
    if with_targets:
        assert batch.targets.tolist() == targets
    else:
        assert batch.targets is None


def test_users_go_with_their_sequences():
    lengths = np.array([2, 5, 3, 2])
    sequences = Ragged.from_lengths(np.zeros(12, np.int32), lengths)
    named = Ragged(sequences.values, sequences.offsets, np.array([7, -1, 4, 5], np.int32))
    packing = pack(named, with_targets=True, device=CPU).packing
    assert packing.users.tolist() == [-1, 4, 7, 5]
    assert packing.users.dtype == torch.int64


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_lanes_and_last_steps(lengths):
    packing = pack(make_sequences(lengths), with_targets=False, device=CPU).packing
    lanes, last_steps, n_steps = [], [None] * len(lengths), 0
    for time in range(max(lengths)):
        for lane, length in enumerate(sorted(lengths, reverse=True)):
            if time < length:
                lanes.append(lane)
                last_steps[lane] = n_steps
                n_steps += 1
    assert packing.n_sequences == len(lengths)
    assert packing.lanes.tolist() == lanes
    assert packing.last_steps.tolist() == last_steps
    assert packing.lanes.dtype == packing.last_steps.dtype == torch.int64


def test_a_single_sequence():
    packing = Packing(torch.ones(4, dtype=torch.int64))
    assert packing.n_sequences == 1
    assert packing.lanes.tolist() == [0, 0, 0, 0]
    assert packing.last_steps.tolist() == [3]


def test_blocks_hold_no_more_steps_than_allowed():
    lengths = np.array([3, 3, 9, 1, 1, 1, 4])
    blocks = list(fixed_size_blocks(lengths, 6))
    assert blocks == [(0, 2), (2, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_the_last_steps_lie_as_if_there_were_no_others(n):
    lengths = np.array([3, 1, 4, 2, 4])
    whole = Ragged.from_lengths(np.arange(lengths.sum()), lengths)
    batch = pack(whole, with_targets=False, device=torch.device("cpu"))
    rows, packing = batch.packing.of_last(n)
    expected = pack(
        whole.take(batch.order).keep_last(n), with_targets=False, device=torch.device("cpu")
    )
    assert expected.order.tolist() == list(range(5))  # those of equal length keep their places
    assert batch.rows[rows].tolist() == expected.rows.tolist()
    assert packing.batch_sizes.tolist() == expected.packing.batch_sizes.tolist()
