"""Which users validate, against what may be drawn, in parts and as a whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.ragged import Ragged
from embrec.training.held_out import choose_held_out


def ragged(lengths):
    return Ragged.from_lengths(np.zeros(sum(lengths), np.int32), np.array(lengths, np.int64))


def test_a_tenth_of_those_who_can_spare_an_event_validates():
    rng = np.random.RandomState(0)
    lengths = np.array([1, 2, 3] * 100)
    held_out = choose_held_out(ragged(lengths), rng)
    assert len(held_out) == 10
    assert (lengths[held_out] == 3).all()
    assert (np.diff(held_out) > 0).all()


def test_pairs_validate_if_nobody_else_can_and_one_stays():
    rng = np.random.RandomState(0)
    assert len(choose_held_out(ragged([2, 2, 1]), rng)) == 1
    assert len(choose_held_out(ragged([2, 1]), rng)) == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 99))
def test_held_out_users_in_parts(lengths, size, seed):
    """However a log is read, the same users are drawn, and those that may be."""
    sequences = ragged(lengths)
    whole = choose_held_out(sequences, np.random.RandomState(seed))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("embrec.training.sequences._AT_A_TIME", size)
        parts = choose_held_out(sequences, np.random.RandomState(seed))
    np.testing.assert_array_equal(whole, parts)
    found = np.array(lengths)[whole]
    n_longer, n_pairs = sum(n >= 3 for n in lengths), lengths.count(2)
    if n_longer:
        assert len(whole) == max(1, n_longer // 10)
        assert (found >= 3).all()
    else:
        assert len(whole) == (max(1, n_pairs // 10) if n_pairs >= 2 else 0)
        assert (found == 2).all()
    assert (np.diff(whole) > 0).all()


def test_all_users_are_as_likely_to_be_held_out():
    sequences = ragged([3, 4, 1, 5] * 10)
    rng = np.random.RandomState(0)
    drawn = np.concatenate([choose_held_out(sequences, rng) for _ in range(2000)])
    counts = np.bincount(drawn, minlength=40).reshape(10, 4)
    assert (counts[:, 2] == 0).all()
    # 3 of 30 each time: 200 of 2,000, with a standard deviation of 13
    assert abs(counts[:, [0, 1, 3]] - 200).max() < 65
