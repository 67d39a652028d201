"""Splitters, against their definitions read user by user."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import cross_validate

from embrec.baselines import PopularityRecommender
from embrec.metrics import ranking_scorer
from embrec.model_selection import (
    ColdItemSplit,
    ColdUserSplit,
    LeaveLastOut,
    TemporalSplit,
    leave_last_out_split,
)

pytestmark = pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")

SPLITTERS = [
    LeaveLastOut(),
    TemporalSplit(),
    ColdUserSplit(test_size=0.3, random_state=0),
    ColdItemSplit(test_size=0.3, random_state=0),
]


@pytest.fixture(scope="module")
def log():
    """A shuffled log with ties, users of one event, and an index that is no range."""
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "user": [f"u{u}" for u in rng.zipf(1.4, n) % 80],
            "item": rng.integers(0, 40, n),
            "timestamp": rng.integers(0, 100, n),
        }
    )
    return frame.set_axis(rng.integers(0, 50, n))


def by_user(log):
    """Positions of each user's events, in time order, ties in the order of the rows."""
    table = log.reset_index(drop=True)
    return {
        user: events.sort_values("timestamp", kind="stable").index.tolist()
        for user, events in table.groupby("user")
    }


def as_sets(fold):
    return [set(part.tolist()) for part in fold]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_leave_last_out(log, n):
    [fold] = LeaveLastOut(n).split(log)
    train, test = as_sets(fold)
    expected_train, expected_test = set(), set()
    for events in by_user(log).values():
        if len(events) > n:
            expected_train |= set(events[:-n])
            expected_test |= set(events)
        else:
            expected_train |= set(events)
    assert (train, test) == (expected_train, expected_test)
    assert LeaveLastOut(n).get_n_splits(log) == 1


@pytest.mark.parametrize("n_splits", [1, 3])
def test_temporal_split(log, n_splits):
    folds = list(TemporalSplit(n_splits, test_size=0.3).split(log))
    assert len(folds) == n_splits == TemporalSplit(n_splits).get_n_splits()
    times = log["timestamp"].to_numpy()
    shares = np.linspace(0.7, 1, n_splits + 1)
    cuts = [np.sort(times)[int(share * len(times))] for share in shares[:-1]]
    for i, fold in enumerate(folds):
        end = cuts[i + 1] if i + 1 < n_splits else np.inf
        train, test = as_sets(fold)
        assert train == set(np.flatnonzero(times < cuts[i]).tolist())
        expected = set()
        for events in by_user(log).values():
            if any(cuts[i] <= times[e] < end for e in events):
                expected |= {e for e in events if times[e] < end}
        assert test == expected


def test_cold_users_are_whole_and_apart(log):
    splitter = ColdUserSplit(3, test_size=0.25, random_state=1)
    drawn = []
    for train, test in splitter.split(log):
        users = log["user"].to_numpy()
        assert not set(users[train]) & set(users[test])
        assert sorted([*train, *test]) == list(range(len(log)))
        assert len(set(users[test])) == round(0.25 * log["user"].nunique())
        drawn.append(frozenset(users[test]))
    assert len(set(drawn)) == 3
    assert splitter.get_n_splits() == 3


def test_cold_items_never_train_and_are_the_targets(log):
    splitter = ColdItemSplit(2, test_size=0.2, random_state=1)
    held_out = splitter.cold_items(log)
    items = log["item"].to_numpy()
    for cold, fold in zip(held_out, splitter.split(log), strict=True):
        assert len(cold) == round(0.2 * log["item"].nunique())
        train, test = as_sets(fold)
        expected_train, expected_test = set(), set()
        for events in by_user(log).values():
            alone = len(events) == 1
            expected_train |= {
                e for e in (events if alone else events[:-1]) if items[e] not in cold
            }
            if items[events[-1]] in cold and not alone:
                expected_test |= set(events)
        assert (train, test) == (expected_train, expected_test)
    assert set(held_out[0]) != set(held_out[1])
    assert splitter.get_n_splits() == 2


def test_cold_items_need_a_seed(log):
    with pytest.raises(ValueError, match="needs an int as random_state"):
        ColdItemSplit().cold_items(log)


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda s: type(s).__name__)
def test_polars_rows_in_any_order_and_repeats(splitter, log):
    expected = [as_sets(fold) for fold in splitter.split(log)]
    assert [as_sets(fold) for fold in splitter.split(pl.from_pandas(log))] == expected
    for train, test in splitter.split(log):
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
    renamed = log.rename(columns={"user": "who", "item": "what", "timestamp": "when"})
    names = {"user_col": "who", "item_col": "what", "timestamp_col": "when"}
    own = type(splitter)(**{**vars(splitter), **names})
    assert [as_sets(fold) for fold in own.split(renamed)] == expected


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda s: type(s).__name__)
def test_as_cv_of_scikit_learn(splitter, log):
    items = pd.DataFrame({"item": range(40)})
    result = cross_validate(
        PopularityRecommender(), log, params={"items": items}, cv=splitter, error_score="raise"
    )
    assert result["test_score"].shape == (1,)


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda s: type(s).__name__)
def test_a_list_has_no_rows_to_split(splitter):
    with pytest.raises(TypeError, match="splits the rows of a log table; got list"):
        next(splitter.split([["a", "b"]]))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (LeaveLastOut(0), "n must be an integer >= 1"),
        (LeaveLastOut(True), "n must be an integer >= 1; got True"),
        (TemporalSplit(0), "n_splits must be an integer >= 1; got 0"),
        (ColdUserSplit(2.0), "n_splits must be an integer >= 1; got 2.0"),
        (ColdItemSplit(True), "n_splits must be an integer >= 1; got True"),
        (ColdItemSplit(item_col="what"), "no column 'what'"),
        (LeaveLastOut(10_000), "No user has more than n=10000 events"),
        (TemporalSplit(test_size=0), "test_size must be a share"),
        (TemporalSplit(test_size=0.999999), "one side is empty"),
        (TemporalSplit(timestamp_col="when"), "no column 'when'"),
        (TemporalSplit(timestamp_col=None), "TemporalSplit needs times"),
        (TemporalSplit(test_size=None), "test_size must be a share between 0 and 1; got None"),
        (ColdUserSplit(test_size="0.1"), "test_size must be a share between 0 and 1; got '0.1'"),
        (ColdUserSplit(test_size=1), "test_size must be a share"),
        (ColdItemSplit(test_size=-0.1), "test_size must be a share"),
    ],
)
def test_splits_that_cannot_be(splitter, message, log):
    with pytest.raises(ValueError, match=message):
        next(splitter.split(log))


@pytest.mark.parametrize(
    ("splitter", "users", "message"),
    [
        (ColdItemSplit(random_state=0), [1, 2, 3], "leaves no row to test: the log is too small"),
        (ColdUserSplit(), [1, 1, 1], "only one to draw from"),
    ],
)
def test_logs_too_small_to_split(splitter, users, message):
    log = pd.DataFrame({"user": users, "item": [1, 2, 3], "timestamp": [1, 2, 3]})
    with pytest.raises(ValueError, match=message):
        next(splitter.split(log))


# ---- leave_last_out_split

SEQUENCES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=6)


@settings(deadline=None)
@given(SEQUENCES)
def test_three_parts_of_sequences_and_of_their_log(sequences):
    tested = [s for s in sequences if len(s) >= 3]
    expected = (
        [s[:-2] if len(s) >= 3 else s for s in sequences],
        [s[:-1] for s in tested],
        tested,
    )
    assert leave_last_out_split(sequences) == expected
    log = pd.DataFrame(
        [(u, i, t) for u, s in enumerate(sequences) for t, i in enumerate(s)],
        columns=["user", "item", "timestamp"],
    )
    shuffled = log.sample(frac=1, random_state=0)
    for part, rows in zip(leave_last_out_split(shuffled), expected, strict=True):
        again = part.sort_values(["user", "timestamp"]).groupby("user")["item"].apply(list)
        assert again.tolist() == rows
        # the rows that are left stand as they stood
        assert part.equals(shuffled.loc[[i for i in shuffled.index if i in set(part.index)]])


def test_three_parts_keep_the_library(shop_log):
    parts = leave_last_out_split(pl.from_pandas(shop_log))
    for part, expected in zip(parts, leave_last_out_split(shop_log), strict=True):
        assert isinstance(part, pl.DataFrame)
        assert part.to_dicts() == expected.to_dict("records")


# ---- any log, in any order

EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5)), min_size=2, max_size=30
)
LIBRARIES = {
    "pandas": lambda f: f.set_axis([9] * len(f)),
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
}


@settings(deadline=None)
@given(EVENTS, st.integers(1, 3), st.sampled_from(list(LIBRARIES)))
def test_leave_last_out_of_any_log(events, n, library):
    log = pd.DataFrame(events, columns=["user", "item", "timestamp"])
    sequences = by_user(log)
    table = LIBRARIES[library](log)
    if max(map(len, sequences.values())) <= n:
        with pytest.raises(ValueError, match="there is nothing to test"):
            next(LeaveLastOut(n).split(table))
        return
    [(train, test)] = LeaveLastOut(n).split(table)
    long_enough = [events for events in sequences.values() if len(events) > n]
    kept_out = {position for events in long_enough for position in events[-n:]}
    assert train.tolist() == [row for row in range(len(log)) if row not in kept_out]
    assert test.tolist() == sorted(position for events in long_enough for position in events)


@settings(deadline=None)
@given(EVENTS, st.integers(1, 3), st.floats(0.05, 0.95), st.sampled_from(list(LIBRARIES)))
def test_temporal_split_of_any_log(events, n_splits, test_size, library):
    log = pd.DataFrame(events, columns=["user", "item", "timestamp"])
    splitter, table = TemporalSplit(n_splits, test_size=test_size), LIBRARIES[library](log)
    times = log["timestamp"].to_numpy()
    shares = np.linspace(1 - test_size, 1, n_splits + 1)[:-1]
    cuts = [*np.sort(times)[(shares * len(times)).astype(int)], np.inf]
    if cuts[0] == times.min() or len(set(cuts)) <= n_splits:
        with pytest.raises(ValueError, match="one side is empty"):
            list(splitter.split(table))
        return
    for i, (train, test) in enumerate(splitter.split(table)):
        assert train.tolist() == np.flatnonzero(times < cuts[i]).tolist()
        in_window = log[(times >= cuts[i]) & (times < cuts[i + 1])]
        tested = log["user"].isin(in_window["user"]) & (times < cuts[i + 1])
        assert test.tolist() == np.flatnonzero(tested).tolist()


def test_cold_items_do_not_depend_on_the_order_of_rows(log):
    splitter = ColdItemSplit(2, test_size=0.3, random_state=3)
    shuffled = log.sample(frac=1, random_state=0)
    for table in (shuffled, pl.from_pandas(shuffled), pa.Table.from_pandas(shuffled)):
        for found, expected in zip(
            splitter.cold_items(table), splitter.cold_items(log), strict=True
        ):
            assert found.tolist() == expected.tolist()


def test_the_scorer_is_asked_for_cold_items_only(log):
    splitter = ColdItemSplit(test_size=0.3, random_state=3)
    [(_, test)], [cold] = splitter.split(log), splitter.cold_items(log)
    tested = log.iloc[test].sort_values("timestamp", kind="stable")
    assert set(tested.groupby("user")["item"].last()) <= set(cold)


def test_logs_stay_as_they_were(log):
    before = log.copy(deep=True)
    for splitter in SPLITTERS:
        list(splitter.split(log))
    leave_last_out_split(log)
    pd.testing.assert_frame_equal(log, before)


def test_splitters_show_themselves():
    assert repr(LeaveLastOut(2, user_col="who")) == (
        "LeaveLastOut(user_col='who', item_col='item', timestamp_col='timestamp', n=2)"
    )
    again = eval(repr(TemporalSplit(3, test_size=0.5)))
    assert vars(again) == vars(TemporalSplit(3, test_size=0.5))


def test_the_scores_of_folds_are_those_of_each_part(log):
    items = pd.DataFrame({"item": range(40)})
    scorer = ranking_scorer(["auc", "hit_rate@5"])
    cv = TemporalSplit(2, test_size=0.4)
    model = PopularityRecommender()
    result = cross_validate(
        model, log, params={"items": items}, cv=cv, scoring=scorer, error_score="raise"
    )
    for i, (train, test) in enumerate(cv.split(log)):
        expected = scorer(model.fit(log.iloc[train], items=items), log.iloc[test])
        assert {name: result[f"test_{name}"][i] for name in expected} == expected
