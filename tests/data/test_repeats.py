"""Events that repeat the one before, against a loop."""

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.baselines import PopularityRecommender
from embrec.data import repeats
from embrec.data.ragged import Ragged
from embrec.data.repeats import RepeatedEventsWarning, count_repeats, warn_of_repeats
from embrec.evaluation import evaluate
from embrec.preprocessing import DropRepeats


def ragged(rows, dtype=np.int64):
    values = np.array([value for row in rows for value in row], dtype=dtype)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows], dtype=np.int64))


@given(
    rows=st.lists(st.lists(st.integers(0, 2), max_size=5), max_size=6),
    at_a_time=st.integers(1, 9),
    kind=st.sampled_from([np.int64, object]),
)
def test_against_a_loop(rows, at_a_time, kind):
    expected = sum(a == b for row in rows for a, b in pairwise(row))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_AT_A_TIME", at_a_time)
        assert count_repeats(ragged(rows, kind)) == expected


def test_a_few_are_not_worth_a_word():
    rows = [[*range(99), 98]]
    warn_of_repeats(ragged(rows))
    with pytest.warns(RepeatedEventsWarning, match=r"2 of 100 events in X \(2%\)"):
        warn_of_repeats(ragged([[*range(98), 97, 97]]))


def test_fit_and_evaluate_say_so_once(shop_log, shop_items):
    twice = pd.concat([shop_log] * 2).sort_values(["user", "timestamp"], kind="stable")
    model = PopularityRecommender()
    with pytest.warns(RepeatedEventsWarning, match=r"240 of 480 .*DropRepeats\(\)") as caught:
        model.fit(twice, items=shop_items)
    assert len(caught) == 1
    with pytest.warns(RepeatedEventsWarning, match="50%") as caught:
        evaluate(model, twice)
    assert len(caught) == 1
    once = DropRepeats().fit_transform(twice)  # as the warning says
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model.fit(once, items=shop_items), once)
    assert len(once) == len(shop_log)
