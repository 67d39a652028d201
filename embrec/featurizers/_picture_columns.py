"""From whatever holds the items to one picture per item, not yet opened."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

import narwhals as nw
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import check_array

from embrec.data.tables import check_table, is_table, name_columns
from embrec.featurizers._text_columns import check_columns, check_present

#: A table with named columns, a 2-D array without names, or a 1-D array of pictures.
PictureItems: TypeAlias = "nw.DataFrame[Any] | np.ndarray"

_EXPECTED = (
    "a table (pandas or polars DataFrame, pyarrow Table), a 2-D array with one row per item, or a "
    "list, 1-D array or Series with one picture (path, bytes, array or PIL image) per item"
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def read_picture_items(items: Any) -> PictureItems:
    """Check items and bring them into one of three shapes.

    Parameters
    ----------
    items : table, array-like of shape (n_items, n_columns), or sequence of pictures
        A list of lists counts as rows of a 2-D array; any other list holds one picture per item,
        and so does an array of shape (n_items, height, width, n_channels).

    Returns
    -------
    narwhals.DataFrame or ndarray
        The table; or an array of shape (n_items, n_columns); or an object array of shape
        (n_items,).

    Raises
    ------
    TypeError
        If it is none of these: a lone path or picture, a sparse matrix, a lazy frame.
    ValueError
        If it is empty, or an array of another number of dimensions.
    """
    if is_table(items):
        frame = check_table(items, what="X")
        if not frame.columns:
            raise ValueError(f"X is a table of {len(frame)} rows with 0 columns.")
        return frame
    if nw.dependencies.is_into_series(items):
        return _cells(nw.from_native(items, series_only=True).to_list())
    if isinstance(items, list | tuple):
        return _read_list(items)
    if sp.issparse(items):
        raise TypeError(f"X is a sparse {type(items).__name__}; expected {_EXPECTED}.")
    if isinstance(items, str | bytes) or not hasattr(items, "__array__"):
        raise TypeError(f"X must be {_EXPECTED}; got {type(items).__name__}.")
    return _read_array(np.asarray(items))


def pick_cells(items: PictureItems, columns: Any) -> list[Any]:
    """Return the cells of the column that holds the pictures.

    Parameters
    ----------
    items : narwhals.DataFrame or ndarray
        What `read_picture_items` returned.
    columns : str, array-like of one str, or None
        Its name. None means the only column. A sequence of pictures has no columns, so that it is
        taken as it is.

    Returns
    -------
    list of length n_items

    Raises
    ------
    ValueError
        If there is no such column, or not exactly one.
    """
    names = check_columns(columns)
    if names is not None and len(names) > 1:
        raise ValueError(
            f"columns={names}: an item has one picture here. For several, combine featurizers "
            "with one column each in a ColumnTransformer or FeatureUnion."
        )
    if isinstance(items, np.ndarray):
        if items.ndim == 1:
            return list(items)
        if names is not None:
            raise ValueError(
                f"columns={columns!r} names a column, but X is an array of shape {items.shape}, "
                "which has no column names. Pass a table."
            )
        if items.shape[1] > 1:
            raise ValueError(f"X has {items.shape[1]} columns; pass the one that holds pictures.")
        return list(items[:, 0])
    if names is None:
        names = items.columns
        if len(names) > 1:
            raise ValueError(
                f"X has columns {name_columns(items)}; say with columns= which one holds pictures."
            )
    check_present(items, names)
    return items.get_column(names[0]).to_list()


def read_cell(cell: Any, folder: Path) -> Any:
    """Turn a cell into what :func:`~embrec.encoders.pictures.decode` takes.

    Parameters
    ----------
    cell : object
    folder : Path
        Where relative paths start.

    Returns
    -------
    object
        None for a missing picture; a Path for a path or ``file://`` URL; the cell itself for all
        else, be it a picture or not.
    """
    if isinstance(cell, Path):
        return folder / cell
    if not isinstance(cell, str):
        return None if _is_missing(cell) else cell
    if not cell.strip():
        return None
    if _URL.match(cell) is None:
        return folder / cell
    try:
        url = urlsplit(cell)
    except ValueError:  # no URL after all; decoding says that it is not read
        return cell
    is_local = url.scheme.lower() == "file" and url.netloc in ("", "localhost")
    return Path(url2pathname(url.path)) if is_local else cell


def _read_list(items: "list[Any] | tuple[Any, ...]") -> np.ndarray:
    if not items or not all(isinstance(item, list | tuple) for item in items):
        return _cells(items)
    widths = sorted({len(row) for row in items})
    if len(widths) > 1:
        raise ValueError(f"X is a list of rows of {widths[0]} to {widths[-1]} values.")
    rows = np.empty((len(items), widths[0]), dtype=object)
    for j, column in enumerate(zip(*items, strict=True)):
        rows[:, j] = np.fromiter(column, dtype=object, count=len(items))
    return _read_array(rows)


def _read_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 4 or (array.ndim == 1 and array.dtype.kind in "OUS"):
        return _cells(list(array))
    if array.ndim != 2:
        raise ValueError(
            f"X is an array of {array.dtype} of shape {array.shape}; expected {_EXPECTED}. "
            "Reshape your data: a list of one picture is [X]."
        )
    # it refuses complex numbers, zero rows and zero columns
    checked: np.ndarray = check_array(
        array, dtype=None, ensure_all_finite=False, input_name="X", estimator="the featurizer"
    )
    return checked


def _cells(values: Sequence[Any]) -> np.ndarray:
    if len(values) == 0:
        raise ValueError("X is empty: it has 0 items; expected at least one picture.")
    return np.fromiter(values, dtype=object, count=len(values))


def _is_missing(cell: Any) -> bool:
    # NaN, of Python or numpy, differs from itself
    is_nan = isinstance(cell, float | np.floating) and cell != cell
    return cell is None or is_nan or cell is pd.NA or cell is pd.NaT
