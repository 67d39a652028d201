"""Arrays that grow, against lists."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.data.growing import Growing, GrowingRagged, GrowingSparse, growing_like
from embrec.data.ragged import Ragged
from embrec.data.side_by_side import SideBySide


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), max_size=8))
def test_a_growing_array_is_a_list(parts):
    growing, truth = Growing((), np.int64), []
    for part in parts:
        growing.extend(np.array(part, dtype=np.int64))
        truth += part
        assert growing.values.tolist() == truth
        assert len(growing) == len(truth)


def test_what_was_handed_out_stays():
    growing = Growing((2,), np.float32)
    growing.extend(np.ones((1, 2)))
    before = growing.values
    growing.extend(np.zeros((5, 2)))
    assert before.tolist() == [[1, 1]]
    assert growing.values.shape == (6, 2)
    assert growing.values.dtype == np.float32


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_a_cut_array_grows_on(kind):
    growing = Growing((2,), np.float32) if kind == "dense" else GrowingSparse(2)
    wrap = np.asarray if kind == "dense" else sp.csr_array
    growing.extend(wrap(np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)))
    growing.cut(1)
    growing.extend(wrap(np.array([[7, 8]], dtype=np.float32)))
    values = growing.values if kind == "dense" else growing.values.toarray()
    assert values.tolist() == [[1, 2], [7, 8]]
    assert len(growing) == 2


ROWS = st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data())
def test_growing_rows_are_lists(rows, data):
    growing = GrowingRagged(
        Ragged.from_lengths(
            np.array([v for row in rows for v in row], dtype=np.int32),
            np.array([len(row) for row in rows]),
        )
    )
    truth, order = [list(row) for row in rows], np.arange(len(rows))[::-1]
    some = st.dictionaries(st.integers(0, len(rows) - 1), st.integers(0, 9))
    for step in data.draw(st.lists(some, max_size=12)):
        before = growing.take(order)
        growing.append(np.array(list(step), dtype=np.int64), np.array(list(step.values()), int))
        assert [before[i].tolist() for i in range(len(rows))] == truth[::-1]  # it stays
        for row, value in step.items():
            truth[row].append(value)
    assert growing.lengths.tolist() == [len(row) for row in truth]
    taken = growing.take(order)
    assert [taken[i].tolist() for i in range(len(rows))] == truth[::-1]


def test_rows_take_a_bounded_multiple_of_their_space():
    rows = GrowingRagged(Ragged(np.empty(0, dtype=np.int64), np.zeros(11, dtype=np.int64)))
    for i in range(1000):
        rows.append(np.array([i % 3]), np.array([i]))
    assert len(rows._values) <= 4 * 1000


def test_matrices_side_by_side_grow_and_are_cut_together():
    def rows(*values):
        dense = np.array(values, dtype=np.float32)[:, None]
        return SideBySide([dense, sp.csr_array(dense * [[0, 2]], dtype=np.float32)])

    grown = growing_like(rows(9))
    grown.extend(rows(1, 2, 3))
    grown.cut(1)
    grown.extend(rows(4))
    assert len(grown) == 2
    assert grown.values.parts[0].tolist() == [[1], [4]]
    assert grown.values.parts[1].toarray().tolist() == [[0, 2], [0, 8]]
