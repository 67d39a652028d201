"""From whatever holds the items to one picture per item."""

from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from scipy.sparse import csr_matrix

from embrec.featurizers._picture_columns import pick_cells, read_cell, read_picture_items

PATHS = ["red.png", "", "blue.png"]
TABLES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "array": lambda cells: np.array(cells, dtype=object),
    "pandas": pd.Series,
    "polars": pl.Series,
    "pyarrow": lambda cells: pa.chunked_array([cells[:2], cells[2:]]),
}


@pytest.mark.parametrize(
    ("X", "columns", "error", "message"),
    [
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), None, ValueError, "say with columns= which one"),
        (pd.DataFrame({"a": ["x"]}), "b", KeyError, "no column 'b'"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), ["a", "b"], ValueError, "ColumnTransformer"),
        (pd.DataFrame(index=[0, 1]), None, ValueError, "0 columns"),
        (pd.DataFrame({"a": []}), None, ValueError, "empty"),
        (["a.png"], [], ValueError, "name of a column"),
        ([["a.png"]], "picture", ValueError, "no column names"),
        ([["a.png", "b.png"]], None, ValueError, "X has 2 columns"),
        ([["a.png"], ["b.png", "c.png"]], None, ValueError, "rows of 1 to 2 values"),
        ([], None, ValueError, "0 items"),
        (np.zeros((4, 4, 3), dtype=np.uint8), None, ValueError, r"list of one picture is \[X\]"),
        (np.zeros(4), None, ValueError, "Reshape your data"),
        ("a.png", None, TypeError, "got str"),
        (b"a", None, TypeError, "got bytes"),
        (Image.new("RGB", (2, 2)), None, TypeError, "got Image"),
        ({"a": "b"}, None, TypeError, "got dict"),
        (csr_matrix(np.eye(2)), None, TypeError, "sparse csr_matrix"),
        (pl.LazyFrame({"a": ["x"]}), None, TypeError, "lazy"),
    ],
    ids=[
        *("which-column", "no-column", "two-columns", "no-columns", "no-rows", "no-name"),
        *("unnamed", "wide", "ragged", "nothing", "one-array", "numbers", "one-path", "one-bytes"),
        *("one-image", "dict", "sparse", "lazy"),
    ],
)
def test_what_cannot_be_read_at_all(X, columns, error, message):
    with pytest.raises(error, match=message):
        pick_cells(read_picture_items(X), columns)


@pytest.mark.parametrize("library", TABLES)
def test_tables_keep_their_columns(library):
    items = read_picture_items(TABLES[library]({"picture": PATHS, "price": [1, 2, 3]}))
    assert isinstance(items, nw.DataFrame)
    assert items.columns == ["picture", "price"]
    for columns in ("picture", ["picture"], np.array(["picture"])):
        assert pick_cells(items, columns) == PATHS
    assert pick_cells(items, "price") == [1, 2, 3]
    assert pick_cells(read_picture_items(TABLES[library]({"only": PATHS})), None) == PATHS


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences_are_cells_whatever_columns_says(kind):
    items = read_picture_items(SEQUENCES[kind](PATHS))
    assert (items.shape, items.dtype) == ((3,), object)
    assert pick_cells(items, None) == pick_cells(items, "picture") == PATHS


def test_rows_have_columns_without_names():
    for rows in ([[path] for path in PATHS], np.array([[path] for path in PATHS], dtype=object)):
        items = read_picture_items(rows)
        assert items.shape == (3, 1)
        cells = pick_cells(items, None)
        assert cells == PATHS
        assert {type(cell) for cell in cells} == {str}


def test_pictures_in_lists_and_stacks_are_one_cell_each():
    stack = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    for given in (stack, list(stack), [[picture] for picture in stack]):
        cells = pick_cells(read_picture_items(given), None)
        assert len(cells) == 2
        for cell, picture in zip(cells, stack, strict=True):
            np.testing.assert_array_equal(cell, picture)
    # a row of nothing but pictures of one size does not become a stack of numbers
    assert read_picture_items([[stack[0]], [stack[1]]]).shape == (2, 1)


FOLDER = Path("/shop")


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("a.png", "/shop/a.png"),
        (Path("b/a.png"), "/shop/b/a.png"),
        ("/else/a.png", "/else/a.png"),
        (Path("/else/a.png"), "/else/a.png"),
        ("file:///else/a%20b.png", "/else/a b.png"),
        ("FILE://localhost/else/a.png", "/else/a.png"),
        (" a.png", "/shop/ a.png"),
        ("c:a.png", "/shop/c:a.png"),
    ],
    ids=["name", "path", "absolute", "absolute-path", "url", "localhost", "blank", "colon"],
)
def test_paths_start_at_the_folder(cell, path):
    assert read_cell(cell, FOLDER) == Path(path)


@pytest.mark.parametrize(
    "cell",
    [None, np.nan, np.float32("nan"), np.float16("nan"), pd.NA, pd.NaT, "", " \t\n"],
    ids=["none", "nan", "float32", "float16", "na", "nat", "empty", "blank"],
)
def test_missing_pictures(cell):
    assert read_cell(cell, FOLDER) is None


@pytest.mark.parametrize(
    "cell",
    [
        *("https://shop.example/a.png", "file://other.host/a.png", "http://[broken/x.jpg"),
        *(b"content", b"", 3.5, np.zeros((2, 2)), Image.new("RGB", (1, 1))),
    ],
    ids=["url", "host", "broken-url", "bytes", "no-bytes", "number", "array", "image"],
)
def test_all_else_is_left_as_it_is(cell):
    assert read_cell(cell, FOLDER) is cell
