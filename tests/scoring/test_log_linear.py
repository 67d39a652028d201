"""Weights of a conditional logit, against an optimizer of scipy's and a law that is known."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax

from embrec.data.ragged import Ragged
from embrec.scoring import log_linear
from embrec.scoring.candidates import Candidates
from embrec.scoring.log_linear import log_linear_weights


def drawn(rng, n, n_items, n_scores, weights):
    """Scores of some kinds, sparse ones among them, and targets by these weights."""
    pairs = [
        (
            rng.normal(size=(n, 4)).astype(np.float32),
            rng.normal(size=(n_items, 4)).astype(np.float32),
        )
        for _ in range(n_scores)
    ]
    pairs[-1] = tuple(sp.csr_array(part * (part > 0)) for part in pairs[-1])
    dense = [[p.toarray() if sp.issparse(p) else p for p in pair] for pair in pairs]
    scores = np.array([q.astype(np.float64) @ v.T for q, v in dense])
    chances = np.exp(log_softmax(np.tensordot(weights, scores, 1), axis=1))
    targets = np.array([rng.choice(n_items, p=p / p.sum()) for p in chances])
    return pairs, scores, targets


def reference(scores, targets, excluded=()):
    """Maximize the same with scipy, in float64."""
    hidden = np.zeros(scores.shape[1:])
    for row, columns in enumerate(excluded):
        hidden[row, columns] = -np.inf
    every = np.arange(len(targets))
    hidden[every, targets] = 0
    shares = np.exp(log_softmax(hidden, axis=1))
    means = np.einsum("ni,kni->kn", shares, scores)
    variance = (np.einsum("ni,kni->kn", shares, scores**2) - means**2).mean(1)

    def loss(weights):
        logs = log_softmax(np.tensordot(weights, scores, 1) + hidden, axis=1)
        prior = (variance / log_linear.SPREAD**2 * weights**2).sum() / 2
        return prior - logs[every, targets].sum()

    start, bounds = np.full(len(scores), 0.1), [(0, None)] * len(scores)
    return minimize(loss, start, bounds=bounds, method="L-BFGS-B", tol=1e-14).x


@pytest.mark.parametrize("spread", [0.3, log_linear.SPREAD])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_they_are_those_of_an_optimizer(monkeypatch, spread, seed, n_scores, some_are_seen):
    monkeypatch.setattr(log_linear, "SPREAD", spread)
    rng = np.random.default_rng(seed)
    pairs, scores, targets = drawn(rng, 60, 9, n_scores, rng.uniform(0, 1, n_scores))
    lists = [rng.choice(9, 2, replace=False) for _ in range(60)] if some_are_seen else []
    candidates = None
    if some_are_seen:
        seen = Ragged.from_lengths(np.concatenate(lists), np.full(60, 2))
        candidates = Candidates(excluded=(seen,))
    found = log_linear_weights(pairs, targets, candidates)
    assert_allclose(found, reference(scores, targets, lists), atol=2e-3)


@pytest.mark.parametrize("memory", [64, 64 * 2**20])
def test_the_law_that_targets_follow(memory):
    rng = np.random.default_rng(0)
    n = 300 if memory < 100 else 6000
    pairs, _, targets = drawn(rng, n, 20, 3, [0.7, 0.0, 1.5])
    found = log_linear_weights(pairs, targets, memory=memory)
    assert_allclose(found, [0.7, 0, 1.5], atol=0.15 if n < 1000 else 0.06)


def test_what_says_nothing_weighs_nothing_and_certainty_stays_finite():
    queries, items = np.ones((50, 1), np.float32), np.array([[0], [0], [1]], np.float32)
    nothing = np.zeros((50, 1), np.float32), items
    targets = np.full(50, 2)
    found = log_linear_weights([(queries, items), nothing], targets)
    assert found[1] == 0
    assert 5 < found[0] < 100


def test_no_passes_are_wasted_where_nothing_helps(monkeypatch):
    rng, passes = np.random.default_rng(2), []
    moments = log_linear._moments
    monkeypatch.setattr(log_linear, "_moments", lambda *a: passes.append(1) or moments(*a))
    pairs, _, targets = drawn(rng, 400, 9, 1, [-1.0])  # the best weight would be below 0
    assert_array_equal(log_linear_weights(pairs, targets), [0])
    assert len(passes) == 1


def test_scores_of_any_size():
    rng = np.random.default_rng(1)
    pairs, _, targets = drawn(rng, 500, 12, 2, [1.0, 1.0])
    once = log_linear_weights(pairs, targets)
    larger = [(pairs[0][0] * np.float32(1e6), pairs[0][1]), pairs[1]]
    found = log_linear_weights(larger, targets)
    assert_allclose(found * [1e6, 1], once, rtol=1e-3)
