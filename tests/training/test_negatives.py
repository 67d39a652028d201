"""Sampling negatives: exact probabilities, and what is drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.training.negatives import AliasTable, NegativeSampler

weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=60).filter(
    any
)


def probabilities(table):
    """Probabilities that a table stands for, added up column by column."""
    n = len(table._keep)
    found = table._keep / n
    np.add.at(found, table._alias, (1 - table._keep) / n)
    return found


@given(weights)
def test_an_alias_table_stands_for_the_distribution(values):
    values = np.array(values)
    table = AliasTable(values)
    assert ((table._keep >= -1e-9) & (table._keep <= 1 + 1e-9)).all()
    np.testing.assert_allclose(probabilities(table), values / values.sum(), atol=1e-9)


@pytest.mark.parametrize("n", [10, 5000])
def test_power_laws_of_many_items(n):
    values = 1 / np.arange(1, n + 1)
    np.random.default_rng(0).shuffle(values)
    np.testing.assert_allclose(probabilities(AliasTable(values)), values / values.sum(), atol=1e-12)


def test_draws_follow_the_distribution():
    values = np.array([5.0, 0.0, 1.0, 14.0])
    drawn = AliasTable(values).draw(200_000, np.random.RandomState(0))
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    # four standard errors
    np.testing.assert_allclose(shares, values / 20, atol=4 * np.sqrt(0.25 / len(drawn)))
    assert shares[1] == 0


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_popularity_to_the_power_alpha(alpha):
    counts = np.array([1, 4, 16, 100])
    sampler = NegativeSampler(counts, 50_000, alpha)
    sample = sampler.draw(np.random.RandomState(0))
    expected = 50_000 * counts**alpha / (counts**alpha).sum()
    found = np.bincount(sample.rows, minlength=4)
    np.testing.assert_allclose(found, expected, atol=5 * np.sqrt(expected.max()))
    np.testing.assert_allclose(np.exp(sample.log_expected), expected[sample.rows], rtol=1e-5)


def test_draws_are_fresh_and_follow_the_generator():
    sampler, rng = NegativeSampler(np.arange(1, 50), 20, 1.0), np.random.RandomState(0)
    first, second = sampler.draw(rng).rows, sampler.draw(rng).rows
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(sampler.draw(np.random.RandomState(0)).rows, first)


def test_next_items_of_a_batch_are_expected_as_often_as_they_come():
    """First items are no next items: what all events say of them would be wrong."""
    rng = np.random.default_rng(0)
    pairs = np.column_stack([rng.choice(4, 500, p=[0.7, 0.1, 0.1, 0.1]), rng.integers(1, 4, 500)])
    counts = np.bincount(pairs.ravel(), minlength=4)
    n_targets = np.bincount(pairs[:, 1], minlength=4)
    sampler = NegativeSampler(counts, 6, 0.5, n_targets)
    generator, seen, expected = np.random.RandomState(0), np.zeros(4), np.full(4, np.nan)
    for _ in range(4000):
        batch = pairs[rng.integers(0, 500, 8), 1]
        sample = sampler.draw(generator, batch)
        assert len(sample.rows) == 14
        seen += np.bincount(sample.rows, minlength=4)
        expected[sample.rows] = np.exp(sample.log_expected)
    np.testing.assert_allclose(seen / 4000, expected, rtol=0.03)
