"""Catalogues of ids alone: made of a table or a log, and grown."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from embrec.baselines._catalog import catalog_of, grown_catalog, kept_vectors
from embrec.data.ragged import Ragged
from embrec.index import ExactIndex
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog


def sequences(*rows, dtype=object):
    values = np.array([i for row in rows for i in row], dtype=dtype)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows], dtype=np.int64))


def table(*ids):
    return pd.DataFrame({"sku": ids})


def live(*ids):
    ids = np.array(ids, dtype=object)
    return LiveCatalog(ItemCatalog(ids, []), ExactIndex().fit(np.ones((len(ids), 1), np.float32)))


def test_items_of_a_log_come_as_they_first_appear():
    catalog = catalog_of(sequences(["b", "a"], [], ["c", "b"]), None, "sku")
    assert catalog.ids.ids.tolist() == ["b", "a", "c"]
    assert catalog.blocks == []
    numbers = catalog_of(sequences([7, -1], [7], dtype=np.int64), None, "sku").ids.ids
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [7, -1]


def test_a_table_decides_where_there_is_one():
    catalog = catalog_of(sequences(["b", "a"]), table("x", "a"), "sku")
    assert catalog.ids.ids.tolist() == ["x", "a"]


def test_there_must_be_an_item():
    with pytest.raises(ValueError, match=r"^X holds no interaction; pass items=, the catalogue\.$"):
        catalog_of(sequences([], []), None, "sku")
    assert len(catalog_of(sequences([], []), table("a"), "sku")) == 1


def test_a_grown_catalogue_is_a_copy_and_tells_what_stays_removed():
    old = live("a", "b", "c")
    old.remove(np.array([0, 2]))
    same, removed = grown_catalog(old, None, "sku")
    assert (same.ids.ids.tolist(), removed.tolist()) == (["a", "b", "c"], [0, 2])
    more, removed = grown_catalog(old, table("d", "c"), "sku")
    assert (more.ids.ids.tolist(), removed.tolist()) == (["a", "b", "c", "d"], [0])
    assert old.ids.ids.tolist() == ["a", "b", "c"]
    assert old.index.active.tolist() == [False, True, False]


def test_ids_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"items\['sku'\] holds integers"):
        grown_catalog(live("a"), table(1), "sku")


def test_vectors_of_known_items_are_kept_and_others_are_empty():
    vectors = sp.csr_array(np.array([[0, 1, 2], [3, 0, 0]], np.float32))
    ids = np.array(["a", "b"], dtype=object)
    catalog = LiveCatalog(ItemCatalog(ids, []), ExactIndex().fit(vectors))
    catalog.remove(np.array([1]))
    found = kept_vectors(catalog, np.array(["new", "b", "a"], dtype=object))
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[0, 0, 0], [3, 0, 0], [0, 1, 2]]
    none = kept_vectors(catalog, np.array(["x", "y"], dtype=object))
    assert none.toarray().tolist() == [[0, 0, 0], [0, 0, 0]]
