"""Clicks that say more than their item, as dicts and as tables."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from embrec.serving.events import read_clicks

CPU = torch.device("cpu")


class Reader:
    """Remembers the table; one feature, the number of stars."""

    columns = {"timestamp": "int64", "stars": "float64", "gap": "float64"}

    def transform(self, table):
        self.table = pd.DataFrame({name: list(table[name]) for name in table.columns})
        return [self.table["stars"].fillna(0).to_numpy(np.float32)[:, None]]


def ask(events, n=2, times=None):
    reader = Reader()
    times = np.full(n, np.nan) if times is None else np.array(times)
    tensors, times = read_clicks(reader, events, n, "timestamp", times, CPU)
    return getattr(reader, "table", None), tensors, times


def test_dicts_become_rows():
    table, tensors, times = ask([{"stars": 4, "timestamp": 30}, {"stars": 2}], times=[10, 20])
    assert table.columns.tolist() == ["timestamp", "stars", "gap"]
    assert_array_equal(table["gap"], [20, np.nan])
    assert tensors.blocks[0][:, 0].tolist() == [4, 2]
    assert tensors.is_known is None
    assert times.tolist() == [30, 20]  # what is not said stays


def test_none_is_an_event_of_which_nothing_is_known():
    table, tensors, times = ask([None, {"stars": 3}])
    assert tensors.is_known[:, 0].tolist() == [False, True]
    assert np.isnan(times).all()
    table, tensors, _ = ask([None, None], times=[1, 2])
    assert table is None
    assert tensors is None


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_tables_are_events_too(make):
    moments = [datetime(1970, 1, 1, 0, 0, s, tzinfo=UTC) for s in (5, 9)]
    events = make({"stars": [1, 2], "timestamp": moments})
    table, tensors, times = ask(events, times=[2, np.nan])
    assert_array_equal(table["gap"], [3, np.nan])
    assert times.tolist() == [5, 9]
    assert tensors.blocks[0][:, 0].tolist() == [1, 2]


def test_moments_may_be_missing_here_and_there():
    first = pd.Timestamp("1970-01-01 00:00:07")
    _, _, times = ask([{"timestamp": first}, {"timestamp": None}], times=[3, 4])
    assert times.tolist() == [7, 4]


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ([{"stars": 10**400}, None], ValueError, r"event\['stars'\] must be of the kind float64"),
        ([{"stras": 1}, None], ValueError, r"says \['stras'\], .* had no columns for; it had \["),
        ([{"gap": 1}, None], ValueError, r"says \['gap'\]"),  # it is computed
        ([3, None], TypeError, "An event must be a dict of columns of the log, such as"),
        ({"stars": 3}, TypeError, "Expected one event .* per item"),
        ([None], ValueError, "Got 1 events for 2 items"),
        ([{"timestamp": "noon"}, None], TypeError, "has dtype String, which has no order in time"),
        (pd.DataFrame({"stars": [1, 2]}), ValueError, r"no column \['timestamp'\]"),
        (pd.DataFrame({"x": [1, 2]}), ValueError, r"says \['x'\]"),
    ],
)
def test_what_is_no_event(events, error, message):
    with pytest.raises(error, match=message):
        ask(events)


def test_models_that_read_items_alone_say_so():
    reader = Reader()
    reader.columns = {}
    with pytest.raises(
        ValueError, match="reads items alone, and got an event: .*event_featurizer="
    ):
        read_clicks(reader, [{"a": 1}], 1, None, np.full(1, np.nan), CPU)
