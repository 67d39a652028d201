"""The exact index, against brute force on a dict."""

import numpy as np
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from embrec.index import ExactIndex

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
