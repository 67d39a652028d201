"""Sessions, against a loop over each user's history."""

import datetime

import pandas as pd
import polars as pl
import pytest
from drawn_logs import KINDS, histories, log_of, logs, rows_of
from hypothesis import given
from hypothesis import strategies as st

from embrec.preprocessing import SessionSplitter


def sessions_by_loop(log, gap=None, column=None, timestamp_col="timestamp"):
    """Return the name of the session of each row."""
    names = {}
    for user, rows in histories(log, timestamp_col).items():
        open_, n = {}, 0
        for row in rows:
            key = row[column] if column else None
            before, name = open_.get(key, (None, None))
            longer = gap is not None and before is not None and row["timestamp"] - before > gap
            if name is None or longer:
                name, n = f"{user}/{n}", n + 1
            open_[key] = row.get("timestamp"), name
            names[row["row"]] = name
    return [names[row] for row in range(len(log))]


def check(log, splitter, expected):
    before = log.copy()
    cut = splitter.fit_transform(log)
    assert cut["user"].tolist() == expected
    assert list(cut.columns) == [*log.columns, "visitor"]
    others = [column for column in log.columns if column != "user"]
    pd.testing.assert_frame_equal(cut[others], log[others])
    pd.testing.assert_series_equal(cut["visitor"], log["user"], check_names=False)
    pd.testing.assert_frame_equal(log, before)
    assert splitter.summary_["after"].tolist()[:2] == [len(log), len(set(expected))]


@given(log=logs(n_users=3), gap=st.integers(0, 4) | st.floats(0, 4))
def test_gaps_against_a_loop(log, gap):
    check(log, SessionSplitter(gap=gap), sessions_by_loop(log, gap))


@given(log=logs(n_users=3, n_items=3), gap=st.none() | st.integers(0, 3), timed=st.booleans())
def test_a_column_against_a_loop(log, gap, timed):
    """The column of items will do: it has few values, and events of others between them."""
    column = "timestamp" if timed else None
    splitter = SessionSplitter(gap=gap if timed else None, session_col="item", timestamp_col=column)
    check(log, splitter, sessions_by_loop(log, splitter.gap, "item", column))


@given(log=logs(n_users=3), gap=st.integers(0, 4), user=st.sampled_from(["u0", "u1", "u2"]))
def test_a_name_depends_on_the_events_of_its_user_alone(log, gap, user):
    alone = log[log["user"] == user]
    if len(alone):
        whole = SessionSplitter(gap=gap).fit_transform(log)
        part = SessionSplitter(gap=gap).fit_transform(alone)
        assert part["user"].tolist() == whole["user"][(log["user"] == user).to_numpy()].tolist()


LOG = log_of([("a", 1, 0), ("b", 1, 10), ("a", 2, 1800), ("a", 3, 3601), ("b", 4, 10)])
NAMES = ["a/0", "b/0", "a/0", "a/1", "b/0"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_half_an_hour_is_the_usual_gap(kind, unit, zone):
    times = pd.to_datetime(LOG["timestamp"], unit="s").dt.as_unit(unit)
    log = LOG.assign(timestamp=times.dt.tz_localize(zone) if zone else times)
    cut = SessionSplitter().fit_transform(KINDS[kind](log))
    assert type(cut) is type(KINDS[kind](log))
    users = cut["user"]
    assert (users.to_pylist() if kind == "pyarrow" else list(users)) == NAMES
    assert rows_of(cut) == [0, 1, 2, 3, 4]
    assert list(cut.column_names if kind == "pyarrow" else cut.columns)[-1] == "visitor"


def test_the_clock_that_is_put_back_makes_no_gap():
    """From 02:50 to 02:10 in Rome, on the last Sunday of October, are twenty minutes."""
    times = pd.to_datetime(["2024-10-27 00:50", "2024-10-27 01:10"], utc=True)
    log = log_of([("a", 1, 0), ("a", 2, 1)]).assign(timestamp=times.tz_convert("Europe/Rome"))
    assert set(SessionSplitter(gap="20min").fit_transform(log)["user"]) == {"a/0"}
    assert set(SessionSplitter(gap="19min").fit_transform(log)["user"]) == {"a/0", "a/1"}


def test_dates_and_days():
    days = [datetime.date(2024, 1, day) for day in (1, 2, 4)]
    log = pl.DataFrame({"user": ["a"] * 3, "item": [1, 2, 3], "timestamp": days})
    cut = SessionSplitter(gap="1D").fit_transform(log)
    assert cut["user"].to_list() == ["a/0", "a/0", "a/1"]


def test_with_a_column_there_is_no_gap_unless_one_is_given():
    log = LOG.assign(device=["phone", "tv", "tv", "phone", "phone"])
    cut = SessionSplitter(session_col="device").fit_transform(log)
    assert cut["user"].tolist() == ["a/0", "b/0", "a/1", "a/0", "b/1"]
    cut = SessionSplitter(session_col="device", gap=3600).fit_transform(log)
    assert cut["user"].tolist() == ["a/0", "b/0", "a/1", "a/2", "b/1"]


@pytest.mark.parametrize("kind", KINDS)
def test_users_may_be_integers(kind):
    log = LOG.assign(user=[7, -8, 7, 7, -8])
    cut = SessionSplitter(gap=1800).fit_transform(KINDS[kind](log))
    users, visitors = cut["user"], cut["visitor"]
    as_list = "to_pylist" if kind == "pyarrow" else "to_list"
    assert getattr(users, as_list)() == ["7/0", "-8/0", "7/0", "7/1", "-8/0"]
    assert getattr(visitors, as_list)() == [7, -8, 7, 7, -8]


def test_no_two_sessions_share_a_name():
    users = ["a", "a/0", "a/0/0", "a/1"]
    log = log_of([(user, 1, t) for t in (0, 10) for user in users])
    assert SessionSplitter(gap=1).fit_transform(log)["user"].nunique() == 8


def test_ids_that_hold_parts_of_characters_are_kept():
    users = pd.Series(["\ud800"] * 5, dtype=object)
    log = LOG.reset_index(drop=True).assign(user=users)
    assert SessionSplitter(gap=9999).fit_transform(log)["user"].unique().tolist() == ["\ud800/0"]


def test_what_cannot_be_cut_says_why():
    with pytest.raises(TypeError, match="gap='30min' is a duration, and the times of X are numb"):
        SessionSplitter().fit(LOG)
    with pytest.raises(ValueError, match="gap=5 needs times"):
        SessionSplitter(gap=5, timestamp_col=None).fit(LOG)
    with pytest.raises(KeyError, match="no column 'device'.*Name it with session_col="):
        SessionSplitter(session_col="device").fit(LOG)
    holes = LOG.assign(device=["x", None, "x", None, "x"])
    with pytest.raises(ValueError, match="X.'device'. is missing in 2 of 5 rows .the first is row"):
        SessionSplitter(session_col="device").fit(holes)
    with pytest.raises(ValueError, match="'gap' parameter of SessionSplitter must be"):
        SessionSplitter(gap=[5]).fit(LOG)


def test_sessions_are_not_cut_twice_by_accident():
    cut = SessionSplitter(gap=1800).fit_transform(LOG)
    with pytest.raises(ValueError, match="X has a column 'visitor' already.*visitor_col="):
        SessionSplitter(gap=60).fit(cut)
    again = SessionSplitter(gap=60, visitor_col="session").fit_transform(cut)
    assert again["session"].tolist() == NAMES
    assert again["user"].tolist() == ["a/0/0", "b/0/0", "a/0/1", "a/1/0", "b/0/0"]
