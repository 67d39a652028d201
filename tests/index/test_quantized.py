"""Exact search in 8 bits: nothing that belongs to the best is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.index import ExactIndex
from embrec.index.filters import Filter
from embrec.index.quantized import MOST_FOUND, QuantizedSearch, is_available
from embrec.scoring.pairs import Pairs

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
        if len(slots) == 0:  # too many may be among the best
            assert n > max(k, MOST_FOUND)
            continue
        assert len(set(slots.tolist())) == len(slots) >= min(k, n)
        left_out = np.delete(of_query, slots)
        kth = np.sort(of_query)[::-1][min(k, n) - 1]
        assert (left_out <= kth).all()


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    d=st.sampled_from([1, 8, 33]),
    k=st.integers(1, 12),
    scale=st.sampled_from([-30, -18, -3, 0, 3, 12, 15]),
    query_scale=st.sampled_from([-20, 0, 15]),
    seed=st.integers(0, 1000),
    filtered=st.sampled_from(["nothing", "the best", "all but few", "removed"]),
)
def test_scores_are_those_of_brute_force(kind, d, k, scale, query_scale, seed, filtered):
    """Whatever the lengths, and whatever may be shown."""
    rng = np.random.default_rng(seed)
    n = 3000
    vectors = (KINDS[kind](rng, n, d) * 10.0**scale).astype(np.float32)
    queries = (KINDS["normal"](rng, 3, d) * 10.0**query_scale).astype(np.float32)
    queries[2] = 0
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    order = np.argsort(-scores[0], kind="stable")
    out = {"nothing": order[:0], "all but few": order[: n - 5]}.get(filtered, order[:8])
    index = ExactIndex(precision="int8").fit(vectors)
    rules = Filter()
    if filtered == "removed":
        index.remove(out)
    else:
        rules = Filter(exclude=out)
    rows = index.search(queries, k, rules)[1]
    left = np.delete(scores, out, axis=1)
    best = -np.sort(-left, axis=1)[:, :k]
    m = best.shape[1]
    assert (rows[:, m:] == -1).all()
    # of long and of short vectors, to what float32 holds of the products that are added up
    size = np.abs(queries.astype(np.float64)) @ np.abs(vectors.T.astype(np.float64))
    noise = 1e-5 * np.take_along_axis(size, rows[:, :m], 1) + 1e-38
    assert (
        np.abs(np.take_along_axis(scores, rows[:, :m], 1) - best) <= noise.max(1)[:, None]
    ).all()
    assert not np.isin(rows, out).any()


def test_what_is_worse_than_the_n_best_does_not_count():
    """Long vectors are found for their rounding errors; they are no reason to stop looking."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(40):
        vectors = rng.normal(size=(4000, 8)) * np.where(rng.random((4000, 1)) < 0.3, 30, 1)
        vectors[np.abs(vectors[:, 0]) > 15, 0] *= 0.02
        vectors = vectors.astype(np.float32)
        query = np.eye(1, 8, dtype=np.float32)
        order = np.argsort(-vectors[:, 0])
        rules = Filter(exclude=order[:8])
        found = ExactIndex(precision="int8").fit(vectors).search(query, 10, rules)[1][0]
        wrong += found.tolist() != order[8:18].tolist()
    assert wrong == 0


def test_a_query_for_which_all_are_alike_takes_no_more_memory(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 8)).astype(np.float32)
    queries = rng.normal(size=(64, 8)).astype(np.float32)
    queries[9] = 0
    numbers = []
    scores_of = Pairs.scores
    monkeypatch.setattr(
        Pairs, "scores", lambda *args: numbers.append(len(args[1])) or scores_of(*args)
    )
    scores, _ = ExactIndex(precision="int8").fit(vectors).search(queries, 5)
    assert (scores[9] == 0).all()
    assert max(numbers) < len(queries) * 64 * 5 * 2


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
