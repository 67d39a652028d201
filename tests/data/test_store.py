"""Stores of interactions, against the same log read in memory and a loop over users."""

import copy
import json
import os
import pickle
import signal
import sys
import tempfile
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec import Callback, EmbRecEstimator, TfidfItemFeaturizer, Whole
from embrec._utils import files
from embrec.baselines import GRU4RecRecommender, PopularityRecommender, TransRecRecommender
from embrec.components import GRUEncoder, IdEmbeddings, ItemTowers
from embrec.data.interactions import LogColumns, read_sequences
from embrec.data.spool import group_users
from embrec.data.store import CODES, META, OFFSETS, USERS, InteractionStore

LIBRARIES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
library = pytest.mark.parametrize("convert", LIBRARIES.values(), ids=LIBRARIES.keys())
LOG = pd.DataFrame(
    {
        "user": ["u2", "u1", "u2", "u1", "u3"],
        "item": ["a", "b", "c", "d", "a"],
        "timestamp": [5, 9, 3, 1, 7],
    }
)


def lists(store):
    """Item ids of each user, as in the folder."""
    sequences = store.sequences()
    return [store.ids[sequences[i]].tolist() for i in range(len(sequences))]


def naive(users, items, times):
    """Users in order of first appearance, each one's events by time, ties in order of rows."""
    sequences = {}
    for user, item, time in zip(users, items, times, strict=True):
        sequences.setdefault(user, []).append((time, item))
    return {u: [i for _, i in sorted(s, key=lambda e: e[0])] for u, s in sequences.items()}


def cut(frame, starts):
    """Consecutive parts of a table, some of them perhaps empty."""
    bounds = [0, *sorted(starts), len(frame)]
    return [frame.iloc[a:b] for a, b in pairwise(bounds)]


def assert_as_in_memory(store, frame, columns=None):
    sequences, users = read_sequences(frame, columns)
    assert store.users.dtype == users.dtype
    assert store.users.tolist() == users.tolist()
    assert store.offsets.tolist() == sequences.offsets.tolist()
    assert store.ids.dtype == sequences.values.dtype
    assert store.ids[store.codes].tolist() == sequences.values.tolist()
    items = read_sequences(
        frame.assign(all=0, row=range(len(frame))), LogColumns("all", "item", "row")
    )
    assert store.ids.tolist() == list(dict.fromkeys(items[0].values.tolist()))
    assert store.codes.dtype == np.int32
    assert store.offsets.dtype == np.int64
    assert (len(store), store.n_events, store.n_items) == (len(users), len(frame), len(store.ids))


# ---- the same as in memory


@library
def test_a_small_log(convert, tmp_path):
    tables = [convert(LOG.iloc[:2]), convert(LOG.iloc[2:])]
    store = InteractionStore.from_tables(tables, tmp_path / "store")
    assert store.users.tolist() == ["u2", "u1", "u3"]
    assert store.ids.tolist() == ["a", "b", "c", "d"]
    assert lists(store) == [["c", "a"], ["d", "b"], ["a"]]
    assert sorted(os.listdir(tmp_path)) == ["store"]


EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=40
)
KINDS_OF_TIME = {
    "integers": lambda times: np.array(times) - 2,
    "small": lambda times: np.array(times, dtype=np.uint8),
    "floats": lambda times: np.array([-np.inf, -1.5, 0, 0.25, np.inf], dtype=np.float32)[times],
    "datetimes": lambda times: pd.Timestamp("1969-12-31") + pd.to_timedelta(times, unit="D"),
    "zoned": lambda times: (
        pd.Timestamp("2020-10-25 00:40Z").tz_convert("Europe/Berlin")
        + pd.to_timedelta(np.array(times) * 30, unit="min")
    ),
}


@settings(deadline=None, max_examples=50)  # files are synced to disk
@given(
    EVENTS,
    st.booleans(),
    st.sampled_from([*KINDS_OF_TIME, "none"]),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(1, 12),
)
def test_any_log_in_any_parts(events, text, kind, starts, batch_rows):
    users, items, times = map(list, zip(*events, strict=True))
    if text:
        users, items = [f"user {u}" for u in users], ["ü" * i for i in items]
    frame = pd.DataFrame({"user": users, "item": items})
    if kind != "none":
        frame["timestamp"] = KINDS_OF_TIME[kind](times)
    expected = naive(users, items, times if kind != "none" else [0] * len(users))
    parts = cut(frame, [min(s, len(frame)) for s in starts])
    with tempfile.TemporaryDirectory() as folder:
        store = InteractionStore.from_tables(iter(parts), f"{folder}/a", batch_rows=batch_rows)
        assert_as_in_memory(store, frame)
        assert store.users.tolist() == list(expected)
        assert lists(store) == list(expected.values())
        for i, part in enumerate(parts):
            part.to_parquet(f"{folder}/{i}.parquet", row_group_size=3, index=False)
        again = InteractionStore.from_parquet(folder, f"{folder}/b", batch_rows=batch_rows)
        assert_as_in_memory(again, frame)


def random_log(n_events, seed=0):
    rng = np.random.default_rng(seed)
    users = rng.zipf(1.3, n_events) % 500  # one user has a third of all
    return pd.DataFrame(
        {
            "who": users.astype(str),
            "what": rng.integers(0, 100, n_events),
            "when": rng.integers(0, 50, n_events),
            "other": rng.random(n_events),
        }
    )


@pytest.mark.parametrize("batch_rows", [500, 2**20])
def test_many_row_groups_and_other_names(batch_rows, tmp_path):
    log = random_log(20_000)
    log.to_parquet(tmp_path / "log.parquet", row_group_size=700)
    names = {"user_col": "who", "item_col": "what", "timestamp_col": "when"}
    source = str(tmp_path / "log.parquet")
    store = InteractionStore.from_parquet(source, tmp_path / "s", batch_rows=batch_rows, **names)
    expected, users = read_sequences(log, LogColumns("who", "what", "when"))
    assert store.users.tolist() == users.tolist()
    assert store.offsets.tolist() == expected.offsets.tolist()
    assert store.ids[store.codes].tolist() == expected.values.tolist()


@pytest.mark.parametrize("batch_rows", [1, 2, 7, 100])
def test_groups_hold_whole_users_and_a_bounded_number_of_events(batch_rows):
    lengths = np.random.default_rng(0).integers(1, 12, 60)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    firsts, held = [], batch_rows
    for user, length in enumerate(lengths):
        if held + length > batch_rows:
            firsts.append(user)
            held = 0
        held += length
    assert group_users(offsets, batch_rows).tolist() == [*firsts, len(lengths)]


def test_files_in_the_order_of_their_names(tmp_path):
    parts = cut(LOG, [1, 3])
    source = tmp_path / "log"
    (source / "c").mkdir(parents=True)
    (source / "_temporary").mkdir()
    for part, name in zip(parts, ["a.parquet", "b.parquet", "c/0.parquet"], strict=True):
        part.to_parquet(source / name)
    for name in ["_temporary/0.parquet", "_0.parquet", ".b.parquet", "notes.txt"]:
        (source / name).write_text("no Parquet")
    assert_as_in_memory(InteractionStore.from_parquet(source, tmp_path / "whole"), LOG)
    backwards = [source / "c", str(source / "b.parquet"), source / "a.parquet"]
    store = InteractionStore.from_parquet(backwards, tmp_path / "backwards")
    assert_as_in_memory(store, pd.concat(parts[::-1]))


def test_files_need_not_hold_columns_in_one_order_or_of_one_width(tmp_path):
    log = pd.DataFrame({"user": [300, 7, 300, 7], "item": [1, 2, 3, 4], "timestamp": [2, 4, 1, 3]})
    parts = [
        log.iloc[:2].astype({"timestamp": "int32"}),
        log.iloc[2:][["item", "timestamp", "user"]].astype({"item": "int8", "user": "uint16"}),
    ]
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for part, path in zip(parts, paths, strict=True):
        part.to_parquet(path)
    assert_as_in_memory(InteractionStore.from_parquet(paths, tmp_path / "store"), log)


def test_ids_of_categories_and_dictionaries(tmp_path):
    log = LOG.astype({"user": "category", "item": "category"})
    log.to_parquet(tmp_path / "log.parquet")
    store = InteractionStore.from_parquet(tmp_path / "log.parquet", tmp_path / "a", batch_rows=2)
    assert_as_in_memory(store, LOG)
    assert_as_in_memory(InteractionStore.from_tables(cut(log, [2]), tmp_path / "b"), LOG)


def test_one_table_is_a_log_of_one_part(tmp_path):
    assert_as_in_memory(InteractionStore.from_tables(LOG, tmp_path / "store"), LOG)


def test_empty_ids_are_ids(tmp_path):
    log = LOG.assign(user="", item="")
    assert_as_in_memory(InteractionStore.from_tables([log], tmp_path / "store"), log)


# ---- times


MIXED_TIMES = {
    "units": [np.array(["1969-12-31T23:59:59"], "M8[s]"), np.array([1, -2 * 10**9], "M8[ns]")],
    "durations": [np.array([1], "m8[s]"), np.array([2 * 10**9, 1], "m8[ns]")],
    "whole or not": [np.array([1]), np.array([1.5, 0.5])],
    "wide": [np.array([2**63], np.uint64), np.array([2**63 + 1, 0], np.uint64)],
}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("kind", MIXED_TIMES)
def test_times_of_different_tables_compare(kind, first, tmp_path):
    # the first table's event is in the middle of the second one's two, the later of them first
    one = pd.DataFrame({"user": "u", "item": ["b"], "timestamp": MIXED_TIMES[kind][0]})
    two = pd.DataFrame({"user": "u", "item": ["c", "a"], "timestamp": MIXED_TIMES[kind][1]})
    tables = [one, two] if first == 0 else [two, one]
    store = InteractionStore.from_tables(tables, tmp_path / "store", batch_rows=1)
    assert lists(store) == [["a", "b", "c"]]


def test_times_that_python_holds(tmp_path):
    for i, times in enumerate(
        [
            [date(2020, 1, 5), date(2020, 1, 3)],
            [timedelta(5), timedelta(3)],
            list(pd.to_datetime(["2020-10-25 01:10Z", "2020-10-25 00:40Z"])),
        ]
    ):
        table = pl.DataFrame({"user": ["u", "u"], "item": ["b", "a"], "timestamp": times})
        assert lists(InteractionStore.from_tables([table], tmp_path / str(i))) == [["a", "b"]]


ZONED = pd.to_datetime(["2020-01-01 00:00Z"])
INCOMPARABLE = {
    "numbers and datetimes": ([1], ZONED.tz_localize(None), "got datetimes, but numbers in"),
    "datetimes and durations": (
        ZONED.tz_localize(None),
        np.array([1], "m8[s]"),
        "got durations, but datetimes in",
    ),
    "zoned or not": (ZONED, ZONED.tz_localize(None), "got datetimes, but datetimes with a time"),
}


@pytest.mark.parametrize("kind", INCOMPARABLE)
def test_times_that_do_not_compare(kind, tmp_path):
    *times, message = INCOMPARABLE[kind]
    tables = [pd.DataFrame({"user": 1, "item": 1, "timestamp": t}) for t in times]
    with pytest.raises(TypeError, match=rf"^tables\[1\]\['timestamp'\]: {message}"):
        InteractionStore.from_tables(tables, tmp_path / "store")
    assert os.listdir(tmp_path) == []
    store = InteractionStore.from_tables(tables, tmp_path / "store", timestamp_col=None)
    assert store.n_events == 2


@pytest.mark.parametrize(
    "times",
    [
        (np.array(["1000-01-01"], "M8[s]"), np.array([0], "M8[ns]")),
        (np.array([2**53 + 1]), np.array([0.5])),
        (np.array([2**63 + 1], np.uint64), np.array([-1])),
    ],
    ids=["range", "precision", "sign"],
)
def test_times_that_no_dtype_holds(times, tmp_path):
    tables = [pd.DataFrame({"user": 1, "item": 1, "timestamp": t}) for t in times]
    with pytest.raises(ValueError, match=r"does not fit (datetime64\[ns\]|float64)\. Convert all"):
        InteractionStore.from_tables(tables, tmp_path / "store")
    assert os.listdir(tmp_path) == []


def test_times_of_no_fixed_width(tmp_path):
    table = pa.table({"user": [1], "item": [1], "timestamp": [Decimal("1.5")]})
    with pytest.raises(TypeError, match=r"holds object values, which a store cannot keep"):
        InteractionStore.from_tables([table], tmp_path / "store")


def test_without_times_the_order_of_rows_counts(tmp_path):
    untimed = LOG.drop(columns="timestamp")
    store = InteractionStore.from_tables(cut(untimed, [2]), tmp_path / "a", batch_rows=1)
    assert lists(store) == [["a", "c"], ["b", "d"], ["a"]]
    LOG.to_parquet(tmp_path / "log.parquet")
    ignoring = InteractionStore.from_parquet(
        tmp_path / "log.parquet", tmp_path / "b", timestamp_col=None, batch_rows=2
    )
    assert lists(ignoring) == lists(store)


def test_times_under_another_name_are_not_overlooked(tmp_path):
    log = LOG.assign(ts=pd.to_datetime(LOG["timestamp"], unit="D")).drop(columns="timestamp")
    for i, part in enumerate(cut(log, [2])):
        part.to_parquet(tmp_path / f"{i}.parquet")
    message = r"\['ts'\] seems to hold times. Pass timestamp_col='ts'"
    with pytest.warns(UserWarning, match=message) as tables_warn:
        InteractionStore.from_tables(cut(log, [2]), tmp_path / "a")
    with pytest.warns(UserWarning, match=message) as files_warn:
        InteractionStore.from_parquet(tmp_path, tmp_path / "b", batch_rows=1)
    assert [w.filename for w in [*tables_warn, *files_warn]] == [__file__] * 2
    store = InteractionStore.from_parquet(tmp_path, tmp_path / "c", timestamp_col="ts")
    assert lists(store) == [["c", "a"], ["d", "b"], ["a"]]


# ---- what is refused


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (LOG.drop(columns="item"), KeyError, r"^tables\[1\] has no column 'item'; its columns are"),
        (LOG.assign(user=1), TypeError, r"^tables\[1\]\['user'\]: .* got 1 here and 'u2' in the"),
        (LOG.assign(item=1.5), TypeError, r"^tables\[1\]\['item'\]: ids must be all strings or"),
        (LOG.assign(item=None), ValueError, r"^tables\[1\]\['item'\]: 5 of 5 ids are missing"),
        (LOG.assign(timestamp="now"), TypeError, r"^tables\[1\]\['timestamp'\] has dtype String"),
        (LOG.assign(timestamp=np.nan), ValueError, r"^tables\[1\]\['timestamp'\] is missing in 5"),
        (LOG.drop(columns="timestamp"), TypeError, r"^tables\[1\]: got no times, but numbers in"),
        ([["a", "b"]], TypeError, r"^tables\[1\] must be a table .* got list"),
        (pl.LazyFrame({"user": [1]}), TypeError, r"^tables\[1\] is a lazy frame"),
    ],
)
def test_a_bad_table_leaves_nothing_behind(second, error, message, tmp_path):
    with pytest.raises(error, match=message):
        InteractionStore.from_tables([LOG, second], tmp_path / "deep" / "store")
    assert os.listdir(tmp_path / "deep") == []


def test_times_that_come_late(tmp_path):
    tables = [LOG.drop(columns="timestamp"), LOG]
    with pytest.raises(TypeError, match=r"^tables\[1\]\['timestamp'\]: got numbers, but no times"):
        InteractionStore.from_tables(tables, tmp_path / "store")


def test_a_column_that_only_the_user_names_must_be_there(tmp_path):
    LOG.to_parquet(tmp_path / "log.parquet")
    for name in ["user_col", "item_col", "timestamp_col"]:
        message = r"log.parquet has no column 'x'; its columns are \['user', 'item', 'timestamp'\]"
        with pytest.raises(ValueError, match=message):
            InteractionStore.from_parquet(tmp_path / "log.parquet", tmp_path / "s", **{name: "x"})


def test_a_bad_row_is_found_by_its_batch(tmp_path):
    LOG.assign(item=["a", "b", "c", None, "e"]).to_parquet(tmp_path / "log.parquet")
    message = r"log\.parquet\[2:4\]\['item'\]: 1 of 2 ids are missing .* at position 1\)"
    with pytest.raises(ValueError, match=message):
        InteractionStore.from_parquet(tmp_path / "log.parquet", tmp_path / "s", batch_rows=2)
    assert os.listdir(tmp_path) == ["log.parquet"]


@pytest.mark.parametrize("tables", [[], [LOG.iloc[:0]]], ids=["no table", "no row"])
def test_an_empty_log(tables, tmp_path):
    with pytest.raises(ValueError, match=r"^The log is empty: none of its tables has a row"):
        InteractionStore.from_tables(tables, tmp_path / "store")
    assert os.listdir(tmp_path) == []


def test_sources_that_are_not_there_or_not_parquet(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("text")
    for path in ["nothing.parquet", "empty"]:
        message = f"^source: there is no Parquet file at .*{path}"
        with pytest.raises(FileNotFoundError, match=message):
            InteractionStore.from_parquet(
                [tmp_path / "text.parquet", tmp_path / path], tmp_path / "s"
            )
    with pytest.raises(ValueError, match=r"text\.parquet could not be read as Parquet: "):
        InteractionStore.from_parquet(tmp_path / "text.parquet", tmp_path / "s")
    with pytest.raises(ValueError, match="^source is empty"):
        InteractionStore.from_parquet([], tmp_path / "s")
    with pytest.raises(TypeError, match="pass tables to from_tables"):
        InteractionStore.from_parquet(LOG, tmp_path / "s")
    with pytest.raises(ValueError, match="batch_rows must be at least 1, got 0"):
        InteractionStore.from_tables([LOG], tmp_path / "s", batch_rows=0)


def test_a_damaged_page_is_found_by_its_file_and_row(tmp_path):
    path = tmp_path / "log.parquet"
    rng = np.random.default_rng(0)
    log = pd.DataFrame({"user": rng.integers(0, 10**9, 50_000), "item": 1, "timestamp": 0})
    log.to_parquet(path, row_group_size=10_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"log\.parquet is damaged: its rows from [1-4]0000 on"):
        InteractionStore.from_parquet(path, tmp_path / "store", batch_rows=10_000)
    assert os.listdir(tmp_path) == ["log.parquet"]


def test_parquet_needs_pyarrow(monkeypatch, tmp_path):
    LOG.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'from_parquet needs .* "embrec\[parquet\]"$'):
        InteractionStore.from_parquet(tmp_path / "log.parquet", tmp_path / "s")


# ---- what is written, and opened


@pytest.fixture
def store(tmp_path):
    return InteractionStore.from_tables(cut(LOG, [2]), tmp_path / "store", batch_rows=2)


def test_arrays_stay_on_disk(store):
    sequences = store.sequences()
    assert isinstance(store.codes, np.memmap)
    assert isinstance(store.offsets, np.memmap)
    assert np.shares_memory(sequences.values, store.codes)
    assert np.shares_memory(sequences.offsets, store.offsets)
    with pytest.raises(ValueError, match="read-only"):
        store.codes[0] = 1


def test_open_pickle_and_copy(store, monkeypatch):
    monkeypatch.chdir(store.folder.parent)
    relative = InteractionStore.open("store")
    monkeypatch.chdir("/")
    pickled = pickle.dumps(store)
    assert len(pickled) < 300
    for again in [relative, pickle.loads(pickled), copy.deepcopy(store)]:
        assert_as_in_memory(again, LOG)
    expected = f"InteractionStore({str(store.folder)!r}, n_users=3, n_items=4, n_events=5)"
    assert repr(store) == expected


def run(processes, code, folder, *args):
    done = processes.run(code, folder, *args, strict=True)
    assert done.code == 0, done.err
    return done.out


def test_another_process_opens_it(store, processes, tmp_path):
    code = """if True:
        import sys
        from embrec.data.store import InteractionStore
        store = InteractionStore.open(sys.argv[1])
        print(store.users.tolist(), store.ids[store.codes].tolist(), store.offsets.tolist())
    """
    expected = "['u2', 'u1', 'u3'] ['c', 'a', 'd', 'b', 'a'] [0, 2, 4, 5]"
    assert run(processes, code, tmp_path / "other", store.folder).strip() == expected


def test_others_may_read_it_where_the_umask_says_so(store, tmp_path):
    (tmp_path / "usual").touch()
    files = [store.folder / META, *version_of(store).iterdir(), tmp_path / "usual"]
    modes = {path.stat().st_mode for path in files}
    assert len(modes) == 1


def test_folders_that_hold_no_store(store, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^There is no .*nowhere to open"):
        InteractionStore.open(tmp_path / "nowhere")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with pytest.raises(ValueError, match=rf"holds no store of .*: there is no {META} in it"):
        InteractionStore.open(foreign)
    for text in ["", "[]", "{}", '{"class": "EmbRecEstimator", "format": 1}', "\x00"]:
        (foreign / META).write_text(text)
        with pytest.raises(
            ValueError, match=rf"foreign .*{META} (is not whole|is damaged|says no)"
        ):
            InteractionStore.open(foreign)


def test_a_newer_format(store):
    meta = json.loads((store.folder / META).read_text())
    meta |= {"format": 99, "embrec_version": "9.9"}
    (store.folder / META).write_text(json.dumps(meta))
    with pytest.raises(ValueError, match=r"written by embrec 9\.9 in format 99; .* Upgrade it"):
        InteractionStore.open(store.folder)


def version_of(store):
    return store.folder / json.loads((store.folder / META).read_text())["folder"]


@pytest.mark.parametrize("name", [CODES, OFFSETS, USERS])
@pytest.mark.parametrize("beyond_the_beginning", [False, True])
def test_a_changed_byte_is_found(name, beyond_the_beginning, store, monkeypatch):
    """Of events that are mapped, opening reads the beginning; `fit` reads all."""
    file = version_of(store) / name
    content = bytearray(file.read_bytes())
    if beyond_the_beginning:
        monkeypatch.setattr(files, "HEAD", 0)
        InteractionStore.from_tables([LOG], store.folder, overwrite=True)
        file = version_of(store) / name
    content[-1] ^= 1
    file.write_bytes(content)
    if beyond_the_beginning and name == CODES:
        opened = InteractionStore.open(store.folder)
        with pytest.raises(ValueError, match="its events are not what was written"):
            small_model().fit(opened, items=pd.DataFrame({"item": list("abcd"), "title": "x"}))
    else:
        with pytest.raises(ValueError, match=rf"v-.*{name} is not what was written"):
            InteractionStore.open(store.folder)


def as_format_1(store):
    version, meta = version_of(store), json.loads((store.folder / META).read_text())
    names = [path.rename(store.folder / path.name).name for path in version.iterdir()]
    version.rmdir()
    sizes = {name: (store.folder / name).stat().st_size for name in names}
    kept = {name: meta[name] for name in ("embrec_version", "class", "n_events", "n_items")}
    (store.folder / META).write_text(json.dumps(kept | {"format": 1, "build": "0", "bytes": sizes}))


def test_a_store_of_format_1(store):
    as_format_1(store)
    opened = InteractionStore.open(store.folder)
    assert_as_in_memory(opened, LOG)
    opened.check()
    for wrong in (-1, opened.n_items):
        codes = np.array(opened.codes)
        codes[0] = wrong
        codes.tofile(store.folder / CODES)
        with pytest.raises(ValueError, match="its events are not what was written"):
            InteractionStore.open(store.folder).check()
    InteractionStore.from_tables([LOG], store.folder, overwrite=True)
    assert len(os.listdir(store.folder)) == 2


@pytest.mark.parametrize("name", [CODES, OFFSETS, USERS])
def test_damaged_files(store, name):
    file = version_of(store) / name
    whole = file.read_bytes()
    for damaged in [whole[:-1], b"", whole + b"x"]:
        file.write_bytes(damaged)
        message = rf"is damaged: v-.*{name} is {len(damaged)} bytes, expected {len(whole)} bytes"
        with pytest.raises(ValueError, match=message):
            InteractionStore.open(store.folder)
    file.unlink()
    with pytest.raises(ValueError, match=rf"is damaged: v-.*{name} is missing"):
        InteractionStore.open(store.folder)


# ---- replacing


def test_a_store_is_replaced_only_if_asked(store):
    other = LOG.assign(item="z")
    with pytest.raises(FileExistsError, match="pass overwrite=True to replace it"):
        InteractionStore.from_tables([other], store.folder)
    assert_as_in_memory(InteractionStore.open(store.folder), LOG)
    replaced = InteractionStore.from_tables([other], store.folder, overwrite=True)
    assert_as_in_memory(replaced, other)
    assert os.listdir(store.folder.parent) == ["store"]


def test_a_failed_build_keeps_the_old_store(store):
    with pytest.raises(KeyError):
        InteractionStore.from_tables([LOG, LOG[["user"]]], store.folder, overwrite=True)
    assert_as_in_memory(InteractionStore.open(store.folder), LOG)
    assert os.listdir(store.folder.parent) == ["store"]


def test_nothing_else_is_replaced(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    file.write_text("mine")
    for path in [folder, file]:
        with pytest.raises(FileExistsError, match="holds no store; choose another path"):
            InteractionStore.from_tables([LOG], path, overwrite=True)
    assert (folder / "notes.txt").read_text() == file.read_text() == "mine"
    assert len(os.listdir(tmp_path)) == 2


def test_an_empty_folder_may_be_filled(tmp_path):
    assert_as_in_memory(InteractionStore.from_tables([LOG], tmp_path), LOG)


def test_what_appears_during_the_build_is_kept(tmp_path):
    def tables():
        yield LOG
        (tmp_path / "store" / "notes.txt").write_text("mine")

    with pytest.raises(FileExistsError, match="holds no store"):
        InteractionStore.from_tables(tables(), tmp_path / "store")
    assert os.listdir(tmp_path / "store") == ["notes.txt"]


KILLED = """if True:
    import os, signal, sys
    import pandas as pd
    from embrec.data.store import InteractionStore

    def die(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    def tables():
        yield pd.DataFrame({"user": [1, 2], "item": [1, 2], "timestamp": [1, 2]})
        if sys.argv[2] == "reading":
            die()

    if sys.argv[2] == "renaming":
        os.replace = die
    InteractionStore.from_tables(tables(), sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("moment", ["reading", "renaming"])
def test_a_killed_build_leaves_no_store(moment, processes, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert processes.run(KILLED, other, tmp_path / "store", moment).code == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["store"]
    with pytest.raises(ValueError, match="holds no store"):
        InteractionStore.open(tmp_path / "store")
    store = InteractionStore.from_tables([LOG], tmp_path / "store")
    assert_as_in_memory(store, LOG)
    assert sorted(os.listdir(store.folder)) == sorted([META, version_of(store).name])


# ---- memory


MEMORY = """if True:
    import resource, sys
    import numpy as np
    from embrec.data.store import InteractionStore

    def build(name):
        source = f"{sys.argv[1]}/{name}.parquet"
        return InteractionStore.from_parquet(source, f"{sys.argv[1]}/{name}", batch_rows=20_000)

    def peak():  # in KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    build("small")
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[1]) * resource.getpagesize()
    # imports peak higher than what they leave: without a filling some growth would not show
    filling = np.ones(max(0, peak() * 1024 - now) + 2**22, dtype=np.uint8)
    before = peak()
    store = build("large")
    print(store.n_events, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_memory_does_not_grow_with_the_log(processes, tmp_path):
    rng = np.random.default_rng(0)
    for name, n_parts in {"small": 1, "large": 30}.items():
        parts = [
            pa.table(
                {
                    "user": rng.integers(0, 2000, 100_000),
                    "item": rng.integers(0, 1000, 100_000),
                    "timestamp": rng.integers(0, 10**9, 100_000),
                }
            )
            for _ in range(n_parts)
        ]
        pq.write_table(
            pa.concat_tables(parts), tmp_path / f"{name}.parquet", row_group_size=100_000
        )
    out = run(processes, MEMORY, tmp_path / "other", tmp_path)
    n_events, growth = map(int, out.split())
    assert n_events == 3_000_000
    # in memory the events would take 72 MB
    assert growth < 20_000


# ---- recommenders on stores


def small_model(**changes):
    parts = {"item_model": ItemTowers(8, 8), "encoder": GRUEncoder(8)}
    return EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]),
        **{**parts, "batch_size": 8, "max_epochs": 2, **changes},
    )


@pytest.fixture
def shop_store(shop_log, tmp_path):
    return InteractionStore.from_tables(shop_log.sample(frac=1, random_state=0), tmp_path / "shop")


@pytest.mark.parametrize(
    "changes",
    [{}, {"negatives": 4, "item_model": ItemTowers(8, 8, ids=IdEmbeddings())}],
    ids=["plain", "sampled, ids"],
)
def test_a_fit_on_a_store_is_one_on_its_log(changes, shop_store, shop_log, shop_items):
    shuffled = shop_log.sample(frac=1, random_state=0)
    on_disk = small_model(random_state=0, **changes).fit(shop_store, items=shop_items)
    in_memory = small_model(random_state=0, **changes).fit(shuffled, items=shop_items)
    assert on_disk.fingerprint_ == in_memory.fingerprint_
    on_disk.partial_fit(shop_store, replay=shop_store)
    in_memory.partial_fit(shuffled, replay=shuffled)
    assert on_disk.fingerprint_ == in_memory.fingerprint_


def test_a_store_is_asked_about_like_a_log(shop_store, shop_log, shop_items):
    shuffled = shop_log.sample(frac=1, random_state=0)
    for model in (
        small_model(random_state=0, early_stopping=False),
        PopularityRecommender(),
        GRU4RecRecommender(4, max_epochs=2, random_state=0),
        TransRecRecommender(4, max_epochs=2, random_state=0),
    ):
        model.fit(shop_store, items=shop_items)
        assert model.score(shop_store) == model.score(shuffled)
        np.testing.assert_array_equal(model.predict(shop_store), model.predict(shuffled))


def test_a_store_may_validate(shop_store, shop_log, shop_items):
    one, other = (
        small_model(random_state=0).fit(shop_log, items=shop_items, X_val=validation)
        for validation in (shop_store, Whole(shop_log.sample(frac=1, random_state=0)))
    )
    assert one.training_log_[0]["valid_mrr"] == other.training_log_[0]["valid_mrr"]


def test_items_of_a_store_that_the_catalogue_lacks(shop_store, shop_log, shop_items):
    known = shop_items.query("~item.isin(['desk-1', 'desk-3'])")
    n_events = shop_log["item"].isin(["desk-1", "desk-3"]).sum()
    message = rf"2 item ids in X are not in the catalogue.*\({n_events} interactions\): 'desk-"
    with pytest.raises(ValueError, match=message):
        small_model().fit(shop_store, items=known)


def test_a_store_of_ids_of_another_kind(tmp_path, shop_items):
    store = InteractionStore.from_tables([LOG.assign(item=[1, 2, 3, 4, 1])], tmp_path / "s")
    with pytest.raises(TypeError, match="integers"):
        small_model().fit(store, items=shop_items)


class Replace(Callback):
    """Replaces the store that is trained on."""

    def __init__(self, folder, log):
        self.folder = folder
        self.log = log

    def on_epoch_end(self, progress):
        InteractionStore.from_tables([self.log], self.folder, overwrite=True)


@pytest.mark.parametrize("n_users", [4, 60])
def test_a_store_that_is_replaced_during_a_fit_is_read_to_the_end(
    n_users, shop_store, shop_log, shop_items
):
    expected = small_model(random_state=0).fit(shop_store, items=shop_items)
    other = shop_log.assign(item=shop_log["item"].to_numpy()[::-1]).head(4 * n_users)
    replace = Replace(shop_store.folder, other)
    found = small_model(random_state=0, callbacks=[replace]).fit(shop_store, items=shop_items)
    assert found.fingerprint_ == expected.fingerprint_
    again = small_model(random_state=0).fit(
        InteractionStore.open(shop_store.folder), items=shop_items
    )
    assert again.fingerprint_ != expected.fingerprint_


def test_ids_are_never_those_of_another_build(store):
    opened, read = InteractionStore.open(store.folder), InteractionStore.open(store.folder)
    assert read.ids.tolist() == store.ids.tolist()
    InteractionStore.from_tables([LOG.iloc[::-1]], store.folder, overwrite=True)
    for attribute in ("ids", "users"):
        with pytest.raises(ValueError, match="was replaced by another store.*Open it again"):
            getattr(opened, attribute)
    assert read.ids.tolist() == store.ids.tolist()
    assert lists(read)
