"""Batches of similar length."""

import numpy as np

from embrec.training.batches import length_buckets


def lengths_of(n=1000):
    return np.random.default_rng(0).integers(2, 51, n)


def test_every_sequence_comes_once_and_no_batch_is_too_large():
    lengths = lengths_of(1003)
    batches = list(length_buckets(lengths, 16, np.random.RandomState(0)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    assert {len(batch) for batch in batches} <= {16, 1003 % 16}


def test_a_batch_holds_similar_lengths():
    lengths = lengths_of()
    batches = length_buckets(lengths, 16, np.random.RandomState(0))
    within = np.mean([lengths[batch].std() for batch in batches])
    assert within < 0.2 * lengths.std()


def test_order_and_company_change_at_every_epoch_and_follow_the_seed():
    lengths = lengths_of()

    def epochs(seed):
        rng = np.random.RandomState(seed)
        return [[b.tolist() for b in length_buckets(lengths, 16, rng)] for _ in range(2)]

    first, second = epochs(0)
    assert first != second
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}
    assert epochs(0) == [first, second]
    assert epochs(1) != [first, second]
