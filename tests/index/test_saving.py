"""An index as parts, and put together again."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

from embrec.index import AnnoyIndex, AutoIndex, ExactIndex, FaissIndex, HnswIndex
from embrec.index.quantized import QuantizedSearch, is_available
from embrec.index.saving import FILE, describe_index, describe_settings, make_index, read_index

N, D = 520, 6


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


VECTORS, QUERIES = draw(0, N), draw(1, 5)
KINDS = {
    "exact": (None, lambda: ExactIndex(precision="float32")),
    "annoy": ("annoy", lambda: AnnoyIndex(n_trees=3, random_state=0)),
    "hnsw": ("usearch", lambda: HnswIndex(random_state=0)),
    "faiss": ("faiss", lambda: FaissIndex(random_state=0)),
}


def through(index, folder):
    """Save and load, as a folder of a model does."""
    parts = describe_index(index, folder)
    description = json.loads(json.dumps(parts.description))
    return read_index(description, parts.arrays, parts.vectors, parts.new_vectors, folder)


def assert_same(one, other):
    for found, expected in zip(one.search(QUERIES, 20), other.search(QUERIES, 20), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(one.active, other.active)
    np.testing.assert_array_equal(one.vectors, other.vectors)


def change(index):
    index.remove([3, 4])
    index.replace([5], draw(2, 1) * 9)
    index.add(draw(3, 4) * 5)
    index.remove([6, N + 1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_answers_alike(kind, tmp_path):
    library, make = KINDS[kind]
    if library is not None:
        pytest.importorskip(library)
    index = make().fit(VECTORS, queries=QUERIES)
    assert (kind == "exact") == (index.snapshot.static is None)
    again = through(index, tmp_path)
    assert type(again) is type(index)
    assert again.get_params() == index.get_params()
    assert again.recall_ == index.recall_
    assert (tmp_path / FILE).exists() == (kind != "exact")
    assert_same(again, index)
    # and with what has changed since it was built, which goes on
    change(index)
    again = through(index, tmp_path)
    assert_same(again, index)
    for one in (index, again):
        one.replace([3, N], draw(4, 2))
        one.rebuild()
    assert_same(again, index)


@pytest.mark.parametrize("kind", ["annoy", "hnsw", "faiss"])
def test_equal_vectors_stay_together(kind, tmp_path):
    library, make = KINDS[kind]
    pytest.importorskip(library)
    vectors = np.concatenate([VECTORS, draw(5, 600), VECTORS[:300:2], VECTORS[:100]])
    index = make().fit(vectors, queries=QUERIES)
    again = through(index, tmp_path)
    assert_same(again, index)
    assert (again.recall_, again.recall_p10_) == (index.recall_, index.recall_p10_)
    # as a folder was before recall was known by query
    parts = describe_index(index, tmp_path)
    del parts.description["backend"]["recall_p10"]
    old = read_index(parts.description, parts.arrays, parts.vectors, None, tmp_path)
    assert np.isnan(old.recall_p10_)
    assert_same(old, index)


def test_removed_ones_of_before_a_build_stay_removed(tmp_path):
    index = AnnoyIndex(n_trees=3, random_state=0).fit(VECTORS)
    change(index)
    index.rebuild()
    again = through(index, tmp_path)
    assert np.flatnonzero(~again.active).tolist() == [3, 4, 6, N + 1]
    assert_same(again, index)


@pytest.mark.skipif(not is_available(), reason="no products of int8 here")
def test_codes_of_8_bits_are_made_anew(tmp_path):
    index = ExactIndex(precision="int8").fit(VECTORS)
    parts = describe_index(index, tmp_path)
    assert parts.description["quantized"]
    assert all(array.size < N for array in parts.arrays.values())
    again = through(index, tmp_path)
    assert isinstance(again.snapshot.static, QuantizedSearch)
    assert_same(again, index)


def test_sparse_vectors_stay_sparse(tmp_path):
    index = ExactIndex().fit(sp.csr_array(VECTORS))
    index.add(sp.csr_array(draw(2, 2)))
    index.remove([0])
    again = through(index, tmp_path)
    assert sp.issparse(again.snapshot.base)
    np.testing.assert_array_equal(again.vectors.toarray(), index.vectors.toarray())
    found, expected = (one.search(sp.csr_array(QUERIES), 9)[1] for one in (again, index))
    np.testing.assert_array_equal(found, expected)


def test_queries_to_measure_with_are_kept(tmp_path):
    index = through(ExactIndex().fit(VECTORS, queries=QUERIES), tmp_path)
    np.testing.assert_array_equal(index._sample, QUERIES)
    assert through(ExactIndex().fit(VECTORS), tmp_path)._sample is None


@pytest.mark.parametrize(
    "index",
    [ExactIndex(memory=7), AnnoyIndex(n_trees=2), AutoIndex(), HnswIndex(ef=3), FaissIndex()],
    ids=["exact", "annoy", "auto", "hnsw", "faiss"],
)
def test_settings_are_json(index):
    description = json.loads(json.dumps(describe_settings(index)))
    made = make_index(description)
    assert type(made) is type(index)
    assert made.get_params() == index.get_params()


def test_numbers_of_numpy_and_generators():
    random_state = np.random.RandomState(3)
    index = AnnoyIndex(n_trees=np.int64(4), min_recall=np.float32(0.5), random_state=random_state)
    params = json.loads(json.dumps(describe_settings(index)))["params"]
    assert (params["n_trees"], params["min_recall"]) == (4, 0.5)
    # the seed that it would draw next, which is still to be drawn
    drawn = np.random.RandomState(3).randint(2**31 - 1)
    assert params["random_state"] == drawn == random_state.randint(2**31 - 1)


def test_a_class_of_ones_own_is_refused(tmp_path):
    class Own(ExactIndex):
        pass

    Own.__name__ = "ExactIndex"  # a name alone is no proof
    for index in (Own(), type("Mine", (ExactIndex,), {})()):
        name = type(index).__name__
        with pytest.raises(ValueError, match=f"The index is a {name}; .* AnnoyIndex.*joblib.dump"):
            describe_settings(index)
        with pytest.raises(ValueError, match="those that can be saved"):
            describe_index(index.fit(VECTORS), tmp_path)
