"""Errors of means, against scipy."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from embrec.evaluation import resampling
from embrec.evaluation.resampling import bootstrap_interval, sign_test


def test_intervals_are_those_of_scipy():
    rng = np.random.default_rng(0)
    values = np.stack([rng.random(400) < 0.2, rng.exponential(size=400)], axis=1).astype(float)
    low, high = bootstrap_interval(values, 0.9, 4000, seed=1)
    for column in range(2):
        expected = stats.bootstrap(
            (values[:, column],), np.mean, confidence_level=0.9, n_resamples=4000,
            method="percentile", rng=np.random.default_rng(2),
        ).confidence_interval  # fmt: skip
        width = expected.high - expected.low
        assert low[column] == pytest.approx(expected.low, abs=0.06 * width)
        assert high[column] == pytest.approx(expected.high, abs=0.06 * width)


def test_intervals_hold_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        low, high = bootstrap_interval(rng.exponential(size=(200, 1)), 0.8, 400, seed)
        hits += low[0] <= 1 <= high[0]
    assert 0.72 < hits / 300 < 0.88


def test_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(size=(50, 3))
    whole = bootstrap_interval(values, 0.95, 100, 0), sign_test(values, 100, 0)
    monkeypatch.setattr(resampling, "DRAWN", 50 * 100)
    again = bootstrap_interval(values, 0.95, 100, 0), sign_test(values, 100, 0)
    np.testing.assert_allclose(again[0], whole[0])
    np.testing.assert_allclose(again[1], whole[1])


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_p_values_are_those_of_all_signs(shift):
    differences = np.random.default_rng(1).normal(shift, 1, size=(10, 1))
    signs = np.array(list(product([-1, 1], repeat=10)))
    as_large = np.abs(signs @ differences) >= np.abs(differences.sum()) * (1 - 1e-12)
    assert sign_test(differences, 40_000, 0)[0] == pytest.approx(as_large.mean(), abs=0.012)


def test_nothing_differs():
    assert sign_test(np.zeros((30, 2)), 200, 0).tolist() == [1, 1]


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        bootstrap_interval(np.zeros((3, 1)), confidence, 10, 0)


def test_groups_are_drawn_whole():
    """Rows that repeat their group's value tell no more than one row of it."""
    values = np.random.default_rng(0).normal(size=(40, 2))
    groups = np.arange(40).repeat(5)
    one = bootstrap_interval(values, 0.9, 500, 3)
    many = bootstrap_interval(values.repeat(5, axis=0), 0.9, 500, 3, groups)
    for found, expected in zip(many, one, strict=True):
        np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(
        sign_test(values.repeat(5, axis=0), 500, 3, groups), sign_test(values, 500, 3)
    )


def test_no_more_is_found_among_groups_than_there_is():
    """No true difference, and rows that share their group's luck: few p-values are small."""
    rng = np.random.default_rng(0)
    small = 0
    for seed in range(100):
        luck = rng.normal(size=40).repeat(8) + 0.3 * rng.normal(size=320)
        small += sign_test(luck[:, None], 200, seed, np.arange(40).repeat(8))[0] < 0.05
    assert small <= 13  # of 100, where 5 are to be expected
