"""The catalogue of recommenders that need no content."""

from typing import Any

import numpy as np
import scipy.sparse as sp

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


def kept_vectors(catalog: LiveCatalog, ids: np.ndarray) -> sp.csr_array:
    """Look up the sparse vectors of items; those that the catalogue never had have empty ones.

    Parameters
    ----------
    catalog : LiveCatalog
        With an index of CSR vectors.
    ids : ndarray of shape (n,)

    Returns
    -------
    CSR of shape (n, d), float32
    """
    rows = catalog.ids.rows(ids)
    known = rows >= 0
    vectors = sp.csr_array((len(rows), catalog.index.n_features_in_), dtype=np.float32)
    if known.any():
        places = np.flatnonzero(known)
        ones = np.ones(len(places), dtype=np.float32)
        shape = (len(rows), len(places))
        place = sp.csr_array((ones, (places, np.arange(len(places)))), shape)
        vectors = place @ sp.csr_array(catalog.index.snapshot.take(rows[known]))
    return vectors
