"""Counts of rows, against a counter."""

from collections import Counter

import numpy as np
import pytest

from embrec.baselines._counts import count_items, counts_of
from embrec.data.ragged import Ragged


@pytest.mark.parametrize("lengths", [[3, 0, 4], [0, 0], []], ids=["some", "empty", "none"])
def test_every_event_counts_once(lengths):
    values = np.array([2, 0, 2, 4, 2, 4, 0])[: sum(lengths)]
    sequences = Ragged.from_lengths(values.astype(np.int64), np.array(lengths, dtype=np.int64))
    counted = Counter(values.tolist())
    counts = count_items(sequences, 6)
    assert counts.dtype == np.int64
    assert counts.tolist() == [counted[row] for row in range(6)]


def test_rows_newer_than_the_counts_have_none():
    counts = np.array([5, 0, 2**40])
    assert counts_of(counts, np.array([2, 3, 0, 99, 1])).tolist() == [2**40, 0, 5, 0, 0]
    assert counts_of(counts, np.array([], dtype=np.int64)).tolist() == []
