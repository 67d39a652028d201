"""What there is at one version."""

import numpy as np
import pytest
import scipy.sparse as sp

from embrec.index.rows import RowStore


def make(values, sparse):
    vectors = np.outer(values, [1, 2]).astype(np.float32)
    return sp.csr_matrix(vectors) if sparse else vectors


def dense(vectors):
    return vectors.toarray() if sp.issparse(vectors) else vectors


@pytest.mark.parametrize("sparse", [False, True])
def test_a_snapshot_stays_as_it_is(sparse):
    store = RowStore(make([1, 2, 3], sparse))
    before = store.snapshot
    store.write(np.array([1, 3]), make([20, 40], sparse))
    between = store.snapshot
    store.remove(np.array([0, 3]))
    store.write(np.array([3, 4]), make([400, 5], sparse))
    after = store.snapshot
    for snapshot, values, active in (
        (before, [1, 2, 3], [True] * 3),
        (between, [1, 20, 3, 40], [True] * 4),
        (after, [1, 20, 3, 400, 5], [False, True, True, True, True]),
    ):
        expected = dense(make(values, sparse))
        np.testing.assert_array_equal(dense(snapshot.whole()), expected)
        np.testing.assert_array_equal(dense(snapshot.take(np.array([1, 0]))), expected[[1, 0]])
        assert snapshot.active.tolist() == active
        assert snapshot.n_active == sum(active)
        assert not snapshot.are_alive(snapshot.dead).any()
    slots = after.slots(np.array([4, 1, 9, -1]))
    assert after.rows_at(slots).tolist() == [4, 1, -1, -1]
    assert after.written_since(between).tolist() == [3, 4]
