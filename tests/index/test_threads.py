"""Many threads search while others change the index and build it anew."""

import threading
import time

import numpy as np
import pytest

from embrec.index import AnnoyIndex, ExactIndex, IndexRebuildWarning
from embrec.index.filters import Filter

D = 8


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


class Spoiled(ExactIndex):
    """One that cannot be built a second time."""

    _min_changes = 5
    n_built = 0

    def _build(self, vectors, rows, queries):
        self.n_built += 1
        if self.n_built > 1:
            raise MemoryError("no memory left")


class Eager(AnnoyIndex):
    """Builds anew all the time."""

    _min_changes = 20


def run_together(*works):
    """Run functions of a stop event in threads of their own, and raise what they raised."""
    stop, errors = threading.Event(), []

    def guarded(work):
        try:
            work(stop)
        except Exception as error:
            errors.append(error)
        finally:
            stop.set()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("kind", [ExactIndex, Eager])
def test_what_was_removed_is_gone_and_what_was_added_is_there(kind):
    """A vector that outweighs all others is found if and only if it is there."""
    index = kind(rebuild_fraction=1e-9).fit(draw(0, 1000))
    index._min_changes = 20
    query = np.ones((1, D), dtype=np.float32)
    removed, added = [set()], [set()]  # replaced as a whole, after the change has returned

    def change(stop):
        rng = np.random.default_rng(1)
        for _ in range(150):
            rows = index.add(np.full((3, D), 100 + rng.random(), dtype=np.float32))
            added[0] = set(rows.tolist())
            time.sleep(0.001)
            added[0] = set()
            index.replace(rows[:1], query + 200)
            index.remove(rows)
            removed[0] = removed[0] | set(rows.tolist())

    def ask(stop):
        while not stop.is_set():
            gone, before = removed[0], added[0]
            found = set(index.search(query, 10)[1][0].tolist())
            assert not found & gone
            if before and before == added[0]:  # they were there all the time
                assert before <= found
            assert len(found) == 10

    run_together(change, ask, ask, ask)
    assert index.wait().snapshot.n_active == 1000


def test_a_change_is_seen_as_a_whole():
    """Rows 0 and 1 always change together: equal in every answer."""
    index = ExactIndex().fit(draw(0, 500))
    index._min_changes = 50
    pair = np.array([0, 1])

    def change(stop):
        for i in range(400):
            index.replace(pair, np.full((2, D), 50 + i % 7, dtype=np.float32))

    def ask(stop):
        while not stop.is_set():
            scores, rows = index.search(np.ones((1, D), np.float32), 2, Filter(include=pair))
            assert scores[0, 0] == scores[0, 1]
            assert sorted(rows[0]) == [0, 1]

    index.replace(pair, np.full((2, D), 50, dtype=np.float32))
    run_together(change, ask, ask)


def test_what_changes_while_it_is_built_is_not_lost(monkeypatch):
    index = ExactIndex().fit(draw(0, 100))
    building, changed = threading.Event(), threading.Event()

    def slow(*args):
        building.set()
        changed.wait(timeout=30)

    monkeypatch.setattr(index, "_build", slow)
    worker = threading.Thread(target=index.rebuild)
    worker.start()
    building.wait(timeout=30)
    rows = index.add(draw(1, 3))
    index.replace(np.array([0, rows[0]]), draw(2, 2))
    index.remove(np.array([5, rows[1]]))
    expected = index.snapshot.take(np.arange(103))
    changed.set()
    worker.join(timeout=30)
    np.testing.assert_array_equal(index.vectors, expected)
    assert np.flatnonzero(~index.active).tolist() == [5, rows[1]]
    assert len(index.snapshot.base) == 100  # built from what there was


def test_a_build_that_fails_is_told_and_the_old_index_goes_on():
    index = Spoiled(rebuild_fraction=1e-9).fit(draw(0, 100))
    index.add(draw(1, 6))
    index.wait()
    with pytest.warns(IndexRebuildWarning, match=r"could not be rebuilt .*no memory left"):
        index.add(draw(2, 1) + 100)
    assert index.search(np.ones((1, D)), 1)[1] == [[106]]
    with pytest.raises(MemoryError, match="no memory left"):
        index.rebuild()
    assert len(index) == 107


def test_old_answers_do_not_keep_growing_memory():
    """Dead slots go with the next build."""
    index = ExactIndex(rebuild_fraction=0.1).fit(draw(0, 100))
    index._min_changes = 50
    for seed in range(100):
        index.replace(np.arange(10), draw(seed, 10))
        index.wait()
    assert index.snapshot.n_slots < 200
    np.testing.assert_array_equal(index.vectors[:10], draw(99, 10))
