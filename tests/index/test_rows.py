"""The store that takes changes."""

import numpy as np

from embrec.index.rows import RowStore, squared_lengths


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def same(one, other):
    np.testing.assert_array_equal(one.whole(), other.whole())
    np.testing.assert_array_equal(one.active, other.active)


def changed():
    store = RowStore(draw(0, 6), np.array([5]))
    store.write(np.array([2, 6, 7]), draw(1, 3))
    store.remove(np.array([0, 7]))
    store.write(np.array([0, 2]), draw(2, 2))
    store.remove(np.array([3]))
    return store


def test_a_history_can_be_repeated():
    snapshot = changed().snapshot
    removed, changes = snapshot.history()
    again = RowStore(snapshot.base, removed)
    again.repeat(*changes)
    same(again.snapshot, snapshot)


def test_what_has_happened_meanwhile_is_caught_up_with():
    store = changed()
    since = store.snapshot
    renewed = RowStore(since.whole(), np.flatnonzero(~since.active))
    store.write(np.array([8, 1]), draw(3, 2))
    store.remove(np.array([4, 8]))
    renewed.catch_up(store.snapshot, since)
    same(renewed.snapshot, store.snapshot)


def test_the_longest_vector_is_remembered():
    store = RowStore(draw(0, 6))
    long = np.array([[10, 0, 0]], dtype=np.float32)
    store.write(np.array([2]), long)
    store.remove(np.array([2]))
    assert store.snapshot.longest_square == squared_lengths(long)[0] == 100
