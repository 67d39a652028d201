"""Columns of three libraries."""

import datetime
import zoneinfo

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from embrec.data.tables import (
    MissingColumnError,
    check_table,
    column_values,
    columns_of_times,
    get_column,
    is_table,
    name_columns,
    sort_keys,
)

FRAME = pd.DataFrame({"item": [3, 1], "time": [2.5, 1.5]})
LIBRARIES = [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas]


def column(values, name="time"):
    return nw.from_native(values, series_only=True).alias(name)


@pytest.mark.parametrize("convert", LIBRARIES, ids=["pandas", "polars", "arrow"])
def test_a_table_of_any_library(convert):
    table = convert(FRAME)
    assert is_table(table)
    frame = check_table(table, what="X")
    assert column_values(frame["item"]).tolist() == [3, 1]
    assert column_values(frame["item"]).dtype == np.int64
    assert sort_keys(frame["time"], what="X['time']").tolist() == [2.5, 1.5]


@pytest.mark.parametrize("data", [[["a"]], {"item": [1]}, np.ones((2, 2)), "log.csv", None])
def test_what_is_no_table(data):
    assert not is_table(data)
    with pytest.raises(TypeError, match="X must be a table"):
        check_table(data, what="X")


def test_tables_that_cannot_be_read():
    lazy = pl.from_pandas(FRAME).lazy()
    assert is_table(lazy)
    with pytest.raises(TypeError, match=r"X is a lazy frame; call \.collect\(\)"):
        check_table(lazy, what="X")
    with pytest.raises(ValueError, match=r"X is empty: it has columns \['item', 'time'\]"):
        check_table(FRAME.head(0), what="X")


def test_a_column_that_is_not_there():
    frame = check_table(FRAME, what="X")
    with pytest.raises(MissingColumnError, match=r"^X has no column 'user'.*\. Name it\.$") as e:
        get_column(frame, "user", what="X", hint="Name it.")
    assert isinstance(e.value, KeyError)
    assert isinstance(e.value, ValueError)


def test_many_columns_are_named_in_part():
    wide = check_table(pd.DataFrame(np.zeros((1, 5))).add_prefix("c"), what="X")
    assert name_columns(wide, limit=2) == "['c0', 'c1'] and 3 more"
    assert name_columns(wide, limit=5).endswith("'c4']")


def test_integers_beside_a_null_stay_integers():
    for values in (pd.Series([2**60 + 1, None], dtype="Int64"), pl.Series([2**60 + 1, None])):
        first = column_values(column(values))[0]
        assert (first, isinstance(first, float)) == (2**60 + 1, False)


def test_times_of_zones_sort_as_moments():
    times = pd.Series(pd.to_datetime(["2024-01-01T01:00", "2024-01-01T02:00"]))
    keys = sort_keys(column(times.dt.tz_localize("Asia/Tokyo")), what="t")
    expected = np.array(["2023-12-31T16:00", "2023-12-31T17:00"], dtype="datetime64[m]")
    assert (keys == expected).all()


DAYS = np.array([3, 1, 2], dtype="datetime64[D]").astype("datetime64[us]")


def test_times_of_every_zone():
    """Of pandas, whose names narwhals would read, and of pyarrow inside pandas."""
    utc = pd.Series(DAYS).dt.tz_localize("UTC")
    named = sorted(zoneinfo.available_timezones() - {"Factory"})  # which pandas 2 does not know
    zones = [*named, datetime.timezone(datetime.timedelta(0, 60))]
    assert len(zones) > 400
    wrong = []
    for zone in zones:
        times = utc.dt.tz_convert(zone)
        unused = columns_of_times(nw.from_native(pd.DataFrame({"time": times})))
        if unused != ["time"] or (sort_keys(column(times), what="t") != DAYS).any():
            wrong.append(zone)
    assert not wrong
    backed = utc.astype(pd.ArrowDtype(pa.timestamp("us", "America/New_York")))
    assert (sort_keys(column(backed), what="t") == DAYS).all()


@pytest.mark.parametrize("convert", LIBRARIES, ids=["pandas", "polars", "arrow"])
def test_columns_that_seem_to_hold_times(convert):
    seconds = np.array([1_400_000_000, 1_500_000_000, 1_450_000_000])
    times = pd.DataFrame(
        {
            "datetime": DAYS,
            "date": pd.Series(DAYS).dt.date,
            "object": pd.Series([day.to_pydatetime() for day in pd.Series(DAYS)], dtype=object),
            "iso": ["2024-01-03T10:00", "2024-01-01", None],
            "slashes": ["2024/1/3 10:00", "2024/1/1", "2024/1/2"],
            "s": seconds,
            "float": seconds + 0.5,
            "ms": seconds * 10**3,
            "us": seconds * 10**6,
            "ns": seconds * 10**9,
            "NaN": np.where([True, False, True], seconds, np.nan),
            "0 for missing": np.where([True, False, True], seconds, 0),
            "text of s": seconds.astype(str),
            "text of ms": (seconds * 10**3).astype(str),
            "basic": ["20240131T101010", "20240201", "20231231T0000"],
            "day": [20240131, 20240201, 0],
        }
    )
    others = pd.DataFrame(
        {
            "rating": [1, 5, 3],
            "price": [9.99, 1e9, 5],
            "isbn": ["0972683275", "1400000000", "1500000000"],
            "code": ["2024-01-0345", "x", "y"],
            "mixed": ["2024-01-03", "soon", "2024-01-02"],
            "empty": pd.Series([None] * 3, dtype=object),
            "flag": [True, False, True],
            "eight digits": [20240131, 20241301, 20240101],
            "zeros": [0, 0, 0],
            "long": ["1400000000", "14000000001", "1500000000"],
        }
    )
    frame = nw.from_native(convert(pd.concat([others, times], axis=1)))
    assert columns_of_times(frame) == list(times)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (pd.Series(["1", "2"]), TypeError, "no order in time"),
        (pd.Series([True, False]), TypeError, "no order in time"),
        (pd.Series([1.0, None]), ValueError, r"t is missing in 1 of 2 rows \(the first is row 1\)"),
        (pl.Series([1.0, float("nan")]), ValueError, "t is NaN in 1 of 2 rows"),
    ],
)
def test_times_without_an_order(values, error, message):
    with pytest.raises(error, match=message):
        sort_keys(column(values), what="t")


def test_periods_are_times():
    frame = pd.DataFrame({"month": pd.period_range("2024-01", periods=3, freq="M")})
    assert columns_of_times(nw.from_native(frame)) == ["month"]


@pytest.mark.parametrize("name", [0, ("a", "b"), None])
def test_columns_must_be_named_by_text(name):
    with pytest.raises(TypeError, match=r"Columns of items must be named by text; got \["):
        check_table(pd.DataFrame({name: [1], "item": ["a"]}), what="items")
