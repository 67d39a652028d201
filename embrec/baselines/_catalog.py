"""The catalogue of recommenders that need no content."""

from typing import Any

import numpy as np

from embrec._tables import Table
from embrec.catalog import ItemCatalog, ItemTable, read_items
from embrec.ragged import Ragged


def catalog_of(sequences: Ragged, items: Table | ItemTable | None, item_col: str) -> ItemCatalog:
    """Make a catalogue of a table's ids or, without one, of the ids of sequences.

    Parameters
    ----------
    sequences : Ragged of item ids
    items : table or ItemTable, optional
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
