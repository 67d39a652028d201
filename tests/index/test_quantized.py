"""Exact search in 8 bits: nothing that belongs to the best is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.index import ExactIndex
from embrec.index.quantized import QuantizedSearch, is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="no products of int8 here")

KINDS = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "of all lengths": lambda rng, n, d: (
        rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-6, 6, (n, 1))
    ),
    "heavy tails": lambda rng, n, d: rng.standard_cauchy((n, d)),
    "many equal": lambda rng, n, d: rng.integers(-1, 2, (n, d)) * 1.0,
    "sparse": lambda rng, n, d: rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.1),
    "zeros": lambda rng, n, d: np.zeros((n, d)),
    "nearly equal": lambda rng, n, d: 1 + 1e-4 * rng.normal(size=(n, d)),
    "positive": lambda rng, n, d: rng.random((n, d)),
}


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    n=st.sampled_from([1, 3, 255, 256, 257, 700]),
    d=st.sampled_from([1, 2, 7, 64, 130]),
    k=st.integers(1, 40),
    n_queries=st.sampled_from([1, 2, 17]),
    seed=st.integers(0, 1000),
)
def test_all_of_the_best_are_found(kind, n, d, k, n_queries, seed):
    rng = np.random.default_rng(seed)
    vectors = KINDS[kind](rng, n, d).astype(np.float32)
    queries = KINDS[kind](rng, n_queries, d).astype(np.float32)
    found = QuantizedSearch(vectors).search(queries, k)
    assert found.shape[1] >= k
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    for row, of_query in zip(found, scores, strict=True):
        slots = row[row >= 0]
        assert len(set(slots.tolist())) == len(slots) >= min(k, n)
        left_out = np.delete(of_query, slots)
        kth = np.sort(of_query)[::-1][min(k, n) - 1]
        assert (left_out <= kth).all()


def test_few_others_are_scored():
    """It would be exact, and useless, if it returned everything."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 64)).astype(np.float32)
    found = QuantizedSearch(vectors).search(rng.normal(size=(20, 64)).astype(np.float32), 10)
    assert (found >= 0).sum(axis=1).mean() < 60


def test_the_answers_are_those_of_float32():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30_000, 32)).astype(np.float32)
    queries = rng.normal(size=(40, 32)).astype(np.float32)
    exact = ExactIndex(precision="float32").fit(vectors)
    quantized = ExactIndex(precision="int8").fit(vectors)
    assert exact.snapshot.static is None
    assert isinstance(quantized.snapshot.static, QuantizedSearch)
    for found, expected in zip(
        quantized.search(queries, 10), exact.search(queries, 10), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_without_integer_products(monkeypatch):
    monkeypatch.setattr("embrec.index.exact.is_available", lambda: False)
    vectors = np.ones((40_000, 64), dtype=np.float32)
    assert ExactIndex().fit(vectors).snapshot.static is None
    with pytest.raises(RuntimeError, match="precision='int8' needs a torch that multiplies"):
        ExactIndex(precision="int8").fit(vectors)
