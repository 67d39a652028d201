"""What scikit-learn may have sliced beside X, and the way out."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.utils.validation import _check_method_params

from embrec import EmbRecEstimator
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.data.whole import ItemTable, Whole, whole

RECOMMENDERS = [
    ContentNeighborsRecommender,
    EmbRecEstimator,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
]
ROWS = pd.DataFrame({"item": list("abcdef")})
FORMS = {
    "pandas": lambda f: f,
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
    "lists": lambda f: [[item] for item in f["item"]],
    "array": lambda f: f.to_numpy(),
}


@pytest.mark.parametrize("of_value", FORMS)
@pytest.mark.parametrize("of_x", FORMS)
def test_whatever_scikit_learn_slices_is_refused(of_x, of_value):
    X, value = FORMS[of_x](ROWS), FORMS[of_value](ROWS)
    kept = np.array([0, 2, 3])
    try:
        got = _check_method_params(X, {"value": value, "X": X, "whole": Whole(value)}, kept)
    except TypeError as error:  # scikit-learn 1.6 cannot slice an Arrow table
        pytest.skip(str(error))
    assert len(got["value"]) == 3  # rows are lost
    with pytest.raises(ValueError, match=r"^value has .* as X, 3\..* value=embrec\.Whole\(value\)"):
        whole(got["value"], got["X"], what="value")
    assert whole(got["whole"], got["X"], what="value") is value


def test_what_cannot_have_been_sliced_is_taken():
    for value in (None, ROWS, ROWS.head(2)):
        assert whole(value, ROWS.head(4), what="value") is value
        assert whole(value, what="value") is value

    class Store:
        def __len__(self):
            return 6

    stored = Store()
    with pytest.raises((IndexError, TypeError)):
        _check_method_params(ROWS, {"value": stored}, np.arange(3))
    assert whole(stored, ROWS, what="value") is stored
    assert whole(ROWS, stored, what="value") is ROWS


def test_it_has_nothing_to_slice():
    for attribute in ("__len__", "shape", "__array__", "__getitem__"):
        assert not hasattr(Whole(ROWS), attribute)


def test_the_old_name():
    with pytest.warns(FutureWarning, match=r"ItemTable is deprecated .* embrec\.Whole\(items\)"):
        old = ItemTable(ROWS)
    assert whole(old, ROWS, what="items") is ROWS


def test_a_catalogue_in_the_place_of_y_is_told():
    """It would be ignored."""
    for y in (ROWS, pl.from_pandas(ROWS), Whole(ROWS)):
        with pytest.raises(TypeError, match=r"y is a table .*pass it by name: items=items\.$"):
            whole(None, ROWS, y, what="items")
    for y in (None, np.arange(6), list("abcdef")):
        assert whole(None, ROWS, y, what="items") is None


@pytest.mark.parametrize("kind", RECOMMENDERS, ids=lambda kind: kind.__name__)
def test_all_recommenders_look_at_y(kind, shop_log, shop_items):
    for method in ("fit", "partial_fit"):
        expected = r"missing .* argument: 'items'|needs items=|y is a table"
        with pytest.raises((TypeError, ValueError), match=expected):
            getattr(kind(), method)(shop_log, shop_items)
