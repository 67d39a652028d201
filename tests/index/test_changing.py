"""Many threads search while others change the index and build it anew."""

import gc
import pickle
import threading
import time
import weakref

import numpy as np
import pytest
from threads import join, run_together, start, wait

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
        wait(changed)

    monkeypatch.setattr(index, "_build", slow)
    worker = start(index.rebuild)
    wait(building)
    rows = index.add(draw(1, 3))
    index.replace(np.array([0, rows[0]]), draw(2, 2))
    index.remove(np.array([5, rows[1]]))
    expected = index.snapshot.take(np.arange(103))
    changed.set()
    join(worker)
    np.testing.assert_array_equal(index.vectors, expected)
    assert np.flatnonzero(~index.active).tolist() == [5, rows[1]]
    assert len(index.snapshot.base) == 100  # built from what there was


def test_a_build_that_fails_is_told_and_the_old_index_goes_on():
    index = Spoiled(rebuild_fraction=1e-9).fit(draw(0, 100))
    index.add(draw(1, 6))
    with pytest.warns(IndexRebuildWarning, match=r"could not be rebuilt .*no memory left"):
        index.wait()
    index.add(draw(2, 1) + 100)  # told once
    assert index.wait().n_built == 2  # and not tried again for every change
    assert index.search(np.ones((1, D)), 1)[1] == [[106]]
    with pytest.raises(MemoryError, match="no memory left"):
        index.rebuild()
    assert len(index) == 107
    index.add(draw(3, 7))
    index._builder.wait()
    assert index.n_built == 4
    with pytest.warns(IndexRebuildWarning, match="no memory left"):
        index.remove([0])  # whoever changes it next is told
    assert not index.active[0]


def test_a_warning_that_is_an_error_changes_nothing():
    index = Spoiled(rebuild_fraction=1e-9).fit(draw(0, 100))
    index.add(draw(1, 6))
    index._builder.wait()
    before = index.snapshot
    with pytest.raises(IndexRebuildWarning):  # as pytest turns warnings into errors
        index.add(draw(2, 1))
    assert index.snapshot is before
    index.add(draw(2, 1))
    assert len(index) == 107


def test_threads_that_cannot_be_started(monkeypatch):
    index = ExactIndex(rebuild_fraction=1e-9).fit(draw(0, 100))
    index._min_changes = 5

    def fail(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        index.add(draw(1, 6))
    assert len(index) == 106
    with pytest.warns(IndexRebuildWarning, match="can't start new thread"):
        index.wait()
    index.add(draw(2, 6))
    assert index.wait().snapshot.n_changes == 0


def test_what_comes_during_a_build_is_built_in_too(monkeypatch):
    index = ExactIndex(rebuild_fraction=1e-9).fit(draw(0, 100))
    index._min_changes = 5
    building, go_on = threading.Event(), threading.Event()

    def slow(*args):
        building.set()
        wait(go_on)

    monkeypatch.setattr(index, "_build", slow)
    index.add(draw(1, 6))
    wait(building)
    index.add(draw(2, 50))
    go_on.set()
    assert index.wait().snapshot.n_changes == 0
    assert len(index) == 156


def test_rebuilding_together_takes_in_everything(monkeypatch):
    index = ExactIndex().fit(draw(0, 100))
    building, go_on = threading.Event(), threading.Event()

    def slow(*args):
        building.set()
        wait(go_on)

    monkeypatch.setattr(index, "_build", slow)
    first = start(index.rebuild)
    wait(building)
    index.add(draw(1, 9))
    second = start(index.rebuild)
    go_on.set()
    join(first, second)
    assert index.snapshot.n_changes == 0


def test_changes_do_not_wait_for_a_companion_that_is_made(monkeypatch):
    index = ExactIndex().fit(draw(0, 100))
    making, go_on = threading.Event(), threading.Event()
    fit = ExactIndex.fit

    def slow(self, X, y=None, **options):
        making.set()
        wait(go_on)
        return fit(self, X, y, **options)

    monkeypatch.setattr(ExactIndex, "fit", slow)
    maker = start(index.companion)
    wait(making)
    rows = index.add(draw(1, 3))
    index.replace(np.array([4]), draw(2, 1))
    index.remove([7, rows[1]])
    go_on.set()
    join(maker)
    companion = index.companion()
    unit = index.vectors / np.linalg.norm(index.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(companion.vectors, unit, atol=1e-6)
    np.testing.assert_array_equal(companion.active, index.active)


def test_old_answers_do_not_keep_growing_memory():
    """Dead slots go with the next build."""
    index = ExactIndex(rebuild_fraction=0.1).fit(draw(0, 100))
    index._min_changes = 50
    for seed in range(100):
        index.replace(np.arange(10), draw(seed, 10))
        index.wait()
    assert index.snapshot.n_slots < 200
    np.testing.assert_array_equal(index.vectors[:10], draw(99, 10))


def test_what_was_replaced_goes_at_once():
    """Without Python having to look for cycles."""
    index = ExactIndex().fit(draw(0, 100))
    stores = []
    gc.collect()
    gc.disable()
    try:
        for seed in range(3):
            stores.append(weakref.ref(index._store))
            index.add(draw(seed, 5))
            index.rebuild()
        assert [store() for store in stores] == [None] * 3
    finally:
        gc.enable()


def test_a_forked_process_goes_on_by_itself(processes, tmp_path):
    """Whatever threads its parent had, and whatever they held."""
    code = """if True:
        import os, threading, time
        import numpy as np
        from embrec.index import AnnoyIndex
        vectors = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
        index = AnnoyIndex(random_state=0, rebuild_fraction=1e-9).fit(vectors)
        index._min_changes = 10
        held, building = threading.Event(), threading.Event()
        build = index._build
        def slow(*args):
            building.set()
            held.wait(120)
            return build(*args)
        index._build = slow
        index.add(vectors[:20])
        building.wait(120)
        taken = threading.Event()
        def hold():
            with index._lock:
                taken.set()
                held.wait(120)
        threading.Thread(target=hold, daemon=True).start()
        taken.wait(120)
        child = os.fork()
        if child == 0:
            index._build = build
            index.add(vectors[:20])
            ok = index.wait().snapshot.n_changes == 0 and index.search(vectors[:1], 5)[1].min() >= 0
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        held.set()
        index.wait()
        assert os.waitstatus_to_exitcode(status) == 0
        assert (index.search(vectors[:3], 5)[1] >= 0).all()
        print("both")
    """
    done = processes.run(code, tmp_path)
    assert (done.code, done.out.split()) == (0, ["both"]), done.err


@pytest.mark.parametrize("kind", ["AnnoyIndex", "HnswIndex", "FaissIndex"])
def test_a_process_may_end_while_it_builds(kind, processes, tmp_path):
    pytest.importorskip({"HnswIndex": "usearch", "FaissIndex": "faiss"}.get(kind, "annoy"))
    code = f"""if True:
        import time
        import numpy as np
        from embrec.index import {kind}
        vectors = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
        index = {kind}(random_state=0, rebuild_fraction=1e-9).fit(vectors[:600])
        index.add(vectors)
        time.sleep(0.3)
    """
    done = processes.run(code, tmp_path)
    assert (done.code, done.err) == (0, "")
    if kind != "FaissIndex":  # which cannot be told to stop while it writes
        assert list((tmp_path / "temporary").iterdir()) == []


def test_a_write_that_an_error_ends_is_as_if_it_had_not_been(monkeypatch):
    """Also what it had begun to write: the next one finds no trace of it."""
    index = ExactIndex().fit(draw(0, 30))
    index.add(draw(1, 5))
    expected = index.snapshot.take(np.arange(35))
    finder = index._store._finder

    for fail in (
        (index._store._tail_died, "extend"),
        (finder._previous, "extend"),
        (finder._of_new, "extend"),
        (index._store, "_kill"),
        (index._store, "_publish"),
    ):

        def broken(*args):
            raise MemoryError("no memory left")

        with monkeypatch.context() as patch:
            patch.setattr(*fail, broken)
            with pytest.raises(MemoryError):
                index.write(np.array([3, 32, *range(35, 38)]), draw(2, 5) + 100)
        if fail[1] in ("_kill", "_publish"):
            with monkeypatch.context() as patch:
                patch.setattr(*fail, broken)
                with pytest.raises(MemoryError):
                    index.remove([4])
        np.testing.assert_array_equal(index.snapshot.take(np.arange(35)), expected)
        assert index.snapshot.n_active == 35
    new = draw(3, 4)
    index.write(np.array([33, 3, 35, 36]), new)
    index.remove([5])
    expected = np.concatenate([expected, new[2:]])
    expected[[33, 3]] = new[:2]
    np.testing.assert_array_equal(index.vectors, expected)
    assert np.flatnonzero(~index.active).tolist() == [5]
    scores, rows = index.search(draw(4, 3), 37)
    truth = np.delete(draw(4, 3) @ expected.T, 5, axis=1)
    np.testing.assert_allclose(scores[:, :36], -np.sort(-truth, axis=1), atol=1e-5)
    assert (rows[:, 36] == -1).all()


def test_forks_while_others_write(processes, tmp_path):
    """Whatever another thread was at, a child's own writes are right."""
    code = """if True:
        import os, threading
        import numpy as np
        from embrec.index import ExactIndex
        rng = np.random.default_rng(0)
        index = ExactIndex().fit(rng.normal(size=(100, 256)).astype(np.float32))
        index._min_changes = 10**9
        block = rng.normal(size=(2000, 256)).astype(np.float32)
        stop = threading.Event()
        def write():
            while not stop.is_set() and len(index) < 300_000:
                index.add(block)
        thread = threading.Thread(target=write)
        thread.start()
        wrong = 0
        for _ in range(15):
            child = os.fork()
            if child == 0:
                rows = index.add(np.full((3, 256), 7777, dtype=np.float32))
                os._exit(0 if (index.snapshot.take(rows) == 7777).all() else 1)
            wrong += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        stop.set()
        thread.join()
        print(wrong)
    """
    done = processes.run(code, tmp_path)
    assert (done.code, done.out.split()) == (0, ["0"]), done.err


def test_removals_count_as_changes_after_pickling():
    index = ExactIndex().fit(draw(0, 4000))
    index._min_changes = 10**9
    for first in range(0, 3000, 100):
        index.remove(np.arange(first, first + 100))
        index = pickle.loads(pickle.dumps(index))
        index._min_changes = 10**9
    assert index.snapshot.n_changes == 3000
    assert index.rebuild().snapshot.n_changes == 0
    again = pickle.loads(pickle.dumps(index))
    assert again.snapshot.n_changes == 0
    assert np.flatnonzero(again.active).tolist() == list(range(3000, 4000))


def test_files_are_read_by_several_processes_at_once(processes, tmp_path):
    code = """if True:
        import os, pickle
        import numpy as np
        from embrec.index import AnnoyIndex
        vectors = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
        backend = AnnoyIndex(random_state=0).fit(vectors).snapshot.static.backend
        whole = pickle.dumps(backend)
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(sum(pickle.dumps(backend) != whole for _ in range(20)))
            children.append(child)
        wrong = sum(pickle.dumps(backend) != whole for _ in range(20))
        print(wrong + sum(os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children))
    """
    done = processes.run(code, tmp_path)
    assert (done.code, done.out.split()) == (0, ["0"]), done.err
