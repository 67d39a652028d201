"""What every search over vectors that do not change keeps to, and every backend."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embrec.index import AnnoyIndex, FaissIndex, HnswIndex
from embrec.index.approximate import TunedSearch
from embrec.index.quantized import QuantizedSearch, is_available

N, D = 400, 6
BACKENDS = {
    "annoy": ("annoy", lambda: AnnoyIndex(n_trees=4)),
    "faiss": ("faiss", lambda: FaissIndex(codes="Flat")),
    "hnsw": ("usearch", lambda: HnswIndex(precision="f32")),
}
SLOTS = np.arange(7, 7 + 2 * N, 2)


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


VECTORS, QUERIES = draw(0, N), draw(1, 5)


def best(n):
    scores = QUERIES.astype(np.float64) @ VECTORS.T
    return np.argsort(-scores, axis=1)[:, :n]


@pytest.fixture(scope="module")
def built():
    """Make each backend once."""
    made = {}

    def build(name):
        library, index = BACKENDS[name]
        pytest.importorskip(library)
        if name not in made:
            made[name] = index()._make(VECTORS, seed=0)
        backend = made[name]
        backend.effort = backend.efforts[-1]
        return backend

    return build


@pytest.mark.parametrize("name", BACKENDS)
class TestBackends:
    def test_the_most_thorough_search_finds_the_best(self, built, name):
        backend = built(name)
        assert backend.efforts == sorted(set(backend.efforts))
        assert backend.efforts[0] >= 1
        found = backend.search(QUERIES, 10)
        assert (found.shape, found.dtype) == ((5, 10), np.int64)
        np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(best(10), axis=1))
        assert (backend.search(QUERIES[:1], 10) == found[:1]).all()

    def test_what_is_lacking_is_filled_up(self, built, name):
        found = np.sort(built(name).search(QUERIES, N + 3), axis=1)
        np.testing.assert_array_equal(found[:, :3], -1)
        np.testing.assert_array_equal(found[:, 3:], np.tile(np.arange(N), (5, 1)))

    def test_a_file_gives_the_same_backend(self, built, name, tmp_path):
        backend = built(name)
        backend.save(tmp_path / "saved")
        opened = type(backend)(tmp_path / "saved", backend.settings)
        assert opened.effort == 0
        opened.effort = backend.efforts[0]
        backend.effort = backend.efforts[0]
        assert opened.efforts == backend.efforts
        np.testing.assert_array_equal(opened.search(QUERIES, 20), backend.search(QUERIES, 20))


@pytest.fixture(params=["quantized", *BACKENDS])
def search(request, built):
    """One that is exact, and the slots that it holds."""
    if request.param != "quantized":
        return TunedSearch(built(request.param), SLOTS, 1.0), SLOTS
    if not is_available():
        pytest.skip("no products of int8 here")
    return QuantizedSearch(VECTORS), np.arange(N)


def test_the_best_are_among_what_is_found(search):
    static, slots = search
    assert static.recall == 1
    assert static.n_held == N
    for n in (1, 7):
        found = static.search(QUERIES, n)
        assert found.dtype == np.int64
        assert found.shape[0] == 5
        assert found.shape[1] >= n
        for row, expected in zip(found, slots[best(n)], strict=True):
            there = row[row >= 0]
            assert len(set(there)) == len(there)
            assert set(expected) <= set(there)


def test_more_than_it_holds(search):
    static, slots = search
    found = static.search(QUERIES, N + 5)
    assert found.shape[1] >= N + 5
    for row in found:
        assert sorted(row[row >= 0]) == slots.tolist()


def test_what_a_hasty_search_lacks_is_no_slot(built):
    backend = built("faiss")
    backend.effort = 1
    found = TunedSearch(backend, SLOTS, 0.1).search(QUERIES, 300)
    assert (found == -1).any()
    for row in found:
        there = row[row >= 0]
        assert len(set(there)) == len(there)
        assert set(there) < set(SLOTS)


def test_no_query(search):
    static, _ = search
    found = static.search(np.empty((0, D), dtype=np.float32), 4)
    assert found.shape[0] == 0
    assert found.shape[1] >= 4


def test_several_threads_at_a_time(search):
    static, _ = search
    expected = np.sort(static.search(QUERIES, 9), axis=1)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: static.search(QUERIES, 9), range(20)):
            np.testing.assert_array_equal(np.sort(found, axis=1), expected)
