"""Reading columns of pandas, polars and pyarrow tables, through narwhals."""

import datetime
import re
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd

#: A pandas or polars DataFrame, or a pyarrow Table.
Table: TypeAlias = Any

#: Rows that are looked at to tell what a column holds.
N_LOOKED_AT = 1000
_ISO_DATE = re.compile(
    r"\d{4}([-/])\d{1,2}\1\d{1,2}([T ]|$)|(19|20)\d\d(0\d|1[0-2])([0-2]\d|3[01])(T\d{2,}|$)"
)
#: Of seconds, milliseconds, microseconds or nanoseconds since 1970.
_UNIX_TEXT = re.compile(r"[1-9]\d{9}(\d{3}){0,3}")
#: Seconds since 1970 of the years 1990 and 2100.
_UNIX_SECONDS = (631_152_000, 4_102_444_800)


def is_table(data: object) -> bool:
    """Tell whether ``data`` is a dataframe, eager or lazy, of a library that narwhals knows."""
    return nw.dependencies.is_into_dataframe(data) or type(data).__name__ == "LazyFrame"


def check_table(data: object, *, what: str) -> "nw.DataFrame[Any]":
    """Wrap an eager dataframe.

    Parameters
    ----------
    data : object
        What the caller was given.
    what : str
        Its name in error messages.

    Returns
    -------
    narwhals.DataFrame

    Raises
    ------
    TypeError
        If it is not an eager dataframe.
    ValueError
        If it has no rows.
    """
    try:
        frame = nw.from_native(data, pass_through=True)
    except Exception as error:  # narwhals refuses repeated column names, for example
        raise ValueError(f"{what} could not be read as a table: {error}") from error
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{what} is a lazy frame; call .collect() on it first.")
    if not isinstance(frame, nw.DataFrame):
        raise TypeError(
            f"{what} must be a table (pandas or polars DataFrame, or pyarrow Table); "
            f"got {type(data).__name__}."
        )
    unnamed = [name for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise TypeError(
            f"Columns of {what} must be named by text; got {unnamed[:5]}. Rename them, such as by "
            f"{what}.columns = [str(name) for name in {what}.columns]."
        )
    if len(frame) == 0:
        raise ValueError(f"{what} is empty: it has columns {name_columns(frame)} and no row.")
    return frame


def get_column(frame: "nw.DataFrame[Any]", name: str, *, what: str, hint: str) -> "nw.Series[Any]":
    """Return one column, or say which columns there are and how to name another.

    Raises
    ------
    KeyError
        If there is no such column. (A ValueError too, as scikit-learn's callers expect.)
    """
    if name not in frame.columns:
        raise MissingColumnError(
            f"{what} has no column {name!r}; its columns are {name_columns(frame)}. {hint}"
        )
    return frame[name]


def name_columns(frame: "nw.DataFrame[Any]", limit: int = 30) -> str:
    """List the columns for an error message, the first of them if there are many."""
    more = len(frame.columns) - limit
    return str(frame.columns[:limit]) + (f" and {more} more" if more > 0 else "")


class MissingColumnError(KeyError, ValueError):
    """A table lacks a column that was asked for."""

    def __str__(self) -> str:
        # KeyError would show the message in quotes
        return str(self.args[0])


def column_values(series: "nw.Series[Any]") -> np.ndarray:
    """Ids of a column as they are, before a null can turn integers into floats."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        whole = pd.api.types.is_integer_dtype(native.dtype) and not native.isna().any()
        return native.to_numpy(dtype=np.int64 if whole and native.dtype.kind == "i" else object)
    if series.dtype.is_integer() and not series.is_null().any():
        return series.to_numpy()
    return np.fromiter(series.to_list(), dtype=object, count=len(series))


def with_known_zone(series: "nw.Series[Any]") -> "nw.Series[Any]":
    """Return times of pandas that have a zone in UTC; any other column as it is.

    narwhals reads the zone from the name of the dtype, and knows no ``America/New_York`` there.
    """
    native = series.to_native()
    if not isinstance(native, pd.Series):
        return series
    dtype = native.dtype
    # of pandas itself, or of pyarrow inside pandas
    if getattr(dtype, "tz", None) is None and (
        getattr(getattr(dtype, "pyarrow_dtype", None), "tz", None) is None
    ):
        return series
    return nw.from_native(native.dt.tz_convert("UTC"), series_only=True)


def columns_of_times(frame: "nw.DataFrame[Any]") -> list[str]:
    """Name the columns that seem to hold times, by their first rows.

    These are datetimes, dates and periods, also as Python objects; texts that begin with a date
    such as 2024-01-31 or 20240131; and numbers, also as text, all of which are such a date or a
    moment between 1990 and 2100 in seconds, milliseconds, microseconds or nanoseconds since 1970.
    NaN and 0 are taken for missing.
    """
    head = frame.head(N_LOOKED_AT)
    return [name for name in head.columns if _holds_times(with_known_zone(head[name]))]


def _holds_times(series: "nw.Series[Any]") -> bool:
    dtype = series.dtype
    if dtype in (nw.Datetime, nw.Date):
        return True
    if dtype.is_numeric():
        return _are_times(series.drop_nulls().to_numpy().astype(np.float64))
    values = series.drop_nulls().to_list()
    texts = [value for value in values if isinstance(value, str)]
    if texts and all(map(_UNIX_TEXT.fullmatch, texts)):
        return len(texts) == len(values) and _are_times(np.array(texts, dtype=np.float64))
    moments = (datetime.date, np.datetime64, pd.Period)
    return bool(values) and all(
        _ISO_DATE.match(value) if isinstance(value, str) else isinstance(value, moments)
        for value in values
    )


def _are_times(numbers: np.ndarray) -> bool:
    numbers = numbers[~np.isnan(numbers) & (numbers != 0)]
    start, end = _UNIX_SECONDS
    ranges = [(start * unit, end * unit) for unit in (1, 10**3, 10**6, 10**9)]
    if not len(numbers) or any(((numbers >= a) & (numbers < b)).all() for a, b in ranges):
        return len(numbers) > 0
    years, months, days = numbers // 10_000, numbers // 100 % 100, numbers % 100
    is_date = (years >= 1990) & (years < 2100) & (months >= 1) & (months <= 12)
    return bool((is_date & (days >= 1) & (days <= 31)).all())


def sort_keys(series: "nw.Series[Any]", *, what: str) -> np.ndarray:
    """Turn a column of times into a numpy array that sorts in time order.

    Parameters
    ----------
    series : narwhals.Series
        Numbers, dates, datetimes (naive or with a time zone) or durations.
    what : str
        Its name in error messages.

    Returns
    -------
    ndarray of shape (n_rows,)
        Numbers, ``datetime64`` or ``timedelta64``.

    Raises
    ------
    ValueError
        If times are missing.
    TypeError
        If the column holds anything else: text, Python objects, booleans.
    """
    series = with_known_zone(series)
    dtype = series.dtype
    sortable = dtype.is_numeric() or dtype in (nw.Datetime, nw.Date, nw.Duration)
    n_missing = int(series.is_null().sum())
    if n_missing:
        raise ValueError(
            f"{what} is missing in {n_missing} of {len(series)} rows (the first is row "
            f"{int(series.is_null().to_numpy().argmax())}); drop those rows or fill them in."
        )
    if not sortable:
        raise TypeError(
            f"{what} has dtype {dtype}, which has no order in time; expected numbers or datetimes. "
            "Convert it first (for example with pandas.to_datetime), or pass "
            "timestamp_col=None to take the order of the rows."
        )
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    keys = series.to_numpy()
    if keys.dtype.kind == "f" and np.isnan(keys).any():  # polars and pyarrow tell NaN from null
        raise ValueError(
            f"{what} is NaN in {int(np.isnan(keys).sum())} of {len(keys)} rows; "
            "drop those rows or fill them in."
        )
    return keys
