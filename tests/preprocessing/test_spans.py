"""Spans against what lies between times, with Python's own integers as the truth."""

import datetime
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.preprocessing._spans import are_further_apart

NAMES = {"name": "gap", "what": "X"}


def apart(times, span):
    return are_further_apart(times, np.arange(len(times)), span, **NAMES).tolist()


INTEGERS = st.sampled_from([np.int8, np.int32, np.int64, np.uint8, np.uint64])


@given(data=st.data(), dtype=INTEGERS, span=st.integers(0, 2**65) | st.floats(0, 1e20))
def test_integers_of_any_width_to_their_ends(data, dtype, span):
    ends = np.iinfo(dtype)
    numbers = sorted(data.draw(st.lists(st.integers(ends.min, ends.max), min_size=1)))
    expected = [b - a > span for a, b in pairwise(numbers)]
    assert apart(np.array(numbers, dtype=dtype), span) == expected


NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "D": 86_400 * 10**9}
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)


@given(
    numbers=st.lists(WHOLE | st.integers(0, 9), min_size=1),
    unit=st.sampled_from(list(NANOSECONDS)),
    kind=st.sampled_from(["datetime64", "timedelta64"]),
    span=st.integers(0, 2**63 - 1) | st.integers(0, 5 * 86_400 * 10**9),
)
def test_times_of_any_unit_exactly(numbers, unit, kind, span):
    numbers = sorted(numbers)
    expected = [(b - a) * NANOSECONDS[unit] > span for a, b in pairwise(numbers)]
    times = np.array(numbers, dtype=np.int64).view(f"{kind}[{unit}]")
    assert apart(times, np.timedelta64(span, "ns")) == expected


def test_floats_and_infinity():
    times = np.array([-np.inf, -np.inf, 0.0, 0.5, 2.0, np.inf, np.inf])
    assert apart(times, 0.5) == [False, True, False, True, True, False]
    assert apart(np.array([0, 0.5, 2], dtype=np.float32), 1) == [False, True]


@pytest.mark.parametrize(
    "span",
    ["90s", "1.5min", datetime.timedelta(seconds=90), pd.Timedelta("90s"), "0 days 00:01:30"],
)
def test_all_ways_to_say_a_minute_and_a_half(span):
    times = np.array([0, 90, 181], dtype="datetime64[s]")
    assert apart(times, span) == [False, True]


def test_events_are_gone_through_in_order():
    order = np.array([2, 0, 1])
    times = np.array([5, 9, 4])
    assert are_further_apart(times, order, 1, **NAMES).tolist() == [False, True]


SECONDS, NUMBERS = np.array([0, 1], dtype="datetime64[s]"), np.array([0, 1])


@pytest.mark.parametrize(
    ("times", "span", "error", "message"),
    [
        (None, "30min", ValueError, "gap='30min' needs times, and X is in order of its rows"),
        (NUMBERS, "30min", TypeError, "1800 if it is seconds, 1800000 if it is milliseconds"),
        (NUMBERS, datetime.timedelta(1), TypeError, "the times of X are numbers"),
        (SECONDS, 1800, TypeError, "gap=1800 is a number, and the times of X are dates"),
        (SECONDS, "1800", ValueError, r"gap='1800' says no duration \(it has no unit\).*'30min'"),
        (SECONDS, " 1e3 ", ValueError, "it has no unit"),
        (SECONDS, "half an hour", ValueError, "gap='half an hour' says no duration"),
        (SECONDS, "NaT", ValueError, "says no duration"),
        (SECONDS, np.timedelta64(1, "Y"), ValueError, "says no duration"),
        (SECONDS, "-1s", ValueError, "gap must not be negative; got '-1s'"),
        (NUMBERS, -1, ValueError, "gap must be a finite number >= 0; got -1"),
        (NUMBERS, np.nan, ValueError, "gap must be a finite number >= 0; got nan"),
        (NUMBERS, np.inf, ValueError, "gap must be a finite number"),
    ],
)
def test_what_is_no_span_of_these_times_is_refused(times, span, error, message):
    with pytest.raises(error, match=message):
        are_further_apart(times, np.arange(2), span, **NAMES)


def test_other_numbers_are_numbers():
    assert apart(NUMBERS, Fraction(1, 2)) == [True]
    assert apart(NUMBERS, np.float32(0.5)) == [True]
