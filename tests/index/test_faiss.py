"""Cells of Faiss: how many there are, and how many are looked into."""

import sys

import numpy as np
import pytest

faiss = pytest.importorskip("faiss", reason="needs the extra 'faiss'")

from embrec.index import FaissIndex
from embrec.index.approximate import RECALL_AT
from embrec.index.faiss import FaissBackend

N, D = 800, 8


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


VECTORS, QUERIES = draw(0, N), draw(1, 4)


@pytest.fixture(scope="module")
def cells():
    return FaissBackend.build(VECTORS, n_cells=16, codes="Flat", seed=0)


def opened(backend, tmp_path):
    """What the library itself reads."""
    backend.save(tmp_path / "file")
    return faiss.read_index(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("n", "asked", "n_cells"),
    # twice the root, but at least 39 vectors per cell
    [(39, None, 1), (500, None, 12), (N, None, 20), (N, 7, 7), (N, 1000, 20), (10, 3, 1)],
    ids=["one", "few", "many", "asked", "asked-for-too-many", "fewer-than-39"],
)
def test_how_many_cells(n, asked, n_cells):
    made = FaissIndex(n_cells=asked, codes="Flat")._make(VECTORS[:n], seed=0)
    assert made.efforts[-1] == n_cells


def test_twice_the_root_where_there_are_enough():
    made = FaissIndex(codes="Flat")._make(draw(2, 8100), seed=0)
    assert made.efforts[-1] == 180


def test_efforts_are_numbers_of_cells(cells):
    assert cells.efforts == [1, 2, 3, 5, 7, 11, 16]


def test_it_looks_into_the_cells_with_the_best_centres(cells, tmp_path):
    cells.effort = 3
    found = cells.search(QUERIES, 40)
    plain = opened(cells, tmp_path)
    centres = plain.quantizer.reconstruct_n(0, 16)
    nearest = np.argsort(-(QUERIES @ centres.T), axis=1)[:, :3]
    of_cell = np.argmax(VECTORS @ centres.T, axis=1)
    for query, looked_into, places in zip(QUERIES, nearest, found, strict=True):
        inside = np.flatnonzero(np.isin(of_cell, looked_into))
        expected = inside[np.argsort(-(VECTORS[inside] @ query))][:40]
        assert places[places >= 0].tolist() == expected.tolist()


def test_more_than_recall_was_measured_with_takes_more_cells(cells, tmp_path):
    cells.effort = 2
    plain = opened(cells, tmp_path)
    for n, n_probe in ((RECALL_AT, 2), (3 * RECALL_AT, 6), (100 * RECALL_AT, 16)):
        plain.nprobe = n_probe
        np.testing.assert_array_equal(cells.search(QUERIES, n), plain.search(QUERIES, n)[1])


def test_codes_say_how_vectors_are_kept(cells, tmp_path):
    rounded = FaissIndex(codes="SQ8", n_cells=16)._make(VECTORS, seed=0)
    assert opened(rounded, tmp_path).code_size == D
    assert opened(cells, tmp_path).code_size == 4 * D


def test_the_seed_places_the_cells(tmp_path):
    centres = []
    for seed in (0, 0, 1):
        # as many cells as are found with all vectors, whatever the seed
        made = FaissIndex(n_cells=20, codes="Flat")._make(VECTORS, seed)
        plain = opened(made, tmp_path)  # which its quantizer does not keep alive
        centres.append(plain.quantizer.reconstruct_n(0, 20))
    np.testing.assert_array_equal(centres[0], centres[1])
    assert not np.allclose(centres[0], centres[2])


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r'FaissIndex needs .*"embrec\[faiss\]"'):
        FaissIndex().check()
