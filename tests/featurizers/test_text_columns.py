"""Tables, arrays and lists to one text per item."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from embrec.featurizers._text_columns import (
    check_columns,
    join_text,
    limit_words,
    read_text_items,
)

COLUMNS = {
    "title": ["Red shoes", None, "hat"],
    "stock": [7, 8, 9],
    "price": [0.5, float("nan"), 3.0],
    "tags": [["new", "sale"], None, []],
    "on": [True, False, True],
    "since": [datetime(2020, 1, 2), None, datetime(2021, 3, 4, 5, 6)],
}
EXPECTED = [
    "Red shoes 7 0.5 new sale True 2020-01-02 00:00:00",
    " 8   False ",
    "hat 9 3.0  True 2021-03-04 05:06:00",
]
TABLES = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas nullable": pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas arrow": pa.table(COLUMNS).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas odd index": pd.DataFrame(COLUMNS, index=[5, 5, 0]),
    "polars": pl.DataFrame(COLUMNS, strict=False),
    "pyarrow": pa.table(COLUMNS),
}


def texts(items, columns=None):
    return join_text(read_text_items(items), columns)


@pytest.mark.parametrize("kind", TABLES)
def test_all_columns_of_a_table(kind):
    assert texts(TABLES[kind]) == EXPECTED


@pytest.mark.parametrize("kind", TABLES)
def test_named_columns_in_the_order_they_are_named(kind):
    assert texts(TABLES[kind], ["stock", "title"]) == ["7 Red shoes", "8 ", "9 hat"]


@pytest.mark.parametrize(
    "missing",
    [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN"), np.float32("nan")],
)
def test_missing_values_are_empty(missing):
    cells = np.empty((2, 2), dtype=object)
    cells[:] = [["a", "b"], [None, "c"]]
    cells[1, 0] = missing
    for items in [
        cells,
        cells.tolist(),
        [tuple(row) for row in cells],
        pd.DataFrame(cells, columns=["x", "y"]),
    ]:
        assert texts(items) == ["a b", " c"]
    assert texts(["a", missing]) == ["a", ""]
    assert texts(pd.Series(["a", missing], dtype=object)) == ["a", ""]


def test_float32_reads_as_people_write_it():
    prices = np.array([0.1, np.nan], dtype=np.float32)
    for items in [
        prices[:, None],
        pd.DataFrame({"p": prices}),
        pl.DataFrame({"p": prices}),
        pl.DataFrame({"p": [0.1, None]}, schema={"p": pl.Float32}),
        pd.DataFrame({"p": pd.array([0.1, None], dtype="Float32")}),
    ]:
        assert texts(items) == ["0.1", ""]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([["a", "b"], ["c", ""]]), ["a b", "c "]),
        (np.array([["é".encode(), b"b"], [b"c", b""]]), ["é b", "c "]),
        (np.array([[1, 2], [3, 4]]), ["1 2", "3 4"]),
        (np.array([[True], [False]]), ["True", "False"]),
        (np.array([["2020-01-02"], ["NaT"]], dtype="M8[D]"), ["2020-01-02", ""]),
        (np.array([[np.inf, 1.5]]), ["inf 1.5"]),
    ],
)
def test_arrays_of_every_kind(array, expected):
    assert texts(array) == expected
    assert texts(np.asfortranarray(array)) == expected


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="needs numpy 2")
def test_arrays_of_strings_of_any_length():
    test_arrays_of_every_kind(
        np.array([["a", "b"], ["c", ""]], dtype=np.dtypes.StringDType()), ["a b", "c "]
    )


def test_categories_read_as_their_values():
    frame = pd.DataFrame({"brand": ["A", None, "B"], "size": [1, 2, 1]}).astype("category")
    assert texts(frame) == ["A 1", " 2", "B 1"]
    assert texts(pl.DataFrame({"brand": pl.Series(["A", None], dtype=pl.Categorical)})) == ["A", ""]


@pytest.mark.parametrize(
    "items",
    [
        ["a b", None, "c"],
        ("a b", None, "c"),
        np.array(["a b", None, "c"], dtype=object),
        np.array(["a b", "", "c"]),
        pd.Series(["a b", None, "c"]),
        pl.Series(["a b", None, "c"]),
        pa.chunked_array([["a b", None], ["c"]]),
        pa.array(["a b", None, "c"]),
        pd.Series([["a", "b"], None, "c"]),
        [["a", "b"], None, "c"],
    ],
    ids=lambda items: f"{type(items).__module__}.{type(items).__name__}",
)
def test_ready_made_texts_have_no_columns(items):
    assert texts(items) == ["a b", "", "c"]
    assert texts(items, ["title"]) == ["a b", "", "c"]


def test_subclasses_of_str_become_str():
    assert [type(text) for text in texts([np.str_("a"), "b"])] == [str, str]


def test_rows_may_hold_lists():
    assert texts([[["a", "b"], "c"], [["d", "e"], "f"]]) == ["a b c", "d e f"]


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ("red shoes", TypeError, "got a single str \\('red shoes'\\)"),
        ({"title": ["a"]}, TypeError, "got dict"),
        ({"a"}, TypeError, "got set"),
        (None, TypeError, "got NoneType"),
        (iter("ab"), TypeError, "got str_ascii_iterator"),
        (sp.eye_array(2), TypeError, "sparse dia_array"),
        (pl.LazyFrame({"a": ["b"]}), TypeError, "collect"),
        (np.arange(3.0), ValueError, "holds 0.0 \\(float\\) at position 0.* Reshape your data"),
        (["a", 3], ValueError, "holds 3 \\(int\\) at position 1"),
        (pd.Series([1, 2]), ValueError, "holds 1 \\(int\\) at position 0"),
        (np.array("a"), ValueError, "shape \\(\\)"),
        (np.full((2, 1, 2), "a"), ValueError, "shape \\(2, 1, 2\\)"),
        (np.array([[1j]]), ValueError, "Complex data not supported"),
        ([["a"], ["b", "c"]], ValueError, "rows of 1 to 2 values"),
        ([], ValueError, "0 items"),
        ([[], []], ValueError, "0 feature"),
        (np.empty((0, 2)), ValueError, "0 sample"),
        (pl.DataFrame({"a": []}), ValueError, "no row"),
        (pd.DataFrame(index=[1, 2]), ValueError, "0 columns"),
        (pd.DataFrame([["a", "b"]], columns=["x", "x"]), ValueError, "'x' 2 times|unique"),
    ],
)
def test_wrong_kinds_say_what_was_expected(items, error, message):
    with pytest.raises(error, match=message):
        read_text_items(items)


@pytest.mark.parametrize("kind", TABLES)
def test_missing_columns_are_named(kind):
    with pytest.raises(ValueError, match=r"no column 'brand', 'size'; its columns are.*'title'"):
        texts(TABLES[kind], ["brand", "title", "size"])


def test_columns_need_names():
    with pytest.raises(ValueError, match=r"array of shape \(1, 2\), which has no column names"):
        texts([["a", "b"]], ["title"])


def test_check_columns():
    assert check_columns(None) is None
    assert check_columns("title") == ["title"]
    assert check_columns(("a", "b")) == ["a", "b"]
    assert check_columns(pd.Index(["a", "b"])) == ["a", "b"]
    for bad in ([], [1], [None, "a"]):
        with pytest.raises(ValueError, match="name of a column"):
            check_columns(bad)


@given(st.text(alphabet=" \t\nab", max_size=40), st.integers(1, 6))
def test_limit_words_keeps_the_first_words_and_their_spacing(text, n_words):
    (cut,) = limit_words([text], n_words)
    assert cut.split() == text.split()[:n_words]
    assert text.startswith(cut)
    if len(text.split()) <= n_words:
        assert cut == text


@pytest.mark.parametrize("n_words", [1, 2, 3])
def test_limit_words_cuts_the_shortest_text_that_is_too_long(n_words):
    allowed = " ".join("abc"[:n_words])
    assert limit_words([allowed + " d", allowed + " ", " " + allowed], n_words) == [
        allowed,
        allowed + " ",
        " " + allowed,
    ]


def test_no_limit():
    assert limit_words(["a " * 1000], None) == ["a " * 1000]


words = st.text(alphabet="abc é", max_size=8)


@given(st.lists(st.tuples(words | st.none(), words | st.none()), min_size=1, max_size=6))
def test_every_container_gives_the_same_texts(rows):
    expected = [f"{left or ''} {right or ''}" for left, right in rows]
    data = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    array = np.array(rows, dtype=object)
    schema = {"a": pl.String, "b": pl.String}
    for items in [
        rows,
        array,
        pd.DataFrame(data),
        pl.DataFrame(data, schema=schema),
        pa.table(data, schema=pa.schema([("a", pa.string()), ("b", pa.string())])),
    ]:
        assert texts(items) == expected
