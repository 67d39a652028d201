"""Events on their way to a store."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.interactions import LogColumns
from embrec.data.spool import EVENT, Codes, Spool, group_users, list_files

COLUMNS = LogColumns("user", "item", "timestamp")


def log(users, items, times):
    return pd.DataFrame({"user": users, "item": items, "timestamp": times})


@given(st.lists(st.lists(st.integers(0, 9), min_size=1), min_size=1))
def test_codes_follow_the_first_appearance(parts):
    codes, seen = Codes(), []
    for part in parts:
        seen += [v for v in dict.fromkeys(part) if v not in seen]
        found = codes.encode(np.array(part, dtype=np.int64), what="ids")
        assert found.tolist() == [seen.index(v) for v in part]
    assert codes.in_order().tolist() == seen
    assert codes.in_order().dtype == np.int64
    with pytest.raises(TypeError, match="all strings or all integers"):
        codes.encode(np.array(["a"], dtype=object), what="ids")


def test_events_are_read_as_they_came(tmp_path):
    spool = Spool(tmp_path / "events", COLUMNS)
    spool.append(log(["b", "a"], [7, 8], [3, 1]), "first")
    spool.append(log(["a", "b"], [7, 7], [0.5, 2.0]), "second")
    first, second = spool.read()
    assert first["user"].tolist() == [0, 1]
    assert second["user"].tolist() == [1, 0]
    assert second["item"].tolist() == [0, 0]
    assert spool.time_dtype == np.float64
    times = [events["time"].view(np.float64).tolist() for events in (first, second)]
    assert times == [[3, 1], [0.5, 2]]
    assert spool.count_users().tolist() == [0, 2, 4]


def test_times_of_two_kinds(tmp_path):
    spool = Spool(tmp_path / "events", COLUMNS)
    spool.append(log(["a"], ["x"], [1]), "first")
    with pytest.raises(TypeError, match=r"got datetimes, but numbers in the tables before"):
        spool.append(log(["a"], ["x"], pd.to_datetime(["2024-01-01"])), "second")


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=4),
    st.integers(1, 8),
)
def test_users_are_dealt_into_groups(tmp_path_factory, parts, n_events):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder / "events", COLUMNS)
    for number, users in enumerate(parts):
        spool.append(log(users, users, np.arange(len(users)) + 10 * number), "part")
    offsets = spool.count_users()
    firsts = group_users(offsets, n_events)
    spool.deal(firsts, offsets[firsts], folder / "dealt")
    dealt = np.fromfile(folder / "dealt", EVENT)
    together = np.concatenate(list(spool.read()))
    group = np.searchsorted(firsts, together["user"], side="right")
    assert dealt.tolist() == together[np.argsort(group, kind="stable")].tolist()
    for start, stop in pairwise(firsts):
        assert offsets[stop] - offsets[start] <= n_events or stop == start + 1


def test_hidden_files_are_no_log(tmp_path):
    for name in ("b.parquet", "a.parquet", ".c.parquet", "_temporary/d.parquet", "e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [f.name for f in list_files(tmp_path)] == ["a.parquet", "b.parquet"]
    with pytest.raises(ValueError, match="source is empty"):
        list_files([])
    with pytest.raises(TypeError, match="pass tables to from_tables"):
        list_files(log(["a"], ["x"], [1]))
    with pytest.raises(FileNotFoundError, match="no Parquet file at"):
        list_files(tmp_path / "nowhere")
