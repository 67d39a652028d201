"""What featurizers tell scikit-learn: columns, names and containers."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn

from embrec.featurizers import TfidfItemFeaturizer
from embrec.featurizers._base import SparseItemFeaturizer

CONTENT = ["title", "description"]
ITEMS = pd.DataFrame(
    {
        "title": ["Red running shoes", "Blue shoes", None, "Red hat"],
        "price": [1, 2, 3, 4],
        "description": ["Fast red shoes", None, None, "A warm hat for winter"],
    }
)
TEXTS = ["Red running shoes Fast red shoes", "Blue shoes ", " ", "Red hat A warm hat for winter"]


def assert_same(left, right):
    assert left.shape == right.shape
    assert (left != right).nnz == 0


class Given(SparseItemFeaturizer):
    """Returns what it is given."""

    def __init__(self, columns=None, sparse_output=True):
        self.columns = columns
        self.sparse_output = sparse_output

    def fit(self, X, y=None):
        self._check_items(X, reset=True)
        return self

    def get_feature_names_out(self, input_features=None):
        return np.array([f"given{i}" for i in range(self.n_features_in_)], dtype=object)

    def transform(self, X):
        self._check_output()
        return self._finish(X)


def test_extra_and_reordered_columns_matter_only_without_columns():
    named = TfidfItemFeaturizer(columns=CONTENT).fit(ITEMS)
    expected = named.transform(ITEMS)
    assert_same(named.transform(ITEMS[["description", "title"]]), expected)
    assert_same(named.transform(ITEMS.assign(extra="noise")), expected)
    unnamed = TfidfItemFeaturizer().fit(ITEMS)
    for other in (ITEMS[CONTENT], ITEMS.assign(extra="noise"), ITEMS[ITEMS.columns[::-1]]):
        with pytest.raises(ValueError, match="feature names should match"):
            unnamed.transform(other)
    with pytest.raises(ValueError, match="no column 'description'; its columns are"):
        named.transform(ITEMS[["title"]])
    with pytest.raises(ValueError, match="no column 'descripton'"):
        TfidfItemFeaturizer(columns=["title", "descripton"]).fit(ITEMS)


def test_a_wider_table_than_the_texts_of_fit_is_refused():
    featurizer = TfidfItemFeaturizer().fit(TEXTS)
    expected = featurizer.transform(TEXTS)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        assert_same(featurizer.transform(pd.DataFrame({"text": TEXTS})), expected)
    with (
        pytest.warns(UserWarning, match="fitted without feature names"),
        pytest.raises(ValueError, match=r"X has 2 features.*expecting 1"),
    ):
        featurizer.transform(ITEMS[CONTENT])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_what_fit_saw(library):
    items = ITEMS if library == "pandas" else pl.from_pandas(ITEMS)
    featurizer = TfidfItemFeaturizer(columns=CONTENT).fit(items)
    assert featurizer.n_features_in_ == 3
    assert featurizer.feature_names_in_.tolist() == ["title", "price", "description"]
    assert featurizer.fit(TEXTS).n_features_in_ == 1
    assert not hasattr(featurizer, "feature_names_in_")


def test_ready_made_contents_do_after_a_table():
    featurizer = TfidfItemFeaturizer().fit(ITEMS[CONTENT])
    assert_same(featurizer.transform(TEXTS), featurizer.transform(ITEMS[CONTENT]))
    assert_same(featurizer.transform(ITEMS[CONTENT]), featurizer.transform(pd.Series(TEXTS)))


def test_names_given_are_those_of_fit():
    featurizer = TfidfItemFeaturizer().fit(ITEMS[CONTENT])
    names = featurizer.get_feature_names_out()
    np.testing.assert_array_equal(featurizer.get_feature_names_out(CONTENT), names)
    message = r"got \['description', 'title'\], expected \['title', 'description'\]"
    with pytest.raises(ValueError, match=message):
        featurizer.get_feature_names_out(CONTENT[::-1])
    of_texts = TfidfItemFeaturizer().fit(TEXTS)
    assert len(of_texts.get_feature_names_out(["anything"])) == len(names)
    with pytest.raises(ValueError, match=r"number of features \(1\), got 2"):
        of_texts.get_feature_names_out(CONTENT)


def test_sparse_output_in_a_table_names_the_way_out():
    featurizer = TfidfItemFeaturizer(columns=CONTENT).fit(ITEMS)
    featurizer.set_output(transform="pandas")
    for method in (featurizer.transform, featurizer.fit_transform):
        with pytest.raises(ValueError, match=r"Pandas output.*sparse_output=False"):
            method(ITEMS)
    with (
        sklearn.config_context(transform_output="polars"),
        pytest.raises(ValueError, match=r"Polars output.*sparse_output=False"),
    ):
        TfidfItemFeaturizer(columns=CONTENT).fit_transform(ITEMS)


def test_ones_own_container_counts_more_than_the_global_one():
    rows = sp.csr_array(np.eye(2, dtype=np.float32))
    given = Given().fit(np.eye(2)).set_output(transform="default")
    with sklearn.config_context(transform_output="pandas"):
        assert given.transform(rows) is rows
        with pytest.raises(ValueError, match=r"Pandas output.*Build Given with sparse_output="):
            Given().fit(np.eye(2)).transform(rows)


def test_columns_of_sparse_rows_are_sorted():
    unsorted = sp.csr_array(
        (np.array([2.0, 1.0, 3.0]), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3)
    )
    dense = Given(sparse_output=False).fit(np.eye(3)).transform(unsorted.copy())
    np.testing.assert_array_equal(dense, [[1, 0, 2], [0, 3, 0]])
    assert Given().fit(np.eye(3)).transform(unsorted).indices.tolist() == [0, 2, 1]
