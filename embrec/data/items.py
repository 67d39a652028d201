"""The catalogue table: ids, content columns, and what has no content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from embrec._utils.warn import warn
from embrec.data.ids import check_ids, preview
from embrec.data.memmaps import row_blocks
from embrec.data.tables import Table, check_table, column_values, name_columns
from embrec.data.whole import whole

#: One feature matrix of shape (n_items, n_features): CSR or ndarray, float32.
Features = Any


@dataclass(frozen=True)
class ItemRows:
    """A checked catalogue table: ids and the content columns that go with them.

    Parameters
    ----------
    ids : ndarray of shape (n_items,)
        int64 or object, unique.
    content : table
        The table as it came, without the id column.
    """

    ids: np.ndarray
    content: Table


def read_items(items: Any, item_col: str) -> ItemRows:
    """Check a catalogue table and take its ids from it.

    Parameters
    ----------
    items : table or Whole
        One row per item. Ids are in column ``item_col``, or in the index of a pandas DataFrame
        that bears this name.
    item_col : str
        Name of the id column.

    Returns
    -------
    ItemRows

    Raises
    ------
    ValueError, TypeError
        If it is not a table, is empty, has no ids, or ids are missing, mixed or repeated.
    """
    if items is None:
        raise TypeError(
            "items must be a table, one row per item, and none was passed; got NoneType. Pass the "
            "catalogue by its name, items=, as a pandas or polars DataFrame or a pyarrow Table."
        )
    frame = check_table(whole(items, what="items"), what="items")
    native = frame.to_native()
    if item_col in frame.columns:
        column, content = frame[item_col], frame.drop(item_col).to_native()
        values = column_values(column)
    elif isinstance(native, pd.DataFrame) and native.index.name == item_col:
        values, content = native.index.to_numpy(), native
    else:
        raise ValueError(
            f"items has no column {item_col!r} (and no index of that name); its columns are "
            f"{name_columns(frame)}. Name the id column with item_col=."
        )
    ids = check_ids(values, what=f"items[{item_col!r}]")
    _check_unique(ids, item_col)
    return ItemRows(ids, content)


def _check_unique(ids: np.ndarray, item_col: str) -> None:
    repeated = pd.Series(ids).duplicated().to_numpy()
    if repeated.any():
        raise ValueError(
            f"items[{item_col!r}] must hold each id once; {int(repeated.sum())} rows repeat an id "
            f"that came before: {preview(ids[repeated])}. Drop them, for example with "
            f"items.drop_duplicates({item_col!r}). If this is the log, pass it first, and the "
            "catalogue as items=."
        )


def warn_of_no_content(ids: np.ndarray, blocks: Sequence[Features]) -> None:
    """Warn if items have no content at all: every feature of every block is 0.

    Such items all have one embedding, and a model cannot tell them apart.

    Parameters
    ----------
    ids : ndarray of shape (n_items,)
    blocks : list of ndarray or CSR of shape (n_items, n_features)
    """
    if not blocks:
        return
    filled = np.zeros(len(ids), dtype=bool)
    for block in blocks:
        for start, rows in row_blocks(block):
            present = np.diff(rows.indptr) > 0 if sp.issparse(rows) else (rows != 0).any(axis=1)
            filled[start : start + len(present)] |= present
    empty = ids[~filled]
    if len(empty):
        warn(
            f"{len(empty)} of {len(ids)} items have no content: all their features are 0, so they "
            f"share one embedding. They are {preview(empty)}.",
            NoContentWarning,
        )


class NoContentWarning(UserWarning):
    """Items have no content that the featurizer understands."""
