"""Logs and lists of sequences, against a loop over users."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.data.ids import IdIndex, check_ids
from embrec.data.interactions import LogColumns, encode, read_sequences

LIBRARIES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
library = pytest.mark.parametrize("convert", LIBRARIES.values(), ids=LIBRARIES.keys())
LOG = pd.DataFrame(
    {
        "user": ["u2", "u1", "u2", "u1", "u3"],
        "item": ["a", "b", "c", "d", "e"],
        "timestamp": [5, 9, 3, 1, 7],
    }
)


def lists(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


def naive(users, items, times):
    """Users in order of first appearance, each one's events by time, ties in order of rows."""
    sequences = {}
    for user, item, time in zip(users, items, times, strict=True):
        sequences.setdefault(user, []).append((time, item))
    return {u: [i for _, i in sorted(s, key=lambda e: e[0])] for u, s in sequences.items()}


@library
def test_a_small_log(convert):
    frame = LOG.copy()
    sequences, users = read_sequences(convert(frame))
    assert users.tolist() == ["u2", "u1", "u3"]
    assert lists(sequences) == [["c", "a"], ["d", "b"], ["e"]]
    pd.testing.assert_frame_equal(frame, LOG)


EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=40
)


@settings(deadline=None)
@given(EVENTS, st.booleans())
def test_any_log_in_any_order(events, text):
    users, items, times = map(list, zip(*events, strict=True))
    if text:
        users, items = [f"user {u}" for u in users], [f"{'x' * i}" for i in items]
    expected = naive(users, items, times)
    frame = pd.DataFrame({"user": users, "item": items, "timestamp": times})
    for convert in LIBRARIES.values():
        sequences, found = read_sequences(convert(frame))
        assert found.tolist() == list(expected)
        assert lists(sequences) == list(expected.values())
    as_lists, none = read_sequences(list(expected.values()))
    assert none is None
    assert lists(as_lists) == list(expected.values())


TIMES = {
    "dates": [date(2020, 1, 5), date(2020, 1, 9), date(2020, 1, 3), date(2020, 1, 1)],
    "durations": [timedelta(5), timedelta(9), timedelta(3), timedelta(1)],
    "floats": [0.5, 0.9, -np.inf, 0.1],
    "datetimes": list(pd.to_datetime(["2020-01-05", "2020-01-09", "2020-01-03", "1900-01-01"])),
    # in local time the third comes before the first
    "zoned": list(
        pd.to_datetime(
            ["2020-10-25 00:40Z", "2021-01-01 00:00Z", "2020-10-25 01:10Z", "2019-01-01 00:00Z"],
            utc=True,
        ).tz_convert("Europe/Berlin")
    ),
}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dates", [["c", "a"], ["d", "b"]]),
        ("durations", [["c", "a"], ["d", "b"]]),
        ("floats", [["c", "a"], ["d", "b"]]),
        ("datetimes", [["c", "a"], ["d", "b"]]),
        ("zoned", [["a", "c"], ["d", "b"]]),
    ],
)
@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_kinds_of_time(kind, expected, name):
    times = TIMES[kind]
    columns = {"user": ["u2", "u1", "u2", "u1"], "item": list("abcd")}
    if name == "polars":
        frame = pl.DataFrame({**columns, "timestamp": times})
    else:
        if kind == "dates":
            times = pd.to_datetime(times)
        frame = pd.DataFrame({**columns, "timestamp": times})
    assert lists(read_sequences(frame)[0]) == expected


@library
def test_without_times_the_order_of_rows_counts(convert):
    untimed = LOG.drop(columns="timestamp")
    assert lists(read_sequences(convert(untimed))[0]) == [["a", "c"], ["b", "d"], ["e"]]
    ignoring = LogColumns(timestamp=None)
    assert lists(read_sequences(convert(LOG), ignoring)[0]) == [["a", "c"], ["b", "d"], ["e"]]


@library
def test_times_under_another_name_are_not_overlooked(convert):
    frame = LOG.assign(ts=pd.to_datetime(LOG["timestamp"], unit="D")).drop(columns="timestamp")
    with pytest.warns(UserWarning, match=r"\['ts'\] seems to hold times. Pass timestamp_col='ts'"):
        sequences, _ = read_sequences(convert(frame))
    assert lists(sequences) == [["a", "c"], ["b", "d"], ["e"]]
    named = read_sequences(convert(frame), LogColumns(timestamp="ts"))[0]
    assert lists(named) == [["c", "a"], ["d", "b"], ["e"]]
    assert lists(read_sequences(convert(frame), LogColumns(timestamp=None))[0]) == lists(sequences)


@pytest.mark.parametrize("make", [pd.date_range, pd.period_range])
def test_times_in_the_index_are_not_overlooked(make):
    frame = LOG.drop(columns="timestamp").set_axis(make("2024-01-01", periods=len(LOG)), axis=0)
    with pytest.warns(UserWarning, match=r"its index holds times.*names='timestamp'"):
        read_sequences(frame)
    read_sequences(frame, LogColumns(timestamp=None))


def test_ids_are_no_times_under_another_name():
    ids = [1_500_000_003, 1_500_000_001, 1_500_000_002]
    frame = pd.DataFrame({"user": ids, "item": ids})
    assert lists(read_sequences(frame)[0]) == [[i] for i in ids]
    with pytest.warns(UserWarning, match=r"\['seconds'\] seems to hold times"):
        read_sequences(frame.assign(seconds=ids))


def test_ids_of_categories_and_dictionaries():
    frame = LOG.astype({"user": "category", "item": "category"})
    expected = [["c", "a"], ["d", "b"], ["e"]]
    assert lists(read_sequences(frame)[0]) == expected
    assert lists(read_sequences(pl.from_pandas(frame))[0]) == expected
    assert lists(read_sequences(pa.Table.from_pandas(frame))[0]) == expected
    numbers = LOG.assign(item=pd.Series([1, 2, 3, 4, 5], dtype="category"))
    assert lists(read_sequences(numbers)[0]) == [[3, 1], [4, 2], [5]]


@pytest.mark.parametrize("dtype", ["int8", "uint32", "Int32", "int64[pyarrow]"])
def test_integer_ids(dtype):
    frame = LOG.assign(item=pd.Series([1, 2, 3, 4, 5], dtype=dtype))
    sequences, _ = read_sequences(frame)
    assert sequences.values.dtype == np.int64
    assert lists(sequences) == [[3, 1], [4, 2], [5]]


@pytest.mark.parametrize(
    "rows",
    [
        [["a", "b"], ["c"], []],
        [("a", "b"), ("c",), ()],
        [np.array(["a", "b"]), np.array(["c"]), np.array([], dtype=object)],
        [pd.Series(["a", "b"]), pd.Series(["c"]), pd.Series([], dtype=object)],
        (["a", "b"], ("c",), []),
        pd.Series([["a", "b"], ["c"], []], index=[5, 3, 5]),
    ],
    ids=["lists", "tuples", "arrays", "series", "tuple of rows", "series of rows"],
)
def test_forms_of_sequences(rows):
    assert lists(read_sequences(rows)[0]) == [["a", "b"], ["c"], []]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda f: f.drop(columns="user"),
            ValueError,
            r"no column 'user'; its columns are .*user_col=",
        ),
        (lambda f: f.drop(columns="item"), ValueError, r"X has no column 'item'"),
        (lambda f: f.head(0), ValueError, "X is empty"),
        (
            lambda f: f.assign(item=["a", None, "b", "c", "d"]),
            ValueError,
            r"X\['item'\]: 1 of 5 ids are missing",
        ),
        (
            lambda f: f.assign(user=[1, 2, None, 1, 2]),
            ValueError,
            r"X\['user'\]: 1 of 5 ids are missing",
        ),
        (lambda f: f.assign(item=[1.5] * 5), TypeError, r"X\['item'\]: .* got floating"),
        (
            lambda f: f.assign(timestamp=list("abcde")),
            TypeError,
            "no order in time; .*pandas.to_datetime",
        ),
        (
            lambda f: f.assign(timestamp=[1, None, 2, 3, 4]),
            ValueError,
            r"missing in 1 of 5 rows \(the first is row 1\)",
        ),
        (lambda f: f.assign(timestamp=[True] * 5), TypeError, "no order in time"),
    ],
)
@library
def test_logs_that_cannot_be_read(change, error, message, convert):
    with pytest.raises(error, match=message):
        read_sequences(convert(change(LOG)))


def test_times_that_are_no_numbers_in_polars():
    frame = pl.DataFrame({"user": [1, 1], "item": [1, 2], "timestamp": [1.0, float("nan")]})
    with pytest.raises(ValueError, match="NaN in 1 of 2 rows"):
        read_sequences(frame)


def test_objects_as_times():
    mixed = LOG.assign(timestamp=[1, "a", None, 2, 3])
    with pytest.raises((TypeError, ValueError), match="timestamp"):
        read_sequences(mixed)


def test_a_column_of_ones_own_must_be_there():
    with pytest.raises(ValueError, match="no column 'when'"):
        read_sequences(LOG, LogColumns(timestamp="when"))


def test_repeated_column_names():
    frame = pd.concat([LOG, LOG["item"]], axis=1)
    with pytest.raises(ValueError, match=r"(?s)X could not be read as a table.*'item' 2 times"):
        read_sequences(frame)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            ["a", "b"],
            TypeError,
            r"holds 'a' of type str\. If it is one user's sequence, pass \[X\]",
        ),
        ([["a"], None], TypeError, "NoneType"),
        ([{"a"}], TypeError, "of type set"),
        ("abc", TypeError, "got str"),
        ({"a": [1]}, TypeError, "got dict"),
        (5, TypeError, "got int"),
        ([], ValueError, "X is empty"),
        ([["a", None]], ValueError, "missing"),
        ([["a", 1]], TypeError, r"mixed.*Convert them to one kind\.$"),
        (LOG.to_numpy(), TypeError, r"of shape \(\d+, \d+\).*If X was a log, pass the table as it"),
        (LOG[["user", "item"]].to_numpy(), TypeError, r"If X was a log, pass the table as it"),
        (np.array([[1, 2], [3, 4]]), TypeError, r"if they are sequences, pass X\.tolist\(\)\.$"),
        (LOG.drop(columns="user"), ValueError, "If this is the catalogue, pass it as items="),
        (LOG.pipe(pl.from_pandas).lazy(), TypeError, "lazy frame"),
        (np.array([1, 2]), TypeError, "int64"),
    ],
)
def test_what_is_neither_a_log_nor_sequences(X, error, message):
    with pytest.raises(error, match=message):
        read_sequences(X)


@pytest.mark.parametrize("other", [[4], np.array([4]), np.ma.array([4])])
def test_masked_ids_in_sequences(other):
    with pytest.raises((ValueError, TypeError), match=r"missing|all strings or all integers"):
        read_sequences([np.ma.array([1, 2], mask=[False, True]), other])
    assert read_sequences([np.ma.array([1, 2]), other])[0].values.tolist() == [1, 2, 4]


# ---- encoding


def test_unknown_items_are_named_with_the_trap():
    sequences, _ = read_sequences([["a", "x"], ["y", "x"], ["b"]])
    ids = IdIndex(check_ids(["b", "a"], what="ids"))
    with pytest.raises(
        ValueError, match=r"2 item ids in X .* of 2 items \(3 interactions\): 'x', 'y'"
    ) as e:
        encode(sequences, ids)
    assert "as many rows as X; pass items=embrec.Whole(items)" in str(e.value)
    coded = encode(sequences, ids, on_unknown="skip")
    assert lists(coded) == [[1], [], [0]]
    assert coded.values.dtype == np.int32


def test_integers_against_a_catalogue_of_strings():
    sequences, _ = read_sequences([[1, 2]])
    with pytest.raises(TypeError, match="X holds integers .* catalogue's item ids are strings"):
        encode(sequences, IdIndex(check_ids(["1"], what="ids")))


def test_histories_that_are_all_empty():
    sequences, _ = read_sequences([[], []])
    assert lists(encode(sequences, IdIndex(check_ids([1, 2], what="ids")))) == [[], []]


def test_the_catalogue_may_have_integers_of_another_width():
    ids = IdIndex(check_ids(np.array([7, 300], dtype=np.int16), what="ids"))
    for dtype in ("int32", "uint64", "Int64", "int64[pyarrow]"):
        log = pd.DataFrame({"user": [1, 1], "item": pd.Series([300, 7], dtype=dtype)})
        assert lists(encode(read_sequences(log)[0], ids)) == [[1, 0]]


def test_the_name_of_what_is_encoded_is_in_the_message():
    sequences, _ = read_sequences([["x"]], what="X_val")
    with pytest.raises(ValueError, match="1 item ids in X_val are not in the catalogue"):
        encode(sequences, IdIndex(check_ids(["a"], what="ids")), what="X_val")


# ---- ids of every kind


def test_arrays_of_strings_of_several_widths_give_pythons_own():
    sequences, _ = read_sequences([np.array(["abc", "b"]), np.array(["abcdefg"])])
    assert lists(sequences) == [["abc", "b"], ["abcdefg"]]
    assert {type(value) for value in sequences.values} == {str}


NO_IDS = {
    "None": ["a", None],
    "NaN": ["a", np.nan],
    "NA": pd.Series(["a", pd.NA], dtype="string"),
    "NaT": np.array(["a", pd.NaT], dtype=object),
    "no category": pd.Categorical(["a", None]),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "float for want of a null": [1, None],
    "arrow": pd.Series([1, None], dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize("name", NO_IDS)
def test_missing_ids_in_pandas(name, column):
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["a", "b"]})
    with pytest.raises(ValueError, match=rf"X\['{column}'\]: 1 of 2 ids are missing .*position 1"):
        read_sequences(frame.assign(**{column: NO_IDS[name]}))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1, None]),
        pl.Series(["a", None]),
        pl.Series(["a", None], dtype=pl.Categorical),
        pa.array([1, None]),
        pa.array(["a", None]),
        pa.array(["a", None]).dictionary_encode(),
    ],
    ids=["pl int", "pl str", "pl category", "arrow int", "arrow str", "arrow dictionary"],
)
def test_missing_ids_in_polars_and_arrow(column):
    make = pl.DataFrame if isinstance(column, pl.Series) else pa.table
    with pytest.raises(ValueError, match=r"X\['item'\]: 1 of 2 ids are missing"):
        read_sequences(make({"user": ["u", "u"], "item": column}))


ENUM = pl.Enum(["a", "b"])


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pa.table({"user": ["u", "u"], "item": pa.array(["b", "a"]).dictionary_encode()}), "ba"),
        (pa.table({"user": ["u", "u"], "item": pa.array([5, 6]).dictionary_encode()}), [5, 6]),
        (pa.table({"user": ["u", "u"], "item": pa.chunked_array([["b"], ["a"]])}), "ba"),
        (pa.table({"user": ["u", "u"], "item": pa.array(["b", "a"], pa.large_string())}), "ba"),
        (pl.DataFrame({"user": [1, 1], "item": pl.Series("ba", ["b", "a"], pl.Categorical)}), "ba"),
        (
            pl.DataFrame(
                {"user": [1, 1], "item": pl.Series("ba", ["b", "a"], pl.Enum(["a", "b"]))}
            ),
            "ba",
        ),
        (pl.DataFrame({"user": [1, 1], "item": pl.Series("n", [5, 6], pl.UInt8)}), [5, 6]),
    ],
)
def test_encodings_of_polars_and_arrow(frame, expected):
    assert lists(read_sequences(frame)[0]) == [list(expected)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, 2.0], "floating"),
        ([True, False], "boolean"),
        ([b"a", b"b"], "bytes"),
        (pd.date_range("2020", periods=2), "datetime"),
        ([("a", 1), ("b", 2)], "mixed"),
    ],
    ids=["floats", "booleans", "bytes", "times", "tuples"],
)
@pytest.mark.parametrize("column", ["user", "item"])
def test_ids_of_another_kind(values, kind, column):
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["a", "b"]}).assign(**{column: values})
    with pytest.raises(TypeError, match=rf"X\['{column}'\]: ids must be all strings .*got {kind}"):
        read_sequences(frame)


# ---- times


@library
def test_the_hour_that_comes_twice(convert):
    """As Berlin leaves summer time, 02:40 comes before 02:10 of the second time round."""
    instants = pd.to_datetime(
        ["2020-10-25 01:10Z", "2020-10-25 00:40Z", "2020-10-25 01:40Z"], utc=True
    )
    local = instants.tz_convert("Europe/Berlin")
    assert local.hour.tolist() == [2, 2, 2]
    frame = pd.DataFrame({"user": ["u"] * 3, "item": list("bac"), "timestamp": local})
    assert lists(read_sequences(convert(frame))[0]) == [["a", "b", "c"]]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20),
    st.sampled_from(["int32", "float32", "Int64", "datetime64[s]", "timedelta64[ns]", "zoned"]),
)
def test_times_of_any_kind_sort_as_their_numbers(seconds, kind):
    numbers = pd.Series(seconds)
    if kind == "zoned":
        times = pd.to_datetime(numbers, unit="s", utc=True).dt.tz_convert("America/Lima")
    else:
        times = numbers.astype("int64").astype(kind)
    rows = range(len(seconds))
    frame = pd.DataFrame({"user": 0, "item": rows, "timestamp": times})
    expected = sorted(rows, key=lambda row: seconds[row])
    for convert in LIBRARIES.values():
        assert lists(read_sequences(convert(frame))[0]) == [expected]


def test_times_that_are_no_numbers_in_arrow():
    columns = {"user": [1, 1], "item": [1, 2]}
    with pytest.raises(ValueError, match="NaN in 1 of 2 rows"):
        read_sequences(pa.table({**columns, "timestamp": [1.0, float("nan")]}))
    backed = pd.Series(pa.array([1.0, float("nan")]), dtype=pd.ArrowDtype(pa.float64()))
    with pytest.raises(ValueError, match="NaN in 1 of 2 rows"):
        read_sequences(pd.DataFrame({**columns, "timestamp": backed}))


@pytest.mark.parametrize(
    "times",
    [
        pd.period_range("2020", periods=5),
        [1j] * 5,
        [date(2020, 1, 1)] * 5,
        LOG["user"].astype("category"),
    ],
    ids=["periods", "complex", "dates as objects", "categories"],
)
def test_times_without_an_order(times):
    with pytest.raises(TypeError, match=r"X\['timestamp'\] has dtype .* no order in time"):
        read_sequences(LOG.assign(timestamp=times))


# ---- what comes in stays as it was


@library
def test_tables_stay_as_they_were(convert):
    zoned = pd.to_datetime(LOG["timestamp"], unit="h", utc=True).dt.tz_convert("Asia/Tokyo")
    frame = LOG.assign(timestamp=zoned).set_axis([3, 3, "x", 1, 0])
    table, untouched = convert(frame), convert(frame.copy(deep=True))
    read_sequences(table)
    assert table.equals(untouched)


def test_sequences_stay_as_they_were():
    rows = [["b", "a"], np.array([]), ("c",), pd.Series(["d", "e"])]
    read_sequences(rows)
    assert rows[0] == ["b", "a"]
    assert rows[2] == ("c",)
    assert rows[3].tolist() == ["d", "e"]


# ---- messages


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_list_of_tables_is_no_list_of_sequences(make):
    with pytest.raises(TypeError, match="of type (DataFrame|Table)"):
        read_sequences([make({"user": ["u"], "item": ["a"]})])


@pytest.mark.parametrize(
    "X",
    [(row for row in [["a"]]), iter([["a"]]), pa.array([["a"]]), None, object()],
    ids=lambda X: type(X).__name__,
)
def test_what_can_be_read_only_once_or_not_at_all(X):
    with pytest.raises(TypeError, match="expected a log table .* or a list of sequences"):
        read_sequences(X)


def test_messages_stay_short():
    long_id, wide = "x" * 10_000, pd.DataFrame(np.zeros((1, 5000))).add_prefix("column ")
    ids = IdIndex(check_ids(["a"], what="ids"))
    calls = [
        lambda: encode(read_sequences([[long_id]])[0], ids),
        lambda: read_sequences([[long_id, 1]]),
        lambda: read_sequences([{long_id}]),
        lambda: read_sequences([set(range(10_000))]),
        lambda: read_sequences(wide, LogColumns(user="who")),
        lambda: read_sequences(wide.head(0)),
    ]
    for call in calls:
        with pytest.raises((ValueError, TypeError)) as e:
            call()
        assert len(str(e.value)) < 1000
