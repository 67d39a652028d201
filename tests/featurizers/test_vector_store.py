"""Vectors on disk."""

import os
import time
from functools import partial
from hashlib import blake2b

import joblib
import numpy as np
import pytest
from threads import run_together

from embrec.featurizers import _vector_store
from embrec.featurizers._vector_store import KEY_DTYPE, VectorStore


def keys_of(numbers):
    digests = [blake2b(str(n).encode(), digest_size=16).digest() for n in numbers]
    return np.array(digests, dtype=KEY_DTYPE)


def vectors_of(numbers):
    # what float16 holds exactly
    return np.outer(numbers, [1, 0.5, -1]).astype(np.float32)


def add(store, numbers):
    keys, vectors = keys_of(numbers), vectors_of(numbers)
    order = np.argsort(keys)
    store.add(keys[order], vectors[order])


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path, 3)


def test_what_was_added_is_found(store):
    add(store, [1, 2, 3])
    add(store, [10, 11])
    assert store.contains(keys_of([3, 4, 10])).tolist() == [True, False, True]
    asked = [11, 1, 3, 3, 10]
    vectors = store.read(keys_of(asked))
    np.testing.assert_array_equal(vectors, vectors_of(asked))
    assert vectors.dtype == np.float32


def test_another_process_finds_it_too(store, tmp_path):
    add(store, [1, 2, 3])
    np.testing.assert_array_equal(VectorStore(tmp_path, 3).read(keys_of([2])), vectors_of([2]))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"memory='.*file' is a file; pass a folder"):
        VectorStore.open(tmp_path / "file", "name", 3)


def test_an_empty_store_has_nothing(store):
    assert not store.contains(keys_of([1, 2])).any()
    with pytest.raises(FileNotFoundError, match="2 vectors are not in the store"):
        store.read(keys_of([1, 2]))


def test_float16_on_disk_where_it_suffices(store, tmp_path):
    add(store, [1, 2])
    [file] = tmp_path.glob("segments/*/vectors.npy")
    assert np.load(file).dtype == np.float16


@pytest.mark.parametrize("value", [1e6, -7e4, 1e-5, 3e-8, -1e-30, 1e-44])
def test_what_float16_cannot_hold_is_kept(store, value):
    add(store, [1])
    kept = np.array([[value, 1, 0]], dtype=np.float32)
    store.add(keys_of([2]), kept)
    np.testing.assert_array_equal(store.read(keys_of([2, 1])), [kept[0], [1, 0.5, -1]])


def test_no_value_loses_more_than_float16_does(tmp_path):
    """Whatever its size: 11 bits are kept, in half the space where that is enough."""
    rng = np.random.default_rng(0)
    types = []
    for size in range(-26, 18):
        store = VectorStore(tmp_path / str(size), 3)
        vectors = (2.0**size * rng.uniform(1, 2, size=(1, 3))).astype(np.float32)
        store.add(keys_of([1]), vectors)
        np.testing.assert_allclose(store.read(keys_of([1])), vectors, rtol=2**-11, atol=0)
        [file] = store.folder.glob("segments/*/vectors.npy")
        types.append(np.load(file, mmap_mode="r").itemsize)
    assert types[:10] == [4] * 10  # then there may be a bit to spare
    assert types[12:] == [2] * 30 + [4] * 2


def test_adding_writes_what_is_new_alone(store, tmp_path):
    add(store, range(1000))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("segments/*/*")}
    add(store, range(1000, 1010))
    files = set(tmp_path.glob("segments/*/*"))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sum(path.stat().st_size for path in files - set(before)) < 1000


def test_many_segments_are_merged(store, tmp_path):
    add(store, range(1000, 2000))
    [large] = tmp_path.glob("segments/*/vectors.npy")
    for number in range(100):
        add(store, [number])
    assert len(list(tmp_path.glob("segments/*"))) <= _vector_store.MAX_SEGMENTS + 1
    assert large.exists()  # the largest stays as it is
    everything = [*range(100), *range(1000, 2000)]
    np.testing.assert_array_equal(store.read(keys_of(everything)), vectors_of(everything))


def test_a_failed_write_leaves_nothing(store, tmp_path, monkeypatch):
    add(store, [1])

    def fail(file):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        add(store, [2])
    assert len(list(tmp_path.glob("segments/*"))) == 1
    assert len(list(tmp_path.glob("segments/.*"))) == 0


@pytest.mark.parametrize("name", ["keys.npy", "vectors.npy"])
@pytest.mark.parametrize("size", [0, 100, 150])
def test_a_segment_cut_short_is_removed(store, tmp_path, name, size):
    add(store, [1, 2])
    add(store, range(3, 60))
    damaged = next(
        path for path in tmp_path.glob("segments/*") if len(np.load(path / "keys.npy")) == 57
    )
    (damaged / name).write_bytes((damaged / name).read_bytes()[:size])
    with pytest.warns(UserWarning, match=f"{damaged} is damaged and was removed"):
        assert store.contains(keys_of([1, 2, 3])).tolist() == [True, True, False]
    add(store, [3])
    np.testing.assert_array_equal(store.read(keys_of([1, 3])), vectors_of([1, 3]))


def test_keys_without_vectors_are_removed(store, tmp_path):
    add(store, [1, 2])
    [path] = tmp_path.glob("segments/*/keys.npy")
    np.save(path, np.load(path)[:1])
    with pytest.warns(UserWarning, match="is damaged"):
        assert not store.contains(keys_of([1, 2])).any()


def test_what_killed_processes_left_is_removed_in_time(store, tmp_path):
    for name, age in {".old": 1e6, ".new": 0}.items():
        (tmp_path / "segments" / name).mkdir()
        (tmp_path / "segments" / name / "keys.npy").touch()
        os.utime(tmp_path / "segments" / name, (time.time() - age,) * 2)
    for number in range(_vector_store.MAX_SEGMENTS + 1):
        add(store, [number])
    assert [path.name for path in tmp_path.glob("segments/.*")] == [".new"]


def test_threads_that_write_and_read(tmp_path):
    n = 18

    def work(first, stop):
        store = VectorStore(tmp_path, 3)
        for i in range(first, first + n, 3):
            numbers = [i, i + 1, i + 2]
            add(store, numbers)
            np.testing.assert_array_equal(store.read(keys_of(numbers)), vectors_of(numbers))

    run_together(*(partial(work, 100 * i) for i in range(4)))
    everything = [i for first in range(0, 400, 100) for i in range(first, first + n)]
    store = VectorStore(tmp_path, 3)
    np.testing.assert_array_equal(store.read(keys_of(everything)), vectors_of(everything))


class TestMapped:
    def test_a_memory_map_of_float16(self, tmp_path):
        store = VectorStore(tmp_path, 3, mapped=True)
        add(store, range(50))
        asked = [4, 49, 4, 0]
        block = store.read(keys_of(asked))
        assert isinstance(block, np.memmap)
        assert block.dtype == np.float16
        assert not block.flags.writeable
        np.testing.assert_array_equal(block, vectors_of(asked))

    def test_a_map_that_may_be_written_to_changes_no_file(self, tmp_path):
        store = VectorStore(tmp_path, 3, mapped=True)
        add(store, range(3))
        store.read(keys_of([0, 1]), writable=True)[:] = np.nan
        np.testing.assert_array_equal(store.read(keys_of([0, 1])), vectors_of([0, 1]))

    def test_is_written_once(self, tmp_path):
        store = VectorStore(tmp_path, 3, mapped=True)
        add(store, range(50))
        store.read(keys_of([1, 2]))
        [path] = tmp_path.glob("blocks/*")
        written = path.stat().st_mtime_ns
        store.read(keys_of([1, 2]))
        assert path.stat().st_mtime_ns == written
        store.read(keys_of([2, 1]))
        assert len(list(tmp_path.glob("blocks/*"))) == 2

    def test_large_blocks_are_written_in_parts(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_vector_store, "ROWS_AT_A_TIME", 7)
        store = VectorStore(tmp_path, 3, mapped=True)
        add(store, range(50))
        np.testing.assert_array_equal(store.read(keys_of(range(50))), vectors_of(range(50)))


class TestOpen:
    def test_old_blocks_are_forgotten(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_vector_store, "BLOCK_BYTES", 1)
        monkeypatch.setattr(_vector_store, "N_BLOCKS", 3)
        store = VectorStore(tmp_path, 3, mapped=True)
        add(store, range(50))
        first = store.read(keys_of([1, 2]))
        for number in range(3, 10):
            store.read(keys_of([0, number]))
            store.read(keys_of([0, 3]))  # stays in use
        assert len(list(tmp_path.glob("blocks/*"))) == 3
        names = {path.name for path in tmp_path.glob("blocks/*")}
        store.read(keys_of([0, 3]))
        assert {path.name for path in tmp_path.glob("blocks/*")} == names
        np.testing.assert_array_equal(first, vectors_of([1, 2]))  # mapped, it lives on

    def test_a_path(self, tmp_path):
        store = VectorStore.open(tmp_path, "words", 3)
        assert store.folder == tmp_path / "embrec" / "words"
        assert not store.mapped
        assert VectorStore.open(str(tmp_path), "words", 3).folder == store.folder

    def test_a_memory_of_joblib(self, tmp_path):
        memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
        store = VectorStore.open(memory, "words", 3)
        assert store.folder == tmp_path / "embrec" / "words"
        assert store.mapped

    def test_a_memory_without_location_stores_nothing(self):
        assert VectorStore.open(joblib.Memory(None), "words", 3) is None
