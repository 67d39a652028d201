"""From whatever holds the items (a table, an array, a list) to one text per item."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import check_array

from embrec.data.tables import MissingColumnError, check_table, is_table, name_columns

#: A table with named columns, a 2-D array without names, or a 1-D array of ready-made texts.
TextItems: TypeAlias = "nw.DataFrame[Any] | np.ndarray"

_EXPECTED = (
    "a table (pandas or polars DataFrame, pyarrow Table), a 2-D array with one row per item, "
    "or a list, 1-D array or Series with one text per item"
)


def read_text_items(items: Any) -> TextItems:
    """Check items and bring them into one of three shapes.

    Parameters
    ----------
    items : table, array-like of shape (n_items, n_columns), or sequence of str
        A list of lists counts as rows of a 2-D array; any other list, a 1-D array or a Series
        holds one text per item.

    Returns
    -------
    narwhals.DataFrame or ndarray
        The table; or an array of shape (n_items, n_columns); or an object array of shape
        (n_items,) with one str per item.

    Raises
    ------
    TypeError
        If it is none of these: a lone string, a dict, a sparse matrix, a lazy frame.
    ValueError
        If it is empty, has repeated column names, or is an array that holds numbers in one
        dimension or has more than two.
    """
    if is_table(items):
        frame = check_table(items, what="X")
        if not frame.columns:
            raise ValueError(f"X is a table of {len(frame)} rows with 0 columns; expected text.")
        return frame
    if nw.dependencies.is_into_series(items):
        return _check_texts(nw.from_native(items, series_only=True).to_list())
    if sp.issparse(items):
        raise TypeError(f"X is a sparse {type(items).__name__}; expected {_EXPECTED}.")
    if isinstance(items, list | tuple):
        return _read_list(items)
    if not hasattr(items, "__array__"):
        got = f"a single str ({items[:40]!r})" if isinstance(items, str) else type(items).__name__
        raise TypeError(f"X must be {_EXPECTED}; got {got}.")
    return _read_array(np.asarray(items))


def check_columns(columns: Any) -> list[str] | None:
    """Check names of columns.

    Parameters
    ----------
    columns : str, array-like of str or None

    Returns
    -------
    list of str or None
        None means all columns.

    Raises
    ------
    ValueError
        If there are none, or some are no str.
    """
    if columns is None:
        return None
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "columns must be the name of a column, a list of names, or None for all columns; "
            f"got {columns!r}."
        )
    return names


def check_present(frame: "nw.DataFrame[Any]", columns: Sequence[str]) -> None:
    """Raise a MissingColumnError (a KeyError and ValueError) unless a table has all columns."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise MissingColumnError(
            f"The table of items has no column {', '.join(map(repr, missing))}; its columns are "
            f"{name_columns(frame)}. Add what is missing; columns= of the featurizer asks for it."
        )


def pick_columns(items: TextItems, columns: Sequence[str] | None) -> list[list[Any]]:
    """Return the values of columns as they are.

    Parameters
    ----------
    items : narwhals.DataFrame or ndarray
        What `read_text_items` returned.
    columns : list of str or None

    Returns
    -------
    list of lists of length n_items

    Raises
    ------
    ValueError
        As `join_text` does.
    """
    if isinstance(items, nw.DataFrame):
        return [series.to_list() for series in _pick_series(items, columns)]
    if items.ndim == 1:
        return [items.tolist()]
    if columns is not None:
        raise _no_column_names(items, columns)
    return [column.tolist() for column in items.T]


def join_text(items: TextItems, columns: Sequence[str] | None) -> list[str]:
    """Join the columns of every row with a space.

    Parameters
    ----------
    items : narwhals.DataFrame or ndarray
        What `read_text_items` returned.
    columns : list of str or None
        Columns of the table, in this order; None means all. Ready-made texts have no columns,
        so that they are taken as they are.

    Returns
    -------
    list of str
        One per item. Missing values are empty strings.

    Raises
    ------
    ValueError
        If the table lacks some of the columns, or columns are named for an array without names.
    """
    if isinstance(items, nw.DataFrame):
        parts = [_series_texts(series) for series in _pick_series(items, columns)]
    elif items.ndim == 1:
        return list(items)
    elif columns is not None:
        raise _no_column_names(items, columns)
    else:
        parts = [_array_texts(column) for column in items.T]
    return parts[0] if len(parts) == 1 else list(map(" ".join, zip(*parts, strict=True)))


def limit_words(texts: Iterable[str], max_words: int | None) -> list[str]:
    """Cut every text after its first words.

    Parameters
    ----------
    texts : iterable of str
    max_words : int or None
        How many words (separated by white space) to keep; None means all.

    Returns
    -------
    list of str
        White space between the words that are kept is kept too.
    """
    if max_words is None:
        return list(texts)
    # n words take at least 2n - 1 characters: most texts need no split
    return [text if len(text) < 2 * max_words else _first_words(text, max_words) for text in texts]


def count_words(texts: Iterable[str]) -> np.ndarray:
    """Count the words of texts, separated by white space: (n_texts,) int64."""
    return np.array([len(text.split()) for text in texts], dtype=np.int64)


def _no_column_names(items: np.ndarray, columns: Sequence[str]) -> ValueError:
    return ValueError(
        f"columns={list(columns)} names columns, but X is an array of shape {items.shape}, "
        "which has no column names. Pass a table, or columns=None to take all columns."
    )


def _first_words(text: str, n_words: int) -> str:
    parts = text.split(None, n_words)
    if len(parts) <= n_words:
        return text
    return text[: -len(parts[-1])].rstrip()


def _pick_series(
    frame: "nw.DataFrame[Any]", columns: Sequence[str] | None
) -> Iterable["nw.Series[Any]"]:
    if columns is None:
        return frame.iter_columns()
    check_present(frame, columns)
    return [frame.get_column(name) for name in columns]


def _read_list(items: "list[Any] | tuple[Any, ...]") -> np.ndarray:
    is_row = [isinstance(item, list | tuple | np.ndarray) for item in items]
    if not is_row or not all(is_row):
        return _check_texts(items)
    widths = sorted({len(row) for row in items})
    if len(widths) > 1:
        raise ValueError(
            f"X is a list of {len(items)} rows of {widths[0]} to {widths[-1]} values; expected "
            "the same number of values in every row. To pass several texts per item, join them."
        )
    # not np.array(rows): it would turn None or NaN beside a str into the word 'nan', and unpack
    # cells that hold lists
    rows = np.empty((len(items), widths[0]), dtype=object)
    for j, column in enumerate(zip(*items, strict=True)):
        rows[:, j] = np.fromiter(column, dtype=object, count=len(items))
    return _read_array(rows)


def _read_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 1:
        return _check_texts(array.tolist())
    if array.ndim != 2:
        raise ValueError(f"X is an array of shape {array.shape}; expected {_EXPECTED}.")
    # it refuses complex numbers, zero rows and zero columns
    checked: np.ndarray = check_array(
        array, dtype=None, ensure_all_finite=False, input_name="X", estimator="the featurizer"
    )
    return checked


def _check_texts(values: Sequence[Any]) -> np.ndarray:
    if len(values) == 0:
        raise ValueError("X is empty: it has 0 items; expected at least one text.")
    for position, value in enumerate(values):
        if not isinstance(value, str | bytes | list | tuple | np.ndarray) and not is_missing(value):
            raise ValueError(
                f"X has one dimension, so each of its values must be the text of one item; X "
                f"holds {value!r} ({type(value).__name__}) at position {position}. Reshape your "
                "data: pass a table or a 2-D array with one row per item, or turn values to str."
            )
    return np.fromiter(_cell_texts(values), dtype=object, count=len(values))


def _series_texts(series: "nw.Series[Any]") -> list[str]:
    if series.dtype.is_float():
        # through numpy, or 0.1 in float32 would read 0.10000000149011612
        return _array_texts(series.to_numpy())
    return _cell_texts(series.to_list())


def _array_texts(column: np.ndarray) -> list[str]:
    if column.dtype.kind not in "biufmM":
        return _cell_texts(column.tolist())
    # only what is missing differs from itself
    texts: list[str] = np.where(column != column, "", column.astype(str)).tolist()
    return texts


def _cell_texts(values: Iterable[Any]) -> list[str]:
    return [value if value.__class__ is str else cell_text(value) for value in values]


def cell_text(value: Any) -> str:
    """Return one value as text, a list with blanks between; what is missing is empty."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(_cell_texts(value))
    if isinstance(value, float | np.floating) and _is_integer(float(value)):
        # a column of integers with missing values came as floats
        return str(int(value))
    return "" if is_missing(value) else str(value)


def _is_integer(value: float) -> bool:
    return value.is_integer() and abs(value) < 2**53


def is_missing(value: Any) -> bool:
    """Whether a value is missing, in the way of any of the table libraries."""
    # None, NaN, NaT, pandas.NA, Decimal("NaN"); for a container pandas answers with an array
    answer = pd.isna(value)
    return isinstance(answer, bool) and answer
