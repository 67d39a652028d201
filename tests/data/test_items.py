"""The catalogue table."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from embrec.data.items import NoContentWarning, read_items, warn_of_no_content
from embrec.data.whole import Whole

ITEMS = pd.DataFrame({"item": ["a", "b"], "title": ["x", None], "price": [1.0, 2.0]})


@pytest.mark.parametrize(
    "convert",
    [lambda f: f, pl.from_pandas, pa.Table.from_pandas, Whole],
    ids=["pandas", "polars", "arrow", "Whole"],
)
def test_ids_and_content(convert):
    rows = read_items(convert(ITEMS), "item")
    assert rows.ids.tolist() == ["a", "b"]
    columns = (
        rows.content.column_names if isinstance(rows.content, pa.Table) else rows.content.columns
    )
    assert list(columns) == ["title", "price"]


def test_ids_in_the_index():
    rows = read_items(ITEMS.set_index("item"), "item")
    assert rows.ids.tolist() == ["a", "b"]
    assert list(rows.content.columns) == ["title", "price"]


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (ITEMS.drop(columns="item"), ValueError, r"no column 'item' .*item_col="),
        (ITEMS.head(0), ValueError, "items is empty"),
        (
            pd.concat([ITEMS, ITEMS]),
            ValueError,
            r"2 rows repeat an id .*: 'a', 'b'\. .*drop_duplicates.*If this is the log",
        ),
        (ITEMS.assign(item=["a", None]), ValueError, "missing"),
        (ITEMS.assign(item=["a", 1]), TypeError, "mixed-integer"),
        ([["a"]], TypeError, "items must be a table .*got list"),
        (None, TypeError, "must be a table.*got NoneType. Pass the catalogue by its name, items="),
        (pl.from_pandas(ITEMS).lazy(), TypeError, "collect"),
    ],
)
def test_tables_that_are_no_catalogue(items, error, message):
    with pytest.raises(error, match=message):
        read_items(items, "item")


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([3, 1], name="item"),
        pd.Index([3, 1], dtype="Int64", name="item"),
        pd.CategoricalIndex([3, 1], name="item"),
    ],
    ids=["int64", "Int64", "category"],
)
def test_integers_in_the_index(index):
    rows = read_items(pd.DataFrame({"title": ["x", "y"]}, index=index), "item")
    assert rows.ids.dtype == np.int64
    assert rows.ids.tolist() == [3, 1]


def test_a_column_goes_before_the_index():
    both = ITEMS.set_index(pd.Index([8, 9], name="item"))
    assert read_items(both, "item").ids.tolist() == ["a", "b"]


@pytest.mark.parametrize("convert", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
def test_repeated_and_missing_ids_in_every_library(convert):
    with pytest.raises(ValueError, match="2 rows repeat an id that came before: 'a'"):
        read_items(convert(pd.DataFrame({"item": ["a", "a", "b", "a"]})), "item")
    with pytest.raises(ValueError, match=r"items\['item'\]: 1 of 2 ids are missing"):
        read_items(convert(pd.DataFrame({"item": ["a", None]})), "item")
    with pytest.raises(TypeError, match="got floating values"):
        read_items(convert(pd.DataFrame({"item": [1.5, 2.5]})), "item")


def test_the_table_stays_as_it_was():
    for frame in (ITEMS.copy(), ITEMS.set_index("item")):
        before = frame.copy(deep=True)
        read_items(frame, "item")
        pd.testing.assert_frame_equal(frame, before)


def test_a_message_about_many_columns_is_short():
    wide = pd.DataFrame(np.zeros((1, 5000))).add_prefix("column ")
    with pytest.raises(ValueError, match="and 4970 more") as e:
        read_items(wide, "item")
    assert len(str(e.value)) < 1000


def test_items_without_content_are_named():
    ids = np.array(["a", "b", "c"], dtype=object)
    text = sp.csr_array(np.array([[1, 0], [0, 0], [0, 0]], dtype=np.float32))
    picture = np.array([[0], [0], [2]], dtype=np.float32)
    with pytest.warns(NoContentWarning, match="1 of 3 items have no content.* They are 'b'"):
        warn_of_no_content(ids, [text, picture])
    warn_of_no_content(ids[[0, 2]], [text[[0, 2]], picture[[0, 2]]])
    warn_of_no_content(ids, [])  # popularity has no features
