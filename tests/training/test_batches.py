"""Batches of similar length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.ragged import Ragged
from embrec.training.batches import epoch_batches, random_order
from embrec.training.sequences import TrainingSequences


def make_sequences(n=1000):
    """Sequences whose every event is their own number."""
    lengths = np.random.default_rng(0).integers(2, 51, n)
    return TrainingSequences(Ragged.from_lengths(np.repeat(np.arange(n), lengths), lengths), 50)


def numbers_in(sequences, batch_size, seed):
    return [batch.last().tolist() for batch in epoch_batches(sequences, batch_size, seed)]


def test_every_sequence_comes_once_and_no_batch_is_too_large():
    batches = numbers_in(make_sequences(1003), 16, seed=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    assert sorted(map(len, batches)) == [1003 % 16] + [16] * (1003 // 16)


def test_a_batch_holds_whole_sequences_of_similar_length():
    sequences = make_sequences()
    lengths = sequences.take(np.arange(1000)).lengths
    within = []
    for batch in epoch_batches(sequences, 16, seed=0):
        numbers = batch.last()
        np.testing.assert_array_equal(batch.lengths, lengths[numbers])
        np.testing.assert_array_equal(batch.values, np.repeat(numbers, batch.lengths))
        within.append(batch.lengths.std())
    assert np.mean(within) < 0.2 * lengths.std()


def test_order_and_company_follow_the_seed():
    sequences = make_sequences()
    first, second = numbers_in(sequences, 16, 0), numbers_in(sequences, 16, 1)
    assert first != second
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}
    assert numbers_in(sequences, 16, 0) == first


def test_short_and_long_batches_are_mixed():
    lengths = np.array([b.lengths.mean() for b in epoch_batches(make_sequences(), 16, seed=0)])
    assert abs(np.corrcoef(lengths[:-1], lengths[1:])[0, 1]) < 0.4


@given(n=st.integers(1, 3000), seed=st.integers(0, 2**31 - 1))
def test_a_random_order_is_a_permutation(n, seed):
    assert sorted(random_order(np.arange(n), n, seed).tolist()) == list(range(n))


@given(n=st.integers(1, 10**12), seed=st.integers(0, 2**31 - 1))
def test_places_are_told_alone_as_among_others(n, seed):
    places = np.unique(np.random.default_rng(0).integers(0, n, 50))
    found = random_order(places, n, seed)
    assert len(set(found.tolist())) == len(places)
    assert ((found >= 0) & (found < n)).all()
    assert random_order(places[-1:], n, seed)[0] == found[-1]


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_a_random_order_is_about_uniform(n):
    """Where the first comes to stand, over many seeds: a chi-squared test in ten cells."""
    cells = min(n, 10)
    seen = np.array([random_order(np.array([0]), n, seed)[0] for seed in range(2000)])
    counts = np.bincount(seen * cells // n, minlength=cells)
    chi2 = ((counts - 2000 / cells) ** 2 / (2000 / cells)).sum()
    assert chi2 < 27.9  # 99.9 % of a chi-squared variable with 9 degrees of freedom is below
