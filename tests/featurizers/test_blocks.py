"""One feature block per branch of a union."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from embrec.featurizers import TfidfItemFeaturizer
from embrec.featurizers._blocks import (
    feature_block_names,
    fit_feature_blocks,
    transform_feature_blocks,
)

ITEMS = pd.DataFrame(
    {
        "title": ["Red shoes", "Blue shoes", "Red hat", None],
        "price": [10.0, 20.0, 5.0, 1.0],
        "stock": [3, 2, 1, 0],
    }
)
NUMBERS = ["price", "stock"]


class Prices(TransformerMixin, BaseEstimator):
    """A transformer of two lines, without fit_transform tricks or set_output."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y=None):
        self.mean_ = X["price"].mean()
        return self

    def transform(self, X):
        return (X[["price"]].to_numpy() - self.mean_) * self.scale


class OnlyFitAndTransform:
    """What is no TransformerMixin has no fit_transform."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.ones((len(X), 2))


def text():
    return TfidfItemFeaturizer("title", ngram_range=(1, 1))


def union(**parameters):
    return FeatureUnion([("text", text()), ("price", Prices())], **parameters)


def returns(output):
    return FunctionTransformer(lambda X: output)


def dense(block):
    return block.toarray() if sp.issparse(block) else np.asarray(block)


def assert_blocks(featurizer, names, items=ITEMS):
    """Fit, and check all that must hold of any featurizer."""
    fitted, blocks = fit_feature_blocks(featurizer, items)
    assert fitted is not featurizer
    assert feature_block_names(fitted) == feature_block_names(featurizer) == names
    assert len(blocks) == len(names)
    again = transform_feature_blocks(fitted, items, n_features=[b.shape[1] for b in blocks])
    for block, other in zip(blocks, again, strict=True):
        assert block.dtype == other.dtype == np.float32
        assert type(block) is type(other)
        np.testing.assert_allclose(dense(block), dense(other), atol=1e-6)
    np.testing.assert_allclose(
        dense(fitted.transform(items)), np.hstack([dense(block) for block in blocks]), atol=1e-6
    )
    return fitted, blocks


def test_any_transformer_gives_one_block():
    fitted, (block,) = assert_blocks(text(), ["features"])
    assert isinstance(fitted, TfidfItemFeaturizer)
    assert isinstance(block, sp.csr_array)
    assert block.shape == (4, 4)
    _, (block,) = assert_blocks(make_pipeline(text(), TruncatedSVD(2)), ["features"])
    assert isinstance(block, np.ndarray)
    assert_blocks(OnlyFitAndTransform(), ["features"])
    assert_blocks(make_pipeline("passthrough", union()), ["features"])


def test_column_transformer_gives_one_block():
    columns = ColumnTransformer(
        [
            ("text", TfidfItemFeaturizer(), ["title"]),
            ("numbers", StandardScaler(), NUMBERS),
        ],
        sparse_threshold=0,
    )
    _, (block,) = assert_blocks(columns, ["features"])
    assert isinstance(block, np.ndarray)
    _, (block,) = assert_blocks(columns.set_params(sparse_threshold=1), ["features"])
    assert sp.issparse(block)


def test_union_gives_one_block_per_branch():
    featurizer = union()
    _, (words, prices) = assert_blocks(featurizer, ["text", "price"])
    assert sp.issparse(words)
    assert words.has_canonical_format
    np.testing.assert_allclose(prices[:, 0], ITEMS["price"] - ITEMS["price"].mean())
    assert not hasattr(featurizer.transformer_list[0][1], "vectorizer_")
    assert_blocks(make_union(text(), text()), ["tfidfitemfeaturizer-1", "tfidfitemfeaturizer-2"])


def test_a_branch_that_is_a_union_is_one_block():
    nested = FeatureUnion([("content", union()), ("more", Prices(2.0))])
    assert_blocks(nested, ["content", "more"])


def test_blocks_are_those_of_the_union_fitted_alone():
    _, blocks = fit_feature_blocks(union(), ITEMS)
    alone = union().fit_transform(ITEMS)
    np.testing.assert_allclose(alone.toarray(), np.hstack([dense(b) for b in blocks]), atol=1e-6)


def test_dropped_branches_stay_dropped():
    fitted, _ = assert_blocks(union().set_params(text="drop"), ["price"])
    assert fitted.transformer_list[0] == ("text", "drop")


def test_passthrough():
    featurizer = FeatureUnion([("text", text()), ("rest", "passthrough")])
    with pytest.raises(ValueError, match="'rest' has 1 columns without numbers, such as 'title'"):
        fit_feature_blocks(featurizer, ITEMS)
    numbers = FeatureUnion([("raw", "passthrough"), ("scaled", StandardScaler())])
    fitted, (raw, _) = assert_blocks(numbers, ["raw", "scaled"], ITEMS[NUMBERS])
    np.testing.assert_array_equal(raw, ITEMS[NUMBERS])
    assert numbers.transformer_list[0][1] == "passthrough"
    assert fitted.get_feature_names_out()[0] == "raw__price"
    assert_blocks(numbers, ["raw", "scaled"], ITEMS[NUMBERS].to_numpy())


def test_weights():
    plain = fit_feature_blocks(union(), ITEMS)[1]
    weights = {"price": 0.25, "text": 4}
    _, weighed = assert_blocks(union(transformer_weights=weights), ["text", "price"])
    np.testing.assert_allclose(dense(weighed[0]), 4 * dense(plain[0]), rtol=1e-6)
    np.testing.assert_allclose(weighed[1], plain[1] / 4, rtol=1e-6)
    assert [block.dtype for block in weighed] == [np.float32, np.float32]


def test_in_parallel():
    # threads, like processes, do not know of their parent's config_context by themselves
    with parallel_config("threading"), sklearn.config_context(transform_output="pandas"):
        fitted, blocks = fit_feature_blocks(union(n_jobs=2), ITEMS)
        again = transform_feature_blocks(fitted, ITEMS)
    expected = fit_feature_blocks(union(), ITEMS)[1]
    for block, other, right in zip(blocks, again, expected, strict=True):
        np.testing.assert_array_equal(dense(block), dense(right))
        np.testing.assert_array_equal(dense(other), dense(right))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_a_global_set_output_changes_nothing(container):
    expected = fit_feature_blocks(union(), ITEMS)[1]
    with sklearn.config_context(transform_output=container):
        fitted, blocks = fit_feature_blocks(union(), ITEMS)
        again = transform_feature_blocks(fitted, ITEMS)
    for block, other, right in zip(blocks, again, expected, strict=True):
        assert type(block) is type(other) is type(right)
        np.testing.assert_array_equal(dense(block), dense(right))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_branches_that_return_tables(container):
    featurizer = FeatureUnion(
        [
            ("text", text().set_params(sparse_output=False)),
            (
                "letters",
                make_pipeline(TfidfItemFeaturizer("title", analyzer="char", sparse_output=False)),
            ),
        ]
    ).set_output(transform=container)
    fitted, blocks = fit_feature_blocks(featurizer, ITEMS)
    assert all(isinstance(block, np.ndarray) for block in blocks)
    assert type(fitted.transform(ITEMS)).__module__.startswith(container)


def test_other_tables_and_lists():
    expected = fit_feature_blocks(text(), ITEMS)[1][0]
    for items in (pl.from_pandas(ITEMS), pl.from_pandas(ITEMS).to_arrow()):
        _, (block,) = fit_feature_blocks(text(), items)
        np.testing.assert_array_equal(dense(block), dense(expected))
    _, (block,) = assert_blocks(TfidfVectorizer(), ["features"], ["red hat", "blue hat"])
    assert block.shape == (2, 3)


def test_categories():
    _, (brands, _) = assert_blocks(
        FeatureUnion([("brand", OneHotEncoder()), ("same", OneHotEncoder(sparse_output=False))]),
        ["brand", "same"],
        ITEMS[["title"]],
    )
    assert brands.shape == (4, 4)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.ones(4), r"has shape \(4,\)"),
        (np.full((4, 1), "x"), "holds values of dtype"),
        (np.ones((3, 1)), "has 3 rows; expected 4"),
        (np.ones((4, 0)), "has no columns"),
        (np.full((4, 2), np.nan), "holds 8 values that are NaN or infinite, in 4 of 4 rows"),
    ],
)
def test_bad_output_names_its_branch(output, message):
    bad = FeatureUnion([("good", Prices()), ("bad", returns(output))])
    with pytest.raises(ValueError, match=f"^Feature block 'bad' {message}"):
        fit_feature_blocks(bad, ITEMS)
    with pytest.raises(ValueError, match=f"^Feature block 'features' {message}"):
        fit_feature_blocks(returns(output), ITEMS)
    fitted, _ = fit_feature_blocks(union(), ITEMS)
    fitted.transformer_list[1] = ("bad", returns(output))
    with pytest.raises(ValueError, match=f"^Feature block 'bad' {message}"):
        transform_feature_blocks(fitted, ITEMS)


def test_errors_of_a_branch_carry_its_name():
    with pytest.raises(ValueError, match="no column 'title'") as caught:
        fit_feature_blocks(union(), ITEMS[["price"]])
    assert caught.value.__notes__ == ["This was raised while fitting feature block 'text'."]
    fitted, _ = fit_feature_blocks(union(), ITEMS)
    with pytest.raises(KeyError) as caught:
        transform_feature_blocks(fitted, ITEMS[["title"]])
    assert caught.value.__notes__ == ["This was raised while computing feature block 'price'."]


def test_columns_that_change_after_fit():
    dummies = FunctionTransformer(lambda X: pd.get_dummies(X["title"]))
    fitted, (block,) = fit_feature_blocks(dummies, ITEMS)
    with pytest.raises(ValueError, match=r"'features' has 2 columns; it had 3 when it was fitted"):
        transform_feature_blocks(fitted, ITEMS[:2], n_features=[block.shape[1]])


def test_unfitted():
    with pytest.raises(NotFittedError):
        transform_feature_blocks(union(), ITEMS)


@pytest.mark.parametrize(
    ("featurizer", "error", "message"),
    [
        (TfidfItemFeaturizer, TypeError, r"is the class.*instance: TfidfItemFeaturizer\(\)"),
        (None, TypeError, "featurizer must be a scikit-learn transformer.*got NoneType"),
        ("passthrough", TypeError, "featurizer must be.*got str"),
        (FeatureUnion([("a", "drop")]), ValueError, "no branch that is not 'drop'"),
        (FeatureUnion([("a", text()), ("a", text())]), ValueError, r"distinct.*\['a', 'a'\]"),
        (FeatureUnion([("a__b", text())]), ValueError, "without '__'"),
        (FeatureUnion([("a", "pass")]), TypeError, "branch 'a' of the FeatureUnion must be.*str"),
        (FeatureUnion([("a", Prices)]), TypeError, r"branch 'a'.*is the class Prices"),
        (
            FeatureUnion([("a", text())], transformer_weights={"b": 1}),
            ValueError,
            r"transformer_weights names \['b'\].*branches \['a'\]",
        ),
    ],
)
def test_featurizers_that_cannot_work(featurizer, error, message):
    with pytest.raises(error, match=message):
        fit_feature_blocks(featurizer, ITEMS)


@pytest.mark.parametrize(
    "featurizer",
    [
        TfidfItemFeaturizer(),
        TfidfItemFeaturizer(columns=["title"]),
        ColumnTransformer([("words", TfidfItemFeaturizer(), ["title"])]),
    ],
    ids=["all columns", "columns", "ColumnTransformer"],
)
def test_items_that_lack_a_column(featurizer):
    fitted, _ = fit_feature_blocks(featurizer, ITEMS)
    message = r"Items come whole.*In fit the catalogue had the columns \['title', 'stock'\] too"
    with pytest.raises(ValueError, match=f"(?s)title.*{message}"):
        transform_feature_blocks(fitted, ITEMS[["price"]])
