"""The last events of each user, against a loop."""

import numpy as np
import pandas as pd
import pytest
from drawn_logs import histories, log_of, logs, rows_of
from hypothesis import given
from hypothesis import strategies as st

from embrec.preprocessing import KeepLast
from embrec.preprocessing._last import count_after


@given(log=logs(), n=st.integers(1, 4), timed=st.booleans())
def test_against_a_loop(log, n, timed):
    column = "timestamp" if timed else None
    kept = [row["row"] for rows in histories(log, column).values() for row in rows[-n:]]
    left = KeepLast(n=n, timestamp_col=column).fit_transform(log)
    assert rows_of(left) == sorted(kept)
    pd.testing.assert_frame_equal(KeepLast(n=n, timestamp_col=column).fit_transform(left), left)
    pd.testing.assert_frame_equal(left, log.iloc[sorted(kept)])


def test_another_log_is_cut_as_well():
    first = log_of([("a", 1, 0)])
    other = log_of([("b", i, i) for i in range(4)])
    assert rows_of(KeepLast(n=2).fit(first).transform(other)) == [2, 3]


def test_later_events_are_counted_by_user():
    users, order = np.array([1, 0, 1, 1]), np.array([1, 3, 0, 2])
    assert count_after(users, order).tolist() == [1, 0, 0, 2]
    nobody = np.empty(0, dtype=np.int64)
    assert count_after(nobody, nobody).tolist() == []


@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_a_number_that_keeps_nothing_is_refused(n):
    with pytest.raises(ValueError, match="'n' parameter of KeepLast must be an int in the range"):
        KeepLast(n=n).fit(log_of([("a", 1, 0)]))
    with pytest.raises(TypeError, match="n of KeepLast must not be True"):
        KeepLast(n=True).fit(log_of([("a", 1, 0)]))
