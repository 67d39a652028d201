"""Tables from text files: every value as it stands there, what cannot be read is counted."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed, is_gzipped, open_text
from embrec.datasets._releases import check_fields, hint, loaders_of

#: Whole numbers from here on are not all floats.
_EXACT = 2.0**53


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    loader: str,
    sep: str = ",",
    header: bool = True,
    quoted: bool = True,
    encoding: str = "utf-8",
) -> pd.DataFrame:
    """Read a table of texts; gzipped or plain, told by its content.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        With a header, columns that it must have; others are kept as well. Without one, names of
        all columns.
    loader : str
        Name of the function that asks, for messages.
    sep : str, default=","
    header : bool, default=True
        Whether the first line names the columns.
    quoted : bool, default=True
        Whether quotation marks are marks around values, or part of them.
    encoding : str, default="utf-8"

    Returns
    -------
    DataFrame
        All columns str; an empty value is "".

    Raises
    ------
    ValueError
        If columns are missing, a line has more values than the header, or the file is damaged or
        in another encoding.
    """
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        names = _names(path, columns, loader, sep, header, quoting, encoding)
        with warnings.catch_warnings():
            # of a line with too many values pandas would leave some out
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=sep,
                names=names,
                header=None,
                skiprows=int(header),
                index_col=False,
                dtype=str,
                na_filter=False,
                quoting=quoting,
                encoding=encoding,
                compression="gzip" if is_gzipped(path) else None,
                engine="c" if len(sep) == 1 else "python",
            )
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        EOFError,
        OSError,
        csv.Error,
    ) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f"{path} cannot be read as a table with {sep!r} between values ({error}). {loader} "
            f"expects the columns {list(columns)}; fetch the file again, as published."
        ) from error
    return table.fillna("") if len(sep) > 1 else table


def _names(
    path: Path,
    columns: Sequence[str],
    loader: str,
    sep: str,
    header: bool,
    quoting: int,
    encoding: str,
) -> list[str]:
    with open_text(path, encoding.replace("utf-8", "utf-8-sig"), errors="strict") as lines:
        line = next(lines, "").rstrip("\r\n")
    if len(sep) > 1:
        first = line.split(sep)
    else:
        # csv's own constants; its stubs want a literal
        first = next(csv.reader([line], delimiter=sep, quoting=quoting), [])  # type: ignore[arg-type]
    if header:
        check_fields(path, first, columns, loader)
        if len(set(first)) < len(first):
            raise ValueError(f"{path} has columns of one name: {first}.")
        return first
    if len(first) != len(columns):
        raise ValueError(
            f"{path} has {len(first)} values a line, the first of which is {first}; {loader} "
            f"expects {len(columns)}: {list(columns)}.{hint(loaders_of(first), loader)}"
        )
    return list(columns)


def keep_valid(
    table: pd.DataFrame,
    malformed: Malformed,
    *,
    ids: Sequence[str] = ("user", "item"),
    whole: Sequence[str] = (),
    real: Sequence[str] = (),
    first_line: int = 2,
) -> pd.DataFrame:
    """Leave out rows without an id or with a number that is none, and count them.

    Parameters
    ----------
    table : DataFrame of str
    malformed : Malformed
        Counts the rows that go.
    ids : sequence of str, default=("user", "item")
        Columns that must not be empty; they stay as they are.
    whole, real : sequence of str
        Columns that become int64 and float64.
    first_line : int, default=2
        Line of the first row in the file.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If no row is left.
    """
    good = np.ones(len(table), dtype=bool)
    for column in ids:
        good &= (table[column] != "").to_numpy(dtype=bool)
    numbers = {
        column: pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        for column in (*whole, *real)
    }
    for column, values in numbers.items():
        good &= np.isfinite(values)
        if column in whole:
            good &= (np.abs(values) < _EXACT) & (np.floor(values) == values)
    malformed.add_all(np.flatnonzero(~good) + first_line)
    if not good.any():
        raise ValueError(
            f"No row of {malformed.path} could be read, of {len(table)}; expected values in "
            f"{list(ids)} and numbers in {list(numbers)}."
        )
    kept = table[good].reset_index(drop=True)
    for column, values in numbers.items():
        kept[column] = values[good].astype(np.int64 if column in whole else np.float64)
    return kept


def unix_time(values: pd.Series, time_format: str, unit: str) -> pd.Series:
    """Unix times of texts taken as UTC, as text for `keep_valid`; "" where there is no such time.

    Parameters
    ----------
    values : Series of str
    time_format : str
        As in `pandas.to_datetime`.
    unit : "s" or "ms"
    """
    times = pd.to_datetime(values, format=time_format, errors="coerce", utc=True)
    numbers = times.dt.tz_localize(None).to_numpy(dtype=f"datetime64[{unit}]").astype(np.int64)
    return pd.Series(numbers, index=values.index).astype(str).mask(times.isna(), "")


def to_float(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Numbers of a column, NaN where it is empty.

    Raises
    ------
    ValueError
        If something else is not a number.
    """
    try:
        return pd.to_numeric(table[column].mask(table[column] == "")).astype(np.float64)
    except ValueError as error:
        raise ValueError(f"{path}: {column} is not always a number ({error}).") from error


def make_dataset(log: pd.DataFrame, items: pd.DataFrame, malformed: Sequence[Malformed]) -> Dataset:
    """Put a log and a catalogue together.

    Items of the log that the catalogue lacks become rows without content; of an item described
    twice the first description counts; empty texts become missing ones. Warns of malformed lines.

    Parameters
    ----------
    log, items : DataFrame
    malformed : sequence of Malformed

    Returns
    -------
    Dataset
    """
    content = items.mask(items == "").drop_duplicates("item")
    seen = log["item"].drop_duplicates()
    unknown = pd.DataFrame({"item": seen[~seen.isin(content["item"])]})
    return count_malformed(log, pd.concat([content, unknown], ignore_index=True), malformed)


def count_malformed(
    log: pd.DataFrame, items: pd.DataFrame, malformed: Sequence[Malformed]
) -> Dataset:
    """Put a log and a whole catalogue together, and warn of malformed lines."""
    for bad in malformed:
        bad.warn()
    return Dataset(log, items, n_malformed={bad.path.name: bad.count for bad in malformed})
