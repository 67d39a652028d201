"""The store behind the catalogue."""

import pickle

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.serving.catalog import ItemCatalog


def features(numbers):
    dense = np.array(numbers, dtype=np.float32)[:, None] * np.array([[1, 2]], dtype=np.float32)
    return [dense, sp.csr_array(dense)]


WRITES = st.lists(
    st.dictionaries(st.integers(0, 9), st.integers(1, 99), min_size=1, max_size=4), max_size=5
)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 9), st.integers(1, 99), min_size=1), WRITES, st.booleans())
def test_writes_against_a_dict(first, writes, look_in_between):
    catalog = ItemCatalog(np.array(list(first)), features(list(first.values())))
    truth = dict(first)
    for write in writes:
        rows = catalog.write(np.array(list(write)), features(list(write.values())))
        truth.update(write)
        assert rows.tolist() == [list(truth).index(id_) for id_ in write]
        if look_in_between:
            assert catalog.blocks[0][:, 0].tolist() == list(truth.values())
    catalog = pickle.loads(pickle.dumps(catalog))
    assert catalog.ids.ids.tolist() == list(truth)
    dense, sparse = catalog.blocks
    assert dense[:, 0].tolist() == list(truth.values())
    np.testing.assert_array_equal(sparse.toarray(), dense)
    assert len(catalog) == len(truth)
