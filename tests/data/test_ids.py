"""Ids in, ids out."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.ids import MANY, IdIndex, check_ids, preview

INTEGERS = {
    "list": [1, 2, 3],
    "int8": np.array([1, 2, 3], dtype=np.int8),
    "int32": np.array([1, 2, 3], dtype=np.int32),
    "uint64": np.array([1, 2, 3], dtype=np.uint64),
    "objects": np.array([1, 2, 3], dtype=object),
    "nothing masked": np.ma.array([1, 2, 3]),
    "numpy scalars": [np.int16(1), np.int64(2), 3],
    "Series": pd.Series([1, 2, 3]),
    "Int64": pd.Series([1, 2, 3], dtype="Int64"),
    "category": pd.Series([1, 2, 3], dtype="category"),
}
STRINGS = {
    "list": ["a", "bc", "def"],
    "fixed width": np.array(["a", "bc", "def"]),
    "objects": np.array(["a", "bc", "def"], dtype=object),
    "numpy scalars": [np.str_("a"), "bc", "def"],
    "Series": pd.Series(["a", "bc", "def"]),
    "string": pd.Series(["a", "bc", "def"], dtype="string"),
    "category": pd.Series(["a", "bc", "def"], dtype="category"),
    "Index": pd.Index(["a", "bc", "def"]),
    "polars": pl.Series(["a", "bc", "def"]),
    "polars category": pl.Series(["a", "bc", "def"], dtype=pl.Categorical),
    "arrow": pa.array(["a", "bc", "def"]),
    "keys": {"a": 1, "bc": 2, "def": 3}.keys(),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_any_kind(name):
    ids = check_ids(INTEGERS[name], what="ids")
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", STRINGS)
def test_strings_of_any_kind(name):
    ids = check_ids(STRINGS[name], what="ids")
    assert ids.dtype == object
    assert ids.tolist() == ["a", "bc", "def"]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", None, "b"], ValueError, r"log: 1 of 3 ids are missing .*the first at position 1\)"),
        ([1, np.nan], ValueError, "1 of 2 ids are missing"),
        (np.ma.array([5, 6], mask=[False, True]), ValueError, r"1 of 2 ids .*at position 1\)"),
        (np.ma.array(["a", "b"], mask=[True, False]), ValueError, r"1 of 2 .*at position 0\)"),
        ([5, np.ma.masked], TypeError, "all strings or all integers"),
        (np.zeros(2, dtype=[("item", "i8")]), TypeError, r"log: .*got records of dtype \[\('item'"),
        (np.zeros(2, dtype="V4"), TypeError, "got records of dtype"),
        (pd.Series(["a", pd.NA], dtype="string"), ValueError, "1 of 2 ids are missing"),
        ([pd.NaT, "a"], ValueError, "position 0"),
        (np.array([1.0, 2.0]), TypeError, "got floating values of dtype float64, such as 1.0"),
        (np.array([1.0, np.nan]), ValueError, "missing"),
        ([True, False], TypeError, "got boolean values"),
        ([b"a"], TypeError, "got bytes values"),
        ([1, "a"], TypeError, "got mixed-integer values of dtype object, such as 1 and 'a'"),
        ([("a", "b"), "c"], TypeError, r"such as \('a', 'b'\) and 'c'"),
        ([["a"], ["b"]], TypeError, r"such as \['a'\]"),
        ([2**70], (TypeError, ValueError), "64 bits|integer"),
        (np.array([2**63], dtype=np.uint64), ValueError, "must fit 64 bits with a sign"),
        ([-(2**70), 1], ValueError, f"64 bits with a sign; got {-(2**70)}"),
        ("abc", TypeError, r"log: expected a list of ids; got 'abc'\. .* pass \['abc'\]"),
        (np.str_("abc"), TypeError, r"got 'abc'\. "),
        (5, TypeError, r"expected a list of ids; got 5\. .* pass \[5\]"),
        ({"a": 1}, TypeError, "expected a list of ids"),
        (np.array([b"a", b"b"]), TypeError, "got bytes values"),
        (pd.date_range("2020", periods=2), TypeError, "got datetime64 values"),
        (np.zeros((2, 2), dtype=int), ValueError, r"1-D array of ids, got shape \(2, 2\)"),
    ],
)
def test_what_is_no_id(values, error, message):
    with pytest.raises(error, match=message):
        check_ids(values, what="log")


@given(
    st.lists(st.text(max_size=4), unique=True) | st.lists(st.integers(-(2**62), 2**62), unique=True)
)
def test_index_round_trip(values):
    ids = check_ids(values, what="ids")
    index = IdIndex(ids[: len(ids) // 2])
    index.extend(ids[len(ids) // 2 :])
    assert index.ids.tolist() == values
    assert index.rows(ids).tolist() == list(range(len(values)))
    again = pickle.loads(pickle.dumps(index))
    assert again.rows(ids[::-1]).tolist() == list(range(len(values)))[::-1]


def test_unknown_ids_have_no_row():
    index = IdIndex(check_ids(["a", "b"], what="ids"))
    assert index.rows(check_ids(["b", "x", "a"], what="ids")).tolist() == [1, -1, 0]


@pytest.mark.parametrize("kind", [str, int])
def test_many_ids_are_found_as_few_are(kind):
    known = check_ids([kind(i) for i in range(500)], what="ids")
    index = IdIndex(known)
    wanted = np.random.default_rng(0).integers(0, 600, 3 * MANY)
    ids = check_ids([kind(i) for i in wanted], what="ids")
    np.testing.assert_array_equal(index.rows(ids), np.where(wanted < 500, wanted, -1))


def test_strings_and_integers_do_not_meet():
    index = IdIndex(check_ids(["1", "2"], what="ids"))
    with pytest.raises(TypeError, match=r"X holds integers \(such as 1\) but .* strings .*'1'"):
        index.check_kind(check_ids([1], what="X"), what="X")


def test_preview_names_a_few_once():
    assert preview(np.array(list("aabbccddeeff"), dtype=object), 3) == "'a', 'b', 'c', ..."
    assert preview(np.array([1, 1, 2])) == "1, 2"
    assert preview(np.array([np.str_("a")], dtype=object)) == "'a'"
    assert len(preview(np.array(["x" * 1000] * 2 + ["y" * 1000], dtype=object))) < 200


def test_a_set_of_ids():
    assert sorted(check_ids({3, 1, 2}, what="ids")) == [1, 2, 3]
    assert check_ids(set(), what="ids").tolist() == []


def test_extending_keeps_what_was_there():
    index = IdIndex(check_ids([5, 3], what="ids"))
    before = index.ids
    index.extend(check_ids([9], what="ids"))
    assert index.ids.tolist() == [5, 3, 9]
    assert before.tolist() == [5, 3]
    assert len(index) == 3
    assert not index.holds_strings
