"""Vectors that come, change and go, against brute force on a dict."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from embrec.data.ragged import Ragged
from embrec.index import AnnoyIndex, ExactIndex, FaissIndex, HnswIndex, approximate, fetching
from embrec.index.filters import Filter

D = 4
SEEDS = st.integers(0, 10_000)
K = st.integers(1, 6)


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def ragged(lists):
    values = np.array([v for one in lists for v in one], dtype=np.int64)
    return Ragged.from_lengths(values, np.array([len(one) for one in lists]))


class LivingIndex(RuleBasedStateMachine):
    """Any sequence of changes, rebuilds and filtered queries."""

    def make(self):
        return ExactIndex(memory=64, precision="float32")

    def kind(self, vectors):
        return vectors

    @initialize(seed=SEEDS, n=st.integers(1, 30))
    def start(self, seed, n):
        vectors = draw(seed, n)
        self.index = self.make().fit(self.kind(vectors))
        self.vectors = dict(enumerate(vectors))
        self.gone = set()
        self.before = []

    # ---- changes

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

    @rule(seed=SEEDS, n_new=st.integers(0, 4), data=st.data())
    def write(self, seed, n_new, data):
        old = data.draw(st.lists(st.sampled_from(sorted(self.vectors)), unique=True, min_size=1))
        rows = old + list(range(len(self.vectors), len(self.vectors) + n_new))
        vectors = draw(seed, len(rows))
        self.index.write(np.array(rows), self.kind(vectors))
        self.vectors.update(zip(rows, vectors, strict=True))
        self.gone -= set(rows)

    @precondition(lambda self: len(self.gone) < len(self.vectors))
    @rule(data=st.data())
    def remove(self, data):
        left = sorted(set(self.vectors) - self.gone)
        rows = data.draw(st.lists(st.sampled_from(left), unique=True, min_size=1))
        self.index.remove(np.array(rows))
        self.gone |= set(rows)

    @rule()
    def rebuild(self):
        self.index.rebuild()

    @rule()
    def pickle(self):
        self.index = pickle.loads(pickle.dumps(self.index))

    @rule()
    def remember(self):
        """A snapshot stays what it was."""
        self.before.append((self.index.snapshot, dict(self.vectors), set(self.gone)))

    # ---- queries

    def scores(self, query, unit):
        """Score what may be found, in float64."""
        lengths = {
            row: np.linalg.norm(v) * np.linalg.norm(query) if unit else 1.0
            for row, v in self.vectors.items()
        }
        return {
            row: float(query.astype(np.float64) @ v) / lengths[row]
            for row, v in self.vectors.items()
            if row not in self.gone
        }

    def check(self, found, scores, truth, k):
        n = min(k, len(truth))
        assert len(set(found[:n].tolist())) == n
        assert found[n:].tolist() == [-1] * (k - n)
        assert np.isneginf(scores[n:]).all()
        # by scores and not by rows: two equal vectors may stand in either order
        best = sorted(truth.values(), reverse=True)[:n]
        np.testing.assert_allclose([truth[r] for r in found[:n]], best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores[:n], best, rtol=1e-4, atol=1e-5)

    @rule(seed=SEEDS, k=K, unit=st.booleans(), n=st.integers(1, 6))
    def query(self, seed, k, unit, n):
        queries = draw(seed, n)
        index = self.index.companion() if unit else self.index
        scores, rows = index.search(self.kind(queries), k)
        for query, found, of_query in zip(queries, rows, scores, strict=True):
            self.check(found, of_query, self.scores(query, unit), k)

    @rule(seed=SEEDS, k=K, data=st.data())
    def filtered_query(self, seed, k, data):
        rows = st.lists(st.sampled_from(sorted(self.vectors)))
        include, exclude, included, *excluded = (
            data.draw(st.none() | st.lists(rows, min_size=3, max_size=3)) for _ in range(5)
        )
        rules = Filter(
            None if include is None else np.array(include[0], dtype=np.int64),
            None if exclude is None else np.array(exclude[0], dtype=np.int64),
            None if included is None else ragged(included),
            tuple(ragged(lists) for lists in excluded if lists is not None),
        )
        queries = draw(seed, 3)
        scores, found = self.index.search(self.kind(queries), k, rules)
        for i, query in enumerate(queries):
            truth = {
                row: score
                for row, score in self.scores(query, False).items()
                if (include is None or row in include[0])
                and (exclude is None or row not in exclude[0])
                and (included is None or row in included[i])
                and not any(lists and row in lists[i] for lists in excluded)
            }
            self.check(found[i], scores[i], truth, k)

    @precondition(lambda self: len(self.gone) < len(self.vectors))
    @rule(seed=SEEDS, data=st.data())
    def rank(self, seed, data):
        target = data.draw(st.sampled_from(sorted(set(self.vectors) - self.gone)))
        query = draw(seed, 1)
        ranks, n = self.index.rank(self.kind(query), np.array([target]))
        truth = self.scores(query[0], False)
        close = [s for row, s in truth.items() if abs(s - truth[target]) < 1e-5 and row != target]
        ahead = sum(s > truth[target] for s in truth.values())
        assert ahead - len(close) <= ranks[0] <= ahead + len(close)
        assert n[0] == len(truth)

    @invariant()
    def sizes(self):
        if hasattr(self, "index"):
            assert len(self.index) == len(self.vectors) == self.index.vectors.shape[0]
            assert np.flatnonzero(~self.index.active).tolist() == sorted(self.gone)

    def teardown(self):
        for snapshot, vectors, gone in getattr(self, "before", []):
            assert snapshot.n_rows == len(vectors)
            assert np.flatnonzero(~snapshot.active).tolist() == sorted(gone)
            taken = snapshot.take(np.arange(len(vectors)))
            taken = taken.toarray() if sp.issparse(taken) else taken
            np.testing.assert_array_equal(
                taken, np.stack([vectors[i] for i in range(len(vectors))])
            )
            missing = snapshot.slots(np.array([len(vectors), -1]))
            assert missing.tolist() == [-1, -1]


class LivingSparse(LivingIndex):
    def make(self):
        return ExactIndex(memory=64)

    def kind(self, vectors):
        return sp.csr_array(vectors)


class StaticIndex(LivingIndex):
    """Through a static search, few vectors though there are."""

    def start_static(self):
        self.shares = fetching.FETCHED_SHARE, approximate.MIN_VECTORS
        fetching.FETCHED_SHARE, approximate.MIN_VECTORS = 1.0, 1

    @initialize(seed=SEEDS, n=st.integers(1, 30))
    def start(self, seed, n):
        self.start_static()
        super().start(seed, n)

    def teardown(self):
        super().teardown()
        fetching.FETCHED_SHARE, approximate.MIN_VECTORS = self.shares


class LivingInt8(StaticIndex):
    def make(self):
        return ExactIndex(precision="int8")


class LivingAnnoy(StaticIndex):
    def make(self):
        # every node of every tree is looked at
        return AnnoyIndex(n_trees=5, search_k=10_000, random_state=0)


class LivingHnsw(StaticIndex):
    def make(self):
        return HnswIndex(ef=1000, precision="f32")


class LivingFaiss(StaticIndex):
    def make(self):
        return FaissIndex(n_cells=1, codes="Flat", n_probe=1, random_state=0)


@pytest.mark.parametrize(
    "machine", [LivingIndex, LivingSparse, LivingInt8, LivingAnnoy, LivingHnsw, LivingFaiss]
)
def test_agrees_with_brute_force(machine):
    if machine is LivingHnsw:
        pytest.importorskip("usearch")
    if machine is LivingFaiss:
        pytest.importorskip("faiss")
    case = machine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
    case("runTest").runTest()
