"""Events that repeat the one before, against a loop."""

import pandas as pd
import pytest
from drawn_logs import histories, log_of, logs, rows_of
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.interactions import read_sequences
from embrec.data.repeats import count_repeats
from embrec.preprocessing import DropRepeats


def kept_by_loop(log, within):
    kept = []
    for rows in histories(log).values():
        before = None
        for row in rows:
            repeats = before is not None and row["item"] == before["item"]
            near = within is None or (
                before is not None and row["timestamp"] - before["timestamp"] <= within
            )
            if not (repeats and near):
                kept.append(row["row"])
            before = row
    return sorted(kept)


@given(log=logs(n_items=2), within=st.none() | st.integers(0, 4) | st.floats(0, 4))
def test_against_a_loop(log, within):
    left = DropRepeats(within=within).fit_transform(log)
    assert rows_of(left) == kept_by_loop(log, within)
    pd.testing.assert_frame_equal(DropRepeats(within=within).fit_transform(left), left)
    assert set(left["user"]) == set(log["user"])


@given(log=logs(n_items=2))
def test_what_is_warned_of_is_what_goes(log):
    """The warning of `fit` counts the same events."""
    left = DropRepeats().fit_transform(log)
    assert len(log) - len(left) == count_repeats(read_sequences(log)[0])
    assert count_repeats(read_sequences(left)[0]) == 0


def test_the_first_of_a_row_stays_and_a_chain_of_repeats_goes_whole():
    log = log_of([("a", 1, t) for t in (0, 40, 80, 200)])
    assert rows_of(DropRepeats(within=60).fit_transform(log)) == [0, 3]
    assert rows_of(DropRepeats().fit_transform(log)) == [0]


def test_within_takes_durations_where_times_are_datetimes():
    log = log_of([("a", 1, t) for t in (0, 10, 30)])
    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="s")
    assert rows_of(DropRepeats(within="10s").fit_transform(log)) == [0, 2]
    with pytest.raises(TypeError, match="within=10 is a number, and the times of X are dates"):
        DropRepeats(within=10).fit(log)


def test_without_times_repeats_are_of_rows_and_nothing_is_within():
    log = log_of([("a", 1, 5), ("a", 1, 1), ("a", 2, 1)]).drop(columns="timestamp")
    assert rows_of(DropRepeats().fit_transform(log)) == [0, 2]
    with pytest.raises(ValueError, match="within=1 needs times, and X is in order of its rows"):
        DropRepeats(within=1).fit(log)
