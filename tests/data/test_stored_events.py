"""Columns of a log on disk, in the order of its sequences."""

import decimal
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec import InteractionStore
from embrec._utils import files
from embrec.data.interactions import read_sequences
from embrec.data.stored_events import StoredEvents

LOG = pd.DataFrame(
    {
        "user": list("abaab"),
        "item": list("vwxyz"),
        "timestamp": pd.to_datetime([50, 10, 30, 12, 10], unit="s"),
        "stars": [1.0, None, 3, 4, 5],
        "kind": pd.Categorical(["view", "buy", None, "view", "buy"]),
        "text": ["ä", "", None, "d" * 300, "e"],
        "n": range(5),
    }
)
CELLS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 20), st.floats(-5, 5)),
    min_size=1,
    max_size=40,
)


def stored(tables, folder, **options):
    columns = [c for c in ("stars", "kind", "text", "n") if c in dict(LOG)]
    return InteractionStore.from_tables(tables, folder, **{"event_cols": columns, **options})


def expected(log):
    """The same in memory: the table that featurizers get, row after row."""
    events = read_sequences(log, with_events=True)[0].events
    return pd.DataFrame(events.table).iloc[events.rows].reset_index(drop=True)


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
@pytest.mark.parametrize("make", [lambda t: t, pl.from_pandas, pa.Table.from_pandas])
def test_they_are_what_is_read_in_memory(tmp_path, batch_rows, make):
    store = stored([make(LOG[:2]), make(LOG[2:])], tmp_path / "s", batch_rows=batch_rows)
    found, wanted = store.events[:], expected(LOG)
    assert found["n"].tolist() == wanted["n"].tolist() == [3, 2, 0, 1, 4]
    np.testing.assert_array_equal(found["gap"], wanted["gap"])
    np.testing.assert_array_equal(found["stars"], wanted["stars"])
    assert found["text"].isna().tolist() == wanted["text"].isna().tolist()
    assert found["text"].fillna("").tolist() == wanted["text"].fillna("").tolist()
    assert found["kind"].fillna("-").tolist() == wanted["kind"].astype(object).fillna("-").tolist()
    assert (found["timestamp"].to_numpy() == wanted["timestamp"].to_numpy()).all()
    assert store.events[np.array([4, 0])]["n"].tolist() == [4, 3]
    assert store.events[1:3]["n"].tolist() == [2, 0]
    again = pickle.loads(pickle.dumps(store))
    assert again.events[:].equals(found)
    assert store.sequences().events.table is store.events


@settings(max_examples=25, deadline=None)
@given(cells=CELLS, cut=st.integers(0, 40), batch_rows=st.integers(1, 9))
def test_any_log(cells, cut, batch_rows, tmp_path_factory):
    log = pd.DataFrame(cells, columns=["user", "item", "timestamp", "n"])
    parts = [part for part in (log[:cut], log[cut:]) if len(part)]
    folder = tmp_path_factory.mktemp("any") / "s"
    store = InteractionStore.from_tables(parts, folder, event_cols="n", batch_rows=batch_rows)
    pd.testing.assert_frame_equal(store.events[:], expected(log))


def test_files_of_parquet(tmp_path):
    LOG.to_parquet(tmp_path / "log.parquet")
    store = InteractionStore.from_parquet(
        tmp_path / "log.parquet", tmp_path / "s", event_cols=["n"], batch_rows=2
    )
    assert store.events.columns == ["timestamp", "n", "gap"]
    assert store.events[:]["n"].tolist() == [3, 2, 0, 1, 4]
    assert sorted(p.name for p in (tmp_path / "s").rglob("*.arrow")) == ["events.arrow"]


def test_times_alone_or_none_at_all(tmp_path):
    assert stored(LOG, tmp_path / "a", event_cols=[]).events.columns == ["timestamp", "gap"]
    without = stored(LOG.drop(columns="timestamp"), tmp_path / "b", event_cols=["n"])
    assert without.events.columns == ["n", "gap"]
    assert without.events[:]["gap"].isna().all()
    assert stored(LOG, tmp_path / "c", event_cols=None).events is None


def test_what_cannot_be_kept_is_said(tmp_path):
    with pytest.raises(KeyError, match="no column 'star'.*event_cols= names what"):
        stored(LOG, tmp_path / "s", event_cols=["star"])
    with pytest.raises(ValueError, match=r"event_cols names \['item'\], which are kept as ids"):
        stored(LOG, tmp_path / "s", event_cols=["item"])
    with pytest.raises(ValueError, match="has a column 'gap'"):
        stored(LOG.assign(gap=1), tmp_path / "s", event_cols=["gap"])
    with pytest.raises(TypeError, match=r"tables\[1\]: its columns are .* Convert them to one"):
        stored([LOG[:2], LOG[2:].assign(n=list("abc"))], tmp_path / "s", event_cols=["n"])
    with pytest.raises(TypeError, match="event_cols must be a list of names"):
        stored(LOG, tmp_path / "s", event_cols=[1])
    assert not (tmp_path / "s").exists()


def test_columns_may_become_wider_and_nothing_else(tmp_path):
    """None at first, whole numbers at first: what pandas makes of the parts of one log."""
    parts = [
        LOG[:1].assign(text=None, stars=1, n=1),
        LOG[1:2].assign(stars=2, n=2),
        LOG[2:4].assign(stars=[2.5, None], n=[3, 2**40]),
        LOG[4:].assign(stars=5, n=4),
    ]
    store = stored(parts, tmp_path / "s", event_cols=["text", "stars", "n"], batch_rows=2)
    found = store.events[:]
    wanted = expected(LOG.assign(text=[None, *LOG["text"][1:]], n=[1, 2, 3, 2**40, 4]))
    assert found["n"].tolist() == wanted["n"].tolist()
    assert found["text"].fillna("-").tolist() == wanted["text"].fillna("-").tolist()
    by_n = dict(zip(found["n"], found["stars"], strict=True))
    assert [by_n[n] for n in (1, 2, 3, 4)] == [1, 2, 2.5, 5]
    assert np.isnan(by_n[2**40])
    cents, half = decimal.Decimal("12345678.91"), np.float32(0.5)
    for one, other in (
        [1, "1"],
        ["1", 1],
        [1, True],
        ["a", b"a"],
        [cents, half],
        [LOG["timestamp"][0], 1],
    ):
        for first, second in ((one, other), (other, one)):
            parts = [LOG[:2].assign(n=first), LOG[2:].assign(n=second)]
            with pytest.raises(TypeError, match=r"tables\[1\]: its columns are .* Convert them"):
                stored(parts, tmp_path / "t", event_cols=["n"])
    for some in ([2**60 + 1, 0.5], [0.5, 2**60 + 1]):  # more than 53 bits hold
        parts = [LOG[:2].assign(n=some[0]), LOG[2:].assign(n=some[1])]
        with pytest.raises(TypeError, match=r"int64.*double.*Convert them|double.*int64.*Convert"):
            stored(parts, tmp_path / "t", event_cols=["n"])
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("place", [100, -4000])
def test_damage_is_found(tmp_path, place):
    large = pd.concat([LOG] * 4000)
    store = stored(large, tmp_path / "s")
    (file,) = (tmp_path / "s").rglob("events.arrow")
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="damaged"):  # near its end only check looks
        InteractionStore(store.folder).check()


def test_what_is_no_table_is_said_with_its_path(tmp_path):
    store = stored(LOG, tmp_path / "s")
    path = store.events._path
    path.write_bytes(b"no table")
    with pytest.raises(ValueError, match=rf"{path} is damaged: it is no table"):
        len(StoredEvents(path))
    latin = pa.array(["ä".encode("latin-1")], pa.binary()).view(pa.string())
    table = pa.table({"text": latin})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=rf"{path} is damaged: it is no table"):
        StoredEvents(path).check()


def test_events_of_another_log_are_damage(tmp_path):
    store, shorter = stored(LOG, tmp_path / "s"), stored(LOG[:3], tmp_path / "t")
    shutil.copy(shorter.events._path, store.events._path)
    marker = tmp_path / "s" / "interactions.json"
    meta = json.loads(marker.read_text())
    meta["files"] = files.described(tmp_path / "s" / meta["folder"])
    marker.write_text(json.dumps({**meta, "digest": files.digest_of(meta)}))
    with pytest.raises(ValueError, match="damaged: its events are not what was written"):
        InteractionStore.open(tmp_path / "s").check()


def test_a_store_that_was_replaced_says_so(tmp_path):
    store = stored(LOG, tmp_path / "s")
    stored(LOG[:3], tmp_path / "s", overwrite=True)
    with pytest.raises(ValueError, match="is gone: its store was replaced"):
        len(store.events)


def test_what_arrow_cannot_hold_is_said(tmp_path):
    mixed = LOG.assign(n=pd.Series([1, "a", 2.5, None, [1]], dtype=object))
    with pytest.raises(TypeError, match=r"a store cannot keep its columns .* Convert them"):
        stored(mixed, tmp_path / "s", event_cols=["n"])
    with pytest.raises(TypeError, match="event_cols must be a list of names"):
        stored(LOG, tmp_path / "s", event_cols=5)
