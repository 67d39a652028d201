"""The exact index, against brute force on a dict."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from embrec.index import ExactIndex
from embrec.index.filters import Filter

D = 3
SEEDS = st.integers(0, 10_000)


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


class LiveIndex(RuleBasedStateMachine):
    """Any sequence of changes and queries agrees with a dict of vectors."""

    sparse = False

    def kind(self, vectors):
        return sp.csr_array(vectors) if self.sparse else vectors

    @initialize(seed=SEEDS, n=st.integers(1, 6))
    def start(self, seed, n):
        vectors = draw(seed, n)
        self.index = ExactIndex(memory=64).fit(self.kind(vectors))
        self.vectors = dict(enumerate(vectors))
        self.gone = set()

    @rule(seed=SEEDS, n=st.integers(1, 9))
    def add(self, seed, n):
        vectors = draw(seed, n)
        rows = self.index.add(self.kind(vectors))
        assert rows.tolist() == list(range(len(self.vectors), len(self.vectors) + n))
        self.vectors.update(zip(rows.tolist(), vectors, strict=True))

    @rule(seed=SEEDS, data=st.data())
    def replace(self, seed, data):
        rows = data.draw(st.lists(st.sampled_from(sorted(self.vectors)), unique=True, min_size=1))
        vectors = draw(seed, len(rows))
        self.index.replace(np.array(rows), self.kind(vectors))
        self.vectors.update(zip(rows, vectors, strict=True))
        self.gone -= set(rows)

    @precondition(lambda self: len(self.gone) < len(self.vectors))
    @rule(data=st.data())
    def remove(self, data):
        left = sorted(set(self.vectors) - self.gone)
        rows = data.draw(st.lists(st.sampled_from(left), unique=True, min_size=1))
        self.index.remove(np.array(rows))
        self.gone |= set(rows)

    @rule(seed=SEEDS, k=st.integers(1, 5), unit=st.booleans())
    def query(self, seed, k, unit):
        query = draw(seed, 1)
        index = self.index.companion() if unit else self.index
        scores, rows = index.search(self.kind(query), k)
        truth = {
            row: float(query[0] @ v) / (np.linalg.norm(v) * np.linalg.norm(query) if unit else 1)
            for row, v in self.vectors.items()
            if row not in self.gone
        }
        n = min(k, len(truth))
        found = rows[0, :n].tolist()
        assert len(set(found)) == n
        assert rows[0, n:].tolist() == [-1] * (k - n)
        # by scores and not by rows: two equal vectors may stand in either order
        best = sorted(truth.values(), reverse=True)[:n]
        np.testing.assert_allclose([truth[r] for r in found], best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores[0, :n], best, rtol=1e-4, atol=1e-5)

    @invariant()
    def sizes(self):
        if hasattr(self, "index"):
            assert len(self.index) == len(self.vectors) == self.index.vectors.shape[0]
            assert np.flatnonzero(~self.index.active).tolist() == sorted(self.gone)


class LiveSparseIndex(LiveIndex):
    """The same over CSR vectors."""

    sparse = True


SETTINGS = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestLiveIndex = LiveIndex.TestCase
TestLiveIndex.settings = SETTINGS
TestLiveSparseIndex = LiveSparseIndex.TestCase
TestLiveSparseIndex.settings = SETTINGS


@pytest.mark.parametrize("sparse", [True, False])
def test_when_nothing_is_left(sparse):
    vectors = draw(0, 3)
    index = ExactIndex().fit(sp.csr_array(vectors) if sparse else vectors)
    index.remove(np.arange(3))
    query = draw(1, 2)
    scores, rows = index.search(sp.csr_array(query) if sparse else query, 4)
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_ranks_leave_out_what_was_removed():
    vectors = np.array([[5], [4], [3], [2], [1]], dtype=np.float32)
    index = ExactIndex().fit(vectors)
    query = np.ones((1, 1), dtype=np.float32)
    index.remove(np.array([0, 3]))
    ranks, n_candidates = index.rank(query, np.array([4]))
    assert (ranks.tolist(), n_candidates.tolist()) == ([2], [3])
    rules = Filter(include=np.array([0, 1, 3, 4]))
    ranks, n_candidates = index.rank(query, np.array([4]), rules)
    assert (ranks.tolist(), n_candidates.tolist()) == ([1], [2])
    scores, rows = index.search(query, 3, rules)
    assert rows.tolist() == [[1, 4, -1]]
    assert scores.tolist() == [[4, 1, -np.inf]]


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


def test_queries_of_doubles():
    vectors, query = draw(0, 4), draw(1, 2)
    index = ExactIndex().fit(vectors.astype(np.float64))
    for found, expected in zip(
        index.search(query.astype(np.float64), 2),
        ExactIndex().fit(vectors).search(query, 2),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


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
