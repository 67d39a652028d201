"""Categories and all above them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import StandardScaler

from embrec import EmbRecEstimator
from embrec.featurizers import CategoryPathFeaturizer


def fit(values, **settings):
    featurizer = CategoryPathFeaturizer(sparse_output=False, **settings)
    matrix = featurizer.fit_transform(pd.DataFrame({"path": values}))
    return featurizer, matrix


def test_an_item_is_in_all_categories_above():
    featurizer, matrix = fit(["A > B > C", "A > D", "E"])
    assert featurizer.get_feature_names_out().tolist() == ["A", "A > B", "A > B > C", "A > D", "E"]
    np.testing.assert_array_equal(matrix, [[1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert matrix.dtype == np.float32


def test_equal_names_in_different_places_are_different():
    featurizer, _ = fit(["Men > Shoes", "Women > Shoes"])
    assert featurizer.categories_.tolist() == ["Men", "Men > Shoes", "Women", "Women > Shoes"]


@pytest.mark.parametrize(
    "cell",
    [
        ["A > B", "C"],
        [["A", "B"], ["C"]],
        (("A", " B "), "C"),
        np.array(["A > B", "C"], dtype=object),
        ["A > B", "C", "A > B", ""],
    ],
    ids=["paths", "levels", "mixed", "array", "repeated"],
)
def test_several_paths(cell):
    featurizer, matrix = fit([cell, "D"])
    assert featurizer.categories_.tolist() == ["A", "A > B", "C", "D"]
    np.testing.assert_array_equal(matrix, [[1, 1, 1, 0], [0, 0, 0, 1]])


def test_integers_that_became_floats():
    """In a column with a missing value pandas makes floats of integers."""
    featurizer, _ = fit([3, 7, None])
    np.testing.assert_array_equal(featurizer.transform(pd.DataFrame({"path": [7]})), [[0, 1]])
    assert featurizer.categories_.tolist() == ["3", "7"]


def test_sets():
    featurizer, matrix = fit([{"A > B", "C"}, frozenset({"C"})])
    assert featurizer.categories_.tolist() == ["A", "A > B", "C"]
    np.testing.assert_array_equal(matrix, [[1, 1, 1], [0, 0, 1]])


def test_dicts_are_no_paths():
    with pytest.raises(TypeError, match=r"A cell holds the dict \{'A': 1\}; expected a path"):
        fit([{"A": 1}])


def test_one_long_name_costs_its_own_length():
    featurizer, _ = fit(["A" * 100_000, "B"])
    assert featurizer.categories_.nbytes < 100


def test_lists_of_lists_from_polars_and_pyarrow():
    frame = pl.DataFrame({"path": [[["A", "B"], ["C"]], [["D"]], None]})
    for table in (frame, frame.to_arrow()):
        featurizer = CategoryPathFeaturizer(sparse_output=False)
        matrix = featurizer.fit_transform(table)
        assert featurizer.categories_.tolist() == ["A", "A > B", "C", "D"]
        np.testing.assert_array_equal(matrix, [[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_separators():
    featurizer, _ = fit(["Action|Drama", "Drama"], separator=None, list_separator="|")
    assert featurizer.categories_.tolist() == ["Action", "Drama"]
    featurizer, _ = fit(["Office, Pens; Home", "Home"], separator=",", list_separator=";")
    assert featurizer.categories_.tolist() == ["Home", "Office", "Office,Pens"]


@pytest.mark.parametrize("missing", [None, np.nan, "", pd.NA, [], " "])
def test_no_category_is_zeros(missing):
    _, matrix = fit(["A", missing])
    np.testing.assert_array_equal(matrix, [[1], [0]])


def test_a_new_category_counts_as_what_is_above_it():
    featurizer, _ = fit(["A > B", "C"])
    table = pd.DataFrame({"path": ["A > New > Newer", "Other"]})
    np.testing.assert_array_equal(featurizer.transform(table), [[1, 0, 0], [0, 0, 0]])


def test_rare_categories_are_left_out():
    featurizer, _ = fit(["A > B", "A > B", "A > C", "D"], min_items=2)
    assert featurizer.categories_.tolist() == ["A", "A > B"]
    featurizer, _ = fit(["A > B", "A > B", "A > C", "D"], max_features=1)
    assert featurizer.categories_.tolist() == ["A"]
    featurizer, _ = fit(["B", "A", "C"], max_features=2)  # ties: by name
    assert featurizer.categories_.tolist() == ["A", "B"]


def test_a_separator_that_no_value_has():
    with pytest.warns(UserWarning, match="No value holds separator=' > '.*like 'A/B'") as caught:
        fit(["A/B", "C"])
    assert caught[0].filename == __file__
    fit(["A/B", "C"], separator=None)
    fit(["A", "C"])
    fit([["A > B"], "C"])
    for name in ("separator", "list_separator"):
        with pytest.raises(ValueError, match=f"{name}='' separates nothing; pass None"):
            fit(["A"], **{name: ""})


def test_separators_are_those_of_fit():
    featurizer, matrix = fit(["A > B", "C"])
    featurizer.set_params(separator="/", list_separator=">")
    table = pd.DataFrame({"path": ["A > B", "C"]})
    np.testing.assert_array_equal(featurizer.transform(table), matrix)


def test_nothing_left():
    with pytest.raises(ValueError, match="No category is left of the 2 that 2 items are in"):
        fit(["A", "B"], min_items=2)
    with pytest.raises(ValueError, match="No category is left of the 0 "):
        fit([None, ""])


def test_several_columns():
    items = pd.DataFrame({"x": ["A", None], "y": ["B > C", "A"], "z": ["no", "no"]})
    featurizer = CategoryPathFeaturizer(["x", "y"], sparse_output=False)
    np.testing.assert_array_equal(featurizer.fit_transform(items), [[1, 1, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="no column 'y'"):
        featurizer.transform(items[["x"]])


def reference(paths_of_items):
    """Column names and rows, by sets of tuples."""
    above = [
        {tuple(path[: n + 1]) for path in paths for n in range(len(path))}
        for paths in paths_of_items
    ]
    columns = sorted(" > ".join(prefix) for prefix in set().union(*above))
    return columns, [[name in {" > ".join(p) for p in row} for name in columns] for row in above]


PATH = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4)


@given(st.lists(st.lists(PATH, max_size=3), min_size=1).filter(any))
def test_against_sets(paths_of_items):
    columns, rows = reference(paths_of_items)
    featurizer, matrix = fit([[" > ".join(path) for path in paths] for paths in paths_of_items])
    assert featurizer.categories_.tolist() == columns
    np.testing.assert_array_equal(matrix, rows)


def test_sparse_output_is_canonical():
    matrix = CategoryPathFeaturizer().fit_transform([["B > C"], ["A"]])
    assert matrix.has_canonical_format
    assert matrix.dtype == np.float32


def test_in_a_recommender(shop_log, shop_items):
    items = shop_items.assign(path=[f"Shop > {i.split('-')[0]} > {i}" for i in shop_items["item"]])
    content = make_column_transformer(
        (CategoryPathFeaturizer(), ["path"]), (StandardScaler(), ["price"])
    )
    rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=items)
    rec.add_items(pd.DataFrame({"item": ["new"], "path": ["Shop > desk > new"], "price": [9.0]}))
    assert rec.catalog_.blocks[0][-1].sum() != 0
