"""The catalogue of recommenders that need no content."""

from typing import Any

import numpy as np

from embrec.data.items import read_items
from embrec.data.ragged import Ragged
from embrec.data.tables import Table
from embrec.data.whole import Whole
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog


def catalog_of(sequences: Ragged, items: Table | Whole | None, item_col: str) -> ItemCatalog:
    """Make a catalogue of a table's ids or, without one, of the ids of sequences.

    Parameters
    ----------
    sequences : Ragged of item ids
    items : table or Whole, optional
    item_col : str

    Returns
    -------
    ItemCatalog

    Raises
    ------
    ValueError
        If there is neither a table nor an id.
    """
    if items is not None:
        return ItemCatalog(read_items(items, item_col).ids, [])
    ids: Any = np.array(list(dict.fromkeys(sequences.values.tolist())), sequences.values.dtype)
    if len(ids) == 0:
        raise ValueError("X holds no interaction; pass items=, the catalogue.")
    return ItemCatalog(ids, [])


def grown_catalog(
    catalog: LiveCatalog, items: Table | Whole | None, item_col: str
) -> tuple[ItemCatalog, np.ndarray]:
    """Copy a catalogue of ids with a table's ids added, and say which rows stay removed.

    Parameters
    ----------
    catalog : LiveCatalog
    items : table or Whole, optional
    item_col : str

    Returns
    -------
    catalog : ItemCatalog
    removed : ndarray of int
    """
    if items is None:
        return catalog.grown()
    rows = read_items(items, item_col)
    catalog.ids.check_kind(rows.ids, what=f"items[{item_col!r}]")
    return catalog.grown(rows.ids)
