"""Features of events: made of the rows that are asked about, whatever holds them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_union

from embrec import InteractionStore
from embrec.data.interactions import read_sequences
from embrec.recommenders import events as module
from embrec.recommenders.events import EventReader, LogReader

LOG = pd.DataFrame(
    {
        "user": list("abaab"),
        "item": list("vwxyz"),
        "timestamp": [50, 10, 30, 12, 10],
        "stars": [1.0, 2, 3, 4, 5],
    }
)


class Numbers(TransformerMixin, BaseEstimator):
    """A column as it is; it remembers how many rows it was asked about."""

    def __init__(self, column="stars"):
        self.column = column

    def fit(self, X, y=None):
        self.n_fitted_ = len(X)
        self.asked_ = []
        return self

    def transform(self, X):
        self.asked_.append(len(X))
        return np.nan_to_num(np.asarray(X[self.column], dtype=np.float32))[:, None]


def read(log):
    return read_sequences(log, with_events=True)[0]


def ask(reader, sequences):
    return sequences.with_events(reader(sequences.events))


def values(sequences):
    (block,) = sequences.events.select()
    return np.where(sequences.events.rows < 0, np.nan, block[:, 0]).tolist()


def test_the_first_log_fits_it():
    reader = EventReader(Numbers())
    found = ask(reader, read(LOG))
    assert values(found) == [4, 3, 1, 2, 5]
    assert found.events.table is None
    assert reader.n_features == (1,)
    assert reader.columns == {"timestamp": "int64", "stars": "float64", "gap": "float64"}
    assert reader.fitted.n_fitted_ == 5
    again = LOG.assign(stars=LOG["stars"] * 2)
    assert values(ask(reader, read(again))) == [8, 6, 2, 4, 10]
    assert reader.fitted.n_fitted_ == 5  # not fitted again


def test_only_rows_that_are_asked_about_are_read():
    reader = EventReader(Numbers())
    ask(reader, read(LOG))
    sequences = read(LOG)
    some = sequences.take(np.array([0, 0])).keep_last(2)
    assert values(ask(reader, some)) == [3, 1, 3, 1]
    assert reader.fitted.asked_[-1] == 2
    unknown = sequences.with_events(
        type(sequences.events)(np.array([-1, 2, -1, -1, 0]), sequences.events.table)
    )
    assert_array_equal(values(ask(reader, unknown)), [np.nan, 3, np.nan, np.nan, 1])
    n_before = len(reader.fitted.asked_)
    nothing = sequences.with_events(type(sequences.events)(np.full(5, -1), sequences.events.table))
    assert ask(reader, nothing).events.blocks == ()
    assert len(reader.fitted.asked_) == n_before


def test_lists_say_nothing():
    reader = EventReader(Numbers())
    lists = read([["v", "w"]])
    with pytest.raises(ValueError, match="event_featurizer reads columns of a log, and X has seq"):
        ask(reader, lists)
    ask(reader, read(LOG))
    assert ask(reader, lists).events is None
    assert EventReader(None)(read(LOG).events) is None


def test_a_log_without_the_columns_is_an_error():
    reader = EventReader(make_union(Numbers(), Numbers("gap")))
    ask(reader, read(LOG))
    with pytest.raises(KeyError, match="stars"):
        ask(reader, read(LOG.drop(columns="stars")))


@pytest.mark.parametrize("n_fitted", [2, 100])
def test_large_logs_are_read_in_parts(n_fitted, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FITTED", n_fitted)
    monkeypatch.setattr(module, "AT_A_TIME", 2)
    stored = InteractionStore.from_tables([LOG[:3], LOG[3:]], tmp_path / "s", event_cols=["stars"])
    for log in (read(LOG), read(pl.from_pandas(LOG)), stored.sequences()):
        reader = EventReader(Numbers())
        found = ask(reader, log)
        block = found.events.blocks[0][:, 0]
        rows = np.arange(5) if found.events.rows is None else found.events.rows
        assert block[rows].tolist() == [4, 3, 1, 2, 5]
        assert reader.fitted.n_fitted_ == min(n_fitted, 5)
        assert max(reader.fitted.asked_) <= 5
        assert list(reader.columns) == ["timestamp", "stars", "gap"]


def test_a_featurizer_is_chosen_by_what_there_is():
    reader = EventReader("auto", timestamp_col="timestamp")
    ask(reader, read(LOG))
    assert [name for name, _ in reader.fitted.transformer_list] == ["times", "attributes"]
    assert reader.fitted.transformer_list[0][1].parts == ("gap",)  # numbers that are no moments


def test_visitors_are_known_by_their_first_rows():
    """Whatever becomes of their events, also of all of them."""
    reader = LogReader(EventReader(None), EventReader(Numbers(), parameter="user_featurizer"))
    found = reader(read(LOG))
    assert found.events is None
    assert reader.visitors.fitted.n_fitted_ == 2  # rows that are none's first are not looked at
    (block,) = found.visitors.blocks
    assert block[found.visitors.rows, 0].tolist() == [4, 2]
    sequences = read(LOG)
    ways = {
        "none left": (sequences.drop_last(9), [4, 2]),
        "the last": (sequences.keep_last(1), [4, 2]),
        "turned": (sequences.take(np.array([1, 0, 1])), [2, 4, 2]),
        "a slice": (sequences.slice_rows(1, 2), [2]),
        "without b": (sequences.where(sequences.values != "x"), [4, 2]),
    }
    for given, expected in ways.values():
        visitors = reader(given).visitors
        assert visitors.blocks[0][visitors.rows, 0].tolist() == expected
    with pytest.raises(ValueError, match="user_featurizer reads columns of a log"):
        LogReader(EventReader(None), EventReader(Numbers(), parameter="user_featurizer"))(
            read([["v"]])
        )
    assert set(reader.as_fitted()) >= {"user_featurizer_", "_user_columns"}
