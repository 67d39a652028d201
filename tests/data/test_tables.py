"""Columns of three libraries."""

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
