"""Histories and what comes next."""

import numpy as np
import pytest

from embrec.data.ragged import Ragged
from embrec.data.targets import last_items, split_targets

IDS = np.array(["a", "b", "c"], dtype=object)
SEQUENCES = Ragged.from_lengths(IDS[[0, 1, 2, 1]], np.array([3, 1]))


def rows_of(ids, *, what):
    assert what in ("the last items of X", "y")
    return np.array([list(IDS).index(i) for i in ids])


def test_last_items_are_parted_from_the_rest():
    histories, targets = split_targets(SEQUENCES, None, rows_of)
    assert targets.tolist() == [2, 1]
    assert [histories[i].tolist() for i in range(2)] == [["a", "b"], []]


def test_given_targets_leave_histories_whole():
    histories, targets = split_targets(SEQUENCES, ["c", "a"], rows_of)
    assert targets.tolist() == [2, 0]
    assert histories is SEQUENCES
    with pytest.raises(ValueError, match="X has 2 sequences, y 1 items"):
        split_targets(SEQUENCES, ["c"], rows_of)


def test_nothing_has_no_last_item():
    empty = Ragged.from_lengths(IDS[:1], np.array([1, 0]))
    with pytest.raises(ValueError, match=r"1 of 2 sequences are empty \(the first is number 1\)"):
        last_items(empty)
