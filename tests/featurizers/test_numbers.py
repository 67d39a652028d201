"""Numbers, flags and times on one scale."""

import datetime
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from embrec.featurizers import NumberFeaturizer

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


@pytest.fixture(params=LIBRARIES)
def table(request):
    return LIBRARIES[request.param]


def test_ranks(table):
    prices = [3.0, 1e9, -7.0, 3.0, 4.0]
    found = NumberFeaturizer().fit_transform(table({"price": prices}))
    expected = (rankdata(prices) - 1) / 2 - 1
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
    assert found.dtype == np.float32


def test_what_is_missing(table):
    made = table({"price": [1.0, None, 3.0], "n": [3, 2, 1], "new": [True, False, None]})
    featurizer = NumberFeaturizer(["price", "n", "new"]).fit(made)
    expected = [[-1, 1, 1, 0, 0], [0, 0, -1, 1, 0], [1, -1, 0, 0, 1]]
    assert featurizer.transform(made).tolist() == expected
    assert featurizer.get_feature_names_out().tolist() == [
        *["price", "n", "new"],
        *["price_missing", "new_missing"],
    ]
    # and where none was missing before: the middle
    later = featurizer.transform(table({"price": [None], "n": [None], "new": [None]}))
    assert later.tolist() == [[0, 0, 0, 1, 1]]
    assert featurizer.transform(table({"price": [9.0], "n": [-9], "new": [True]})).tolist() == [
        [1, -1, 1, 0, 0]
    ]


def test_times(table):
    days = [datetime.date(2024, 1, day) for day in (1, 9, 5)]
    moments = [datetime.datetime(2024, 1, day, 12) for day in (3, 2, 1)]
    made = table({"day": days, "moment": moments, "text": ["2024-01-02", None, "2023-12-31T01:00"]})
    featurizer = NumberFeaturizer().fit(made)
    assert featurizer.holds_ == ["times"] * 3
    expected = [[-1, 1, 1, 0], [1, 0, 0, 1], [0, -1, -1, 0]]
    assert featurizer.transform(made).tolist() == expected
    without = table({"day": [None, days[0]], "moment": [None, moments[0]], "text": [None, None]})
    assert NumberFeaturizer(["day", "moment"]).fit_transform(without).tolist() == [
        [0, 0, 1, 1],
        [-1, -1, 0, 0],
    ]
    # as a service sends them
    texts = table({"day": ["2024-01-05"], "moment": ["2024-01-02T12:00:00"], "text": [None]})
    assert featurizer.transform(texts).tolist() == [[0, 0, 0, 1]]


@pytest.mark.parametrize("convert", [lambda table: table, pl.from_pandas, pa.Table.from_pandas])
def test_zones_are_one_time(convert):
    moments = pd.Series(pd.to_datetime(["2024-01-01 12:00", "2024-01-01 11:00"]))
    moments = moments.dt.tz_localize("America/New_York")
    featurizer = NumberFeaturizer().fit(convert(pd.DataFrame({"at": moments})))
    utc = pd.DataFrame({"at": ["2024-01-01T17:00:00Z", "2024-01-01T17:00:00+01:00"]})
    assert featurizer.transform(utc).tolist() == [[1], [-1]]


def test_objects_of_numbers():
    made = pd.DataFrame(
        {
            "price": [Decimal("1.5"), Decimal("0.5"), None],
            "stock": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    expected = [[1, -1, 0, 0], [-1, 0, 0, 1], [0, 1, 1, 0]]
    assert NumberFeaturizer().fit_transform(made).tolist() == expected


def test_a_column_without_values(table):
    made = table({"price": [1.0, 2.0], "none": pd.array([None, None], dtype=object).tolist()})
    assert NumberFeaturizer().fit_transform(made).tolist() == [[-1, 0, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", "b"], TypeError, r"Column 'price' holds 'a' \(str\); expected numbers"),
        (["1.5", "2"], TypeError, r"holds '1.5' \(str\).*pandas.to_numeric"),
        ([1, "2024-01-01"], TypeError, r"holds '2024-01-01' \(str\)"),
        ([{}, {}], TypeError, r"holds \{\} \(dict\)"),
        ([1.0, np.inf], ValueError, "holds infinity in row 1"),
    ],
)
def test_what_is_no_number(values, error, message):
    made = pd.DataFrame({"price": values})
    with pytest.raises(error, match=message):
        NumberFeaturizer().fit(made)
    fitted = NumberFeaturizer().fit(pd.DataFrame({"price": [1.0, 2.0]}))
    with pytest.raises(error, match=message):
        fitted.transform(made)


def test_times_that_became_numbers():
    fitted = NumberFeaturizer().fit(pd.DataFrame({"day": ["2024-01-01", "2024-01-02"]}))
    with pytest.raises(TypeError, match=r"Column 'day' holds 7 \(int\); expected dates"):
        fitted.transform(pd.DataFrame({"day": [7, 8]}, dtype=object))
    with pytest.raises(TypeError, match=r"Column 'day' holds 7.0 \(float\); expected dates"):
        fitted.transform(pd.DataFrame({"day": [7.0, 8.0]}))


def test_columns_and_arrays():
    array = np.array([[1.0, 5.0], [2.0, 4.0]])
    assert NumberFeaturizer().fit_transform(array).tolist() == [[-1, 1], [1, -1]]
    with pytest.raises(ValueError, match="Pass a table"):
        NumberFeaturizer(["a"]).fit(array)
    with pytest.raises(ValueError, match="no column 'a'"):
        NumberFeaturizer(["a"]).fit(pd.DataFrame({"b": [1]}))


def test_all_rows_count():
    """Not a sample of them, which would be another one in each process."""
    values = np.random.default_rng(0).permutation(20_000).astype(float)
    fitted = NumberFeaturizer().fit(values[:, None])
    again = pickle.loads(pickle.dumps(NumberFeaturizer().fit(values[:, None])))
    ranks = fitted.transform(values[:, None])
    np.testing.assert_array_equal(ranks, again.transform(values[:, None]))
    np.testing.assert_allclose(ranks[:, 0], 2 * values / 19_999 - 1, atol=1e-6)
