"""The filter of the thesis."""

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import load_parquet_pair, thesis_filter


def test_thesis_filter_counts_users_and_items_apart():
    log = pd.DataFrame({"user": list("aaaabbbb"), "item": list("xxyzxyyy"), "timestamp": range(8)})
    filtered = thesis_filter(log, min_user_events=4, min_item_events=2)
    # z came once; what is left of user a is not counted again
    assert filtered["item"].tolist() == list("xxyxyyy")
    left = thesis_filter(log, min_user_events=1, min_item_events=4, max_events_per_user=2)
    assert left.empty
    left = thesis_filter(
        log, min_user_events=1, min_item_events=4, max_events_per_user=2, min_sequence_length=2
    )
    assert left.index.tolist() == [6, 7]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_thesis_filter_takes_any_times_and_column_names(zone):
    times = pd.to_datetime([5, 4, 3, 2, 1, 0], unit="s", utc=True)
    when = times.tz_convert(zone) if zone else times.tz_localize(None)
    log = pd.DataFrame({"who": pd.Categorical([1] * 6), "what": ["x"] * 6, "when": when})
    names = {"user_col": "who", "item_col": "what", "max_events_per_user": 4}
    assert thesis_filter(log, timestamp_col="when", **names).index.tolist() == [0, 1, 2, 3]
    assert thesis_filter(log, timestamp_col=None, **names).index.tolist() == [2, 3, 4, 5]
    assert thesis_filter(log[:0], timestamp_col="when", **names).empty


@pytest.mark.parametrize("column", ["user", "item", "timestamp"])
def test_thesis_filter_refuses_what_is_missing(column):
    log = pd.DataFrame({"user": ["a"] * 6, "item": ["x"] * 6, "timestamp": np.arange(6.0)})
    with pytest.raises(KeyError, match=f"no column '{column}'; its columns are .* Name yours"):
        thesis_filter(log.drop(columns=column))
    log.loc[2, column] = None
    with pytest.raises(ValueError, match=f"'{column}'. is missing in 1 of 6 rows"):
        thesis_filter(log)


def test_thesis_filter_keeps_at_least_an_event():
    log = pd.DataFrame({"user": ["a"], "item": ["x"], "timestamp": [0]})
    with pytest.raises(ValueError, match="at least 1; got 0"):
        thesis_filter(log, max_events_per_user=0)


def naive_thesis_filter(log):
    users, items = {}, {}
    for row in log.itertuples():
        users[row.user] = users.get(row.user, 0) + 1
        items[row.item] = items.get(row.item, 0) + 1
    sequences = {}
    for row in log.sort_values("timestamp", kind="stable").itertuples():
        if users[row.user] >= 5 and items[row.item] >= 5:
            sequences.setdefault(row.user, []).append(row.Index)
    kept = [i for events in sequences.values() if len(events) >= 3 for i in events[-50:]]
    return sorted(kept)


def test_thesis_filter_against_loops():
    rng = np.random.default_rng(0)
    n = 3000
    log = pd.DataFrame(
        {
            "user": np.concatenate([rng.integers(0, 400, n - 200), np.full(200, 7)]),
            "item": rng.zipf(1.3, n) % 300,
            "timestamp": rng.integers(0, 50, n),
        }
    ).sample(frac=1, random_state=0)
    log.index = np.arange(n)
    filtered = thesis_filter(log)
    assert filtered.index.tolist() == naive_thesis_filter(log)
    # whatever the index
    repeated = log.set_axis(np.zeros(n, dtype=int))
    pd.testing.assert_frame_equal(
        thesis_filter(repeated).reset_index(drop=True), filtered.reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("name", "n_users", "n_items", "n_events"),
    [("amazon2014_office_5core", 4905, 2420, 52_891), ("ml1m_posters", 6034, 3111, 239_630)],
)
def test_thesis_filter_on_real_data(data_folder, name, n_users, n_items, n_events):
    log = thesis_filter(load_parquet_pair(data_folder / name).interactions)
    assert (log["user"].nunique(), log["item"].nunique(), len(log)) == (n_users, n_items, n_events)


def test_thesis_filter_makes_the_thesis_games_set_event_for_event(data_folder):
    folder = data_folder / "amazon2014_games_thesis"
    # this log has had the filter of 5 events already, and must not have it twice
    raw = load_parquet_pair(folder).interactions
    log = thesis_filter(raw, min_user_events=1, min_item_events=1)
    thesis = load_parquet_pair(folder, interactions="interactions_thesis.parquet").interactions
    assert len(log) == 274_064
    # the thesis' file counts positions anew after the cut; users and items in order are the same
    log, thesis = (
        x.sort_values(["user", "timestamp"], kind="stable", ignore_index=True)[["user", "item"]]
        for x in (log, thesis)
    )
    pd.testing.assert_frame_equal(log, thesis)
    assert len(thesis_filter(raw)) == 244_437
