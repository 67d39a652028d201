"""Ragged rows, against lists of lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.ragged import Ragged

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=8)


def ragged(rows):
    values = np.array([v for row in rows for v in row], dtype=np.int32)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows]))


def lists(rows):
    return [rows[i].tolist() for i in range(len(rows))]


@given(ROWS)
def test_round_trip_lengths_and_row_numbers(rows):
    made = ragged(rows)
    assert lists(made) == rows
    assert len(made) == len(rows)
    assert made.lengths.tolist() == [len(row) for row in rows]
    assert made.row_numbers.tolist() == [i for i, row in enumerate(rows) for _ in row]
    assert made.offsets.dtype == np.int64


@given(ROWS, st.data())
def test_take_and_slice(rows, data):
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    assert lists(ragged(rows).take(np.array(numbers, dtype=int))) == [rows[i] for i in numbers]
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert lists(ragged(rows).slice_rows(start, stop)) == rows[start:stop]


@given(ROWS, st.integers(1, 7))
def test_cutting_the_end(rows, n):
    assert lists(ragged(rows).drop_last(n)) == [row[: max(len(row) - n, 0)] for row in rows]
    assert lists(ragged(rows).keep_last(n)) == [row[-n:] for row in rows]


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=6), min_size=1, max_size=8))
def test_last(rows):
    assert ragged(rows).last().tolist() == [row[-1] for row in rows]


@given(ROWS, st.data())
def test_where(rows, data):
    made = ragged(rows)
    n = len(made.values)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    kept = iter(mask.tolist())
    expected = [[value for value in row if next(kept)] for row in rows]
    assert lists(made.where(mask)) == expected


def test_slices_share_memory():
    made = ragged([[1, 2], [3], [4, 5]])
    assert np.shares_memory(made.slice_rows(1, 3).values, made.values)


def test_rows_of_objects():
    values = np.array(["a", "b", "c"], dtype=object)
    made = Ragged.from_lengths(values, np.array([2, 1]))
    assert lists(made.take(np.array([1, 0]))) == [["c"], ["a", "b"]]
    with pytest.raises(IndexError):
        made.take(np.array([5]))


def test_names_go_along():
    named = Ragged(np.arange(6), np.array([0, 2, 2, 6]), np.array(["a", "b", "c"]))
    assert named.take(np.array([2, 0])).names.tolist() == ["c", "a"]
    assert named.slice_rows(1, 3).names.tolist() == ["b", "c"]
    for same in (
        named.drop_last(),
        named.keep_last(1),
        named.where(named.values > 2),
        named.with_values(named.values * 2),
    ):
        assert same.names.tolist() == ["a", "b", "c"]
    assert named.and_then(named).names.tolist() == [*"abcabc"]
    unnamed = Ragged(named.values, named.offsets)
    assert named.and_then(unnamed).names is None
