"""What is known of events goes with them, wherever they go."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from embrec.data.events import Events, as_seconds, check_weights, join_events
from embrec.data.interactions import LogColumns, read_sequences
from embrec.data.ragged import Ragged

ROWS = st.lists(st.lists(st.integers(0, 99), max_size=5), min_size=1, max_size=6)


def ragged(rows, *, implicit):
    """Rows whose every value is known by its number, of which all is ten times that."""
    lengths = np.array([len(row) for row in rows])
    values = np.array([v for row in rows for v in row], dtype=np.int64)
    n = len(values)
    table = np.arange(n, dtype=np.float32)[:, None] * 10
    numbers, weights, times = np.arange(n), np.arange(n, dtype=np.float32), np.arange(n) / 2
    if not implicit:  # the table in another order
        numbers, table = n - 1 - numbers, table[::-1]
    events = Events(None if implicit else numbers, None, [table], weights, times)
    return Ragged.from_lengths(values, lengths).with_events(events)


def check(found, values_by_number):
    """Each value must still be beside what is known of its number."""
    numbers = found.events.weights.astype(int)
    assert_array_equal(found.values, values_by_number[numbers])
    (features,) = found.events.select()
    assert_array_equal(np.asarray(features)[:, 0], numbers * 10)
    assert_array_equal(found.events.times, numbers / 2)


@given(rows=ROWS, implicit=st.booleans(), data=st.data())
def test_they_go_along_with_their_values(rows, implicit, data):
    given_rows = ragged(rows, implicit=implicit)
    values, n = given_rows.values, len(rows)
    check(given_rows, values)
    some = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=4)), dtype=np.int64)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    start = data.draw(st.integers(0, n))
    results = (
        given_rows.take(some),
        given_rows.drop_last(),
        given_rows.keep_last(2),
        given_rows.where(mask.astype(bool)),
        given_rows.slice_rows(start, n),
        given_rows.take(np.arange(n)[::-1]).drop_last().keep_last(3),
    )
    for found in results:
        check(found, values)
    assert given_rows.with_values(values + 1).events is given_rows.events


@pytest.mark.parametrize("sparse", [False, True])
def test_what_two_logs_say_is_joined(sparse):
    make = (lambda m: sp.csr_array(m)) if sparse else (lambda m: m)
    first = Ragged.from_lengths(np.array([1, 2, 3]), np.array([2, 1])).with_events(
        Events(np.array([1, -1, 0]), None, [make(np.float32([[5], [7]]))])
    )
    second = Ragged.from_lengths(np.array([4, 5]), np.array([2])).with_events(
        Events(None, None, [make(np.float32([[8], [9]]))], weights=np.float32([2, 3]))
    )
    nothing = Ragged.from_lengths(np.array([6]), np.array([1]))
    joined = first.and_then(nothing).and_then(second)
    assert joined.events.rows.tolist() == [1, -1, 0, -1, 2, 3]
    (block,) = joined.events.blocks
    assert sp.issparse(block) == sparse
    assert np.asarray(block.todense() if sparse else block)[:, 0].tolist() == [5, 7, 8, 9]
    assert joined.events.weights.tolist() == [1, 1, 1, 1, 2, 3]
    assert nothing.and_then(nothing).events is None
    assert join_events(None, 2, Events(weights=np.ones(1, np.float32)), 1).rows.tolist() == [-1] * 3


TIMES = {
    "numbers": [50, 10, 30, 12, 10],
    "datetimes": pd.to_datetime(["1970-01-01"] * 5) + pd.to_timedelta([50, 10, 30, 12, 10], "s"),
    "durations": pd.to_timedelta([50, 10, 30, 12, 10], "s"),
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("kind", TIMES)
def test_gaps_are_since_the_same_users_event_before(make, kind):
    times = TIMES[kind]
    table = {"user": list("abaab"), "item": list("vwxyz"), "timestamp": times, "n": range(5)}
    log = make(
        {k: list(v) if make is not pa.table else pa.array(list(v)) for k, v in table.items()}
    )
    sequences, users = read_sequences(log, with_events=True)
    events = sequences.events
    assert users.tolist() == ["a", "b"]
    assert "".join(sequences.values) == "yxvwz"
    n = type(log)(events.table)["n"] if make is pd.DataFrame else events.table["n"]
    assert np.asarray(n)[events.rows].tolist() == [3, 2, 0, 1, 4]
    gaps = np.asarray(events.table["gap"], dtype=np.float64)[events.rows]
    assert_array_equal(gaps, [np.nan, 18, 20, np.nan, 0])
    assert_allclose(events.times, [12, 30, 50, 10, 10])
    columns = events.table.column_names if make is pa.table else list(events.table.columns)
    assert columns == ["timestamp", "n", "gap"]


def test_without_times_there_are_no_gaps():
    log = pd.DataFrame({"user": [1, 1], "item": [5, 6]}, index=[9, 9])
    events = read_sequences(log, LogColumns(timestamp=None), with_events=True)[0].events
    assert events.table["gap"].isna().all()
    assert events.times is None
    assert read_sequences(log)[0].events is None


def test_a_column_of_our_name_is_an_error():
    log = pd.DataFrame({"user": [1], "item": [5], "gap": [2]})
    with pytest.raises(ValueError, match="has a column 'gap', which is the name .* Rename"):
        read_sequences(log, with_events=True)
    read_sequences(log)  # nobody reads it


def test_weights_go_to_the_rows_they_were_given_for():
    log = pd.DataFrame({"user": [1, 2, 1], "item": [5, 6, 7], "timestamp": [9, 1, 3]})
    found, _ = read_sequences(log, weights=[0.5, 2, 1])
    assert found.values.tolist() == [7, 5, 6]
    assert_allclose(found.events.weights, np.array([1, 0.5, 2]) * 6 / 7)  # 1 on average
    assert found.events.weights.dtype == np.float32
    lists, _ = read_sequences([["a", "b"], ["c"]], weights=pd.Series([True, False, True]))
    assert lists.events.weights.tolist() == [1.5, 0, 1.5]
    large, _ = read_sequences([["a", "b"]], weights=[1e308, 1e308])
    assert large.events.weights.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"one number for each of the 3 events of X; got shape \(2,\)"),
        ([[1, 2, 3]], r"got shape \(1, 3\)"),
        ([1, -1, 2], "none negative; got -1.0 for number 1, and 1 such in all"),
        ([1, 2, np.nan], "got nan for number 2"),
        ([np.inf, 2, 1], "got inf for number 0"),
        ([0, 0, 0], "0 for all events of X, so that none counts"),
    ],
)
def test_weights_must_be_numbers_one_each(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 3)


def test_weights_must_be_numbers():
    with pytest.raises(TypeError, match="sample_weight must hold numbers; got dtype <U1"):
        check_weights(["a", "b"], 2)


def test_a_digest_tells_what_is_known_apart():
    def digest(events):
        from hashlib import blake2b

        found = blake2b()
        events.update_digest(found)
        return found.hexdigest()

    block = np.float32([[1], [2]])
    all_different = [
        Events(None, None, [block]),
        Events(np.array([1, 0]), None, [block]),
        Events(np.array([0, -1]), None, [block]),
        Events(None, None, [block], np.float32([1, 2])),
        Events(None, None, [block + 1]),
    ]
    assert len({digest(events) for events in all_different}) == len(all_different)


def test_seconds_of_any_times():
    assert as_seconds(np.array([1.5, 2])).tolist() == [1.5, 2]
    moments = np.array(["1970-01-01T00:00:01.5", "1970-01-02"], dtype="datetime64[ms]")
    assert as_seconds(moments).tolist() == [1.5, 86400]
