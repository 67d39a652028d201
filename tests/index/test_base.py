"""What all indexes share: vectors that come in, a companion by cosine, copies."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from embrec.index import AnnoyIndex, ExactIndex

D = 3


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_vectors_that_come_in_stay_as_they_were(kind):
    vectors = kind(draw(0, 4))
    before = vectors.copy()
    index = ExactIndex().fit(vectors)
    index.companion()
    index.replace(np.array([1]), kind(draw(1, 1)))
    index.add(kind(draw(2, 1)))
    index.replace(np.array([0, 4]), kind(draw(3, 2)))
    index.remove(np.array([2]))
    assert (vectors != before).sum() == 0
    assert vectors.shape == before.shape


def test_memory_that_must_not_be_written_to():
    vectors, query = draw(0, 4), draw(1, 1)
    vectors.flags.writeable = query.flags.writeable = False
    index = ExactIndex().fit(vectors)
    expected = np.argsort(-(vectors @ query[0]))
    assert index.search(query, 4)[1][0].tolist() == expected.tolist()
    index.replace(np.array([expected[0]]), np.zeros((1, D), dtype=np.float32))
    assert index.vectors[expected[0]].tolist() == [0] * D


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_pickles_hold_the_vectors_once(kind):
    index = ExactIndex(memory=1000).fit(kind(draw(0, 200)))
    size = len(pickle.dumps(index))
    index.companion()
    assert len(pickle.dumps(index)) == size
    index.remove(np.array([3]))
    again = pickle.loads(pickle.dumps(index))
    assert again.memory == 1000
    query = kind(draw(1, 2))
    for found, expected in zip(again.search(query, 200), index.search(query, 200), strict=True):
        np.testing.assert_array_equal(found, expected)
    again.add(kind(draw(2, 1)))
    again.replace(np.array([3]), kind(draw(3, 1)))
    assert (len(again), len(index)) == (201, 200)
    assert again.active[3]
    assert not index.active[3]


def test_names_of_columns():
    frame = pd.DataFrame(draw(0, 30), columns=list("abc"))
    index = ExactIndex().fit(frame)
    assert index.feature_names_in_.tolist() == list("abc")
    index.add(frame[:2])
    assert len(index) == 32


def test_what_there_is():
    vectors = draw(0, 5)
    index = ExactIndex().fit(vectors)
    index.add(draw(1, 2))
    index.remove([1, 6])
    assert index.n_samples_fit_ == 7
    assert index.n_features_in_ == D
    assert index.active.tolist() == [True, False, True, True, True, True, False]
    np.testing.assert_array_equal(index.vectors, np.concatenate([vectors, draw(1, 2)]))
    assert index.recall_ == 1


def test_float32_is_taken_without_a_copy():
    vectors = draw(0, 5)
    assert ExactIndex().fit(vectors).snapshot.base is vectors
    by_cosine = ExactIndex(metric="angular").fit(vectors)
    np.testing.assert_allclose(by_cosine.vectors, unit(vectors), rtol=1e-6)
    with_zero = np.vstack([vectors, np.zeros((1, D), dtype=np.float32)])
    assert ExactIndex(metric="angular").fit(with_zero).vectors[5].tolist() == [0] * D


@pytest.mark.parametrize("wrong", [np.nan, np.inf], ids=["nan", "infinite"])
def test_values_that_are_no_numbers(wrong):
    vectors = draw(0, 5)
    fitted = ExactIndex().fit(vectors)
    before = fitted.snapshot
    bad = vectors.copy()
    bad[2, 1] = wrong
    for change in (fitted.fit, fitted.add, lambda X: fitted.fit(vectors, queries=X)):
        with pytest.raises(ValueError, match="NaN|infinity"):
            change(bad)
    assert fitted.snapshot is before


@pytest.mark.parametrize(
    ("name", "value"),
    [("metric", "l2"), ("mode", "far"), ("memory", 0), ("rebuild_fraction", 0), ("n_neighbors", 0)],
)  # fmt: skip
def test_parameters_are_checked_without_fitting(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of ExactIndex must be"):
        ExactIndex(**{name: value}).check()


class TestCompanion:
    def test_it_changes_along(self):
        index = ExactIndex().fit(draw(0, 6))
        index.remove([2, 3])
        companion = index.companion()
        assert index.companion() is companion
        assert (companion.metric, index.metric) == ("angular", "dot")
        index.add(draw(1, 2) * 9)
        index.replace([0, 2], draw(2, 2) * 5)
        index.remove([4])
        np.testing.assert_allclose(companion.vectors, unit(index.vectors), rtol=1e-5)
        assert np.flatnonzero(~companion.active).tolist() == [3, 4]

    def test_of_the_first_columns(self):
        index = ExactIndex().fit(draw(0, 6))
        companion = index.companion(2)
        index.replace([1], draw(3, 1))
        np.testing.assert_allclose(companion.vectors, unit(index.vectors[:, :2]), rtol=1e-5)

    def test_there_is_none_before_fit(self):
        with pytest.raises(NotFittedError):
            ExactIndex().companion()


def test_copies_of_what_is_not_fitted():
    index = pickle.loads(pickle.dumps(AnnoyIndex(n_trees=7)))
    assert index.n_trees == 7
    with pytest.raises(NotFittedError):
        index.search([[1.0]], 1)
    fitted = index.fit(draw(0, 5))
    with pytest.raises(NotFittedError):
        clone(fitted).search([[1.0]], 1)
