"""TfidfItemFeaturizer against a plainly used TfidfVectorizer."""

import pickle
from io import BytesIO

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from embrec.featurizers import TfidfItemFeaturizer

TITLES = ["Red running shoes", "Blue shoes", None, "Red hat"]
DESCRIPTIONS = ["Fast red shoes for the road", None, None, "A warm hat for winter"]
TEXTS = [f"{title or ''} {text or ''}" for title, text in zip(TITLES, DESCRIPTIONS, strict=True)]
ITEMS = pd.DataFrame({"title": TITLES, "price": [1, 2, 3, 4], "description": DESCRIPTIONS})
CONTENT = ["title", "description"]


def plain(texts=TEXTS, **parameters):
    parameters = {"ngram_range": (1, 2), "max_features": 5000, **parameters}
    return TfidfVectorizer(**parameters, dtype=np.float32).fit_transform(texts)


def assert_same(left, right):
    assert left.shape == right.shape
    assert (left != right).nnz == 0


def test_output_is_canonical_csr_float32():
    matrix = TfidfItemFeaturizer(columns=CONTENT).fit_transform(ITEMS)
    assert matrix.format == "csr"
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert_same(matrix, plain())
    assert matrix[2].nnz == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_features": 3},
        {"min_df": 2, "norm": None},
        {"max_df": 0.5, "use_idf": False},
        {"smooth_idf": False, "sublinear_tf": True, "norm": "l1", "binary": True},
        {"lowercase": False, "ngram_range": (1, 1)},
        {"stop_words": "english", "strip_accents": "unicode"},
        {"analyzer": "char_wb", "ngram_range": (2, 4)},
        {"vocabulary": ["red", "hat", "unseen"]},
        {"vocabulary": {"red": 0, "hat": 1}},
        {"preprocessor": str.upper},
    ],
    ids=str,
)
def test_parameters_reach_the_vectorizer(parameters):
    featurizer = TfidfItemFeaturizer(columns=CONTENT, **parameters)
    assert_same(featurizer.fit_transform(ITEMS), plain(**parameters))


@pytest.mark.parametrize(
    "items",
    [
        ITEMS,
        pl.from_pandas(ITEMS),
        pa.table({"title": TITLES, "description": DESCRIPTIONS}),
        TEXTS,
        np.array(TEXTS),
        pd.Series(TEXTS),
        pl.Series(TEXTS),
    ],
    ids=lambda items: f"{type(items).__module__}.{type(items).__name__}",
)
def test_every_container_gives_the_same(items):
    featurizer = TfidfItemFeaturizer(columns=CONTENT)
    assert_same(featurizer.fit_transform(items), plain())
    assert_same(featurizer.transform(items), plain())
    # and what was fitted on one is used on another
    assert_same(featurizer.transform(TEXTS), plain())
    assert_same(featurizer.transform(ITEMS), plain())


def test_all_columns_by_default():
    matrix = TfidfItemFeaturizer().fit_transform(ITEMS[CONTENT])
    assert_same(matrix, plain())
    assert_same(TfidfItemFeaturizer("title").fit_transform(ITEMS), plain([t or "" for t in TITLES]))


def test_only_the_first_words_count():
    items = pd.DataFrame({"title": ["red hat"], "description": ["of " + "wool " * 300]})
    assert "wool wool" in TfidfItemFeaturizer().fit(items).get_feature_names_out()
    terms = TfidfItemFeaturizer(max_words=3).fit(items).get_feature_names_out()
    assert set(terms) == {"red", "hat", "of", "red hat", "hat of"}
    counts = TfidfItemFeaturizer(use_idf=False, norm=None, ngram_range=(1, 1))
    assert counts.fit_transform(items).max() == 247
    assert counts.set_params(max_words=None).fit_transform(items).max() == 300


def test_arrays_have_no_names():
    with pytest.raises(ValueError, match="no column names"):
        TfidfItemFeaturizer(columns=CONTENT).fit(ITEMS[CONTENT].to_numpy())


def test_refit_keeps_nothing():
    first, again = TfidfItemFeaturizer(columns=CONTENT), TfidfItemFeaturizer(columns=CONTENT)
    first.fit(["something else", "entirely"]).fit(ITEMS)
    again.fit(ITEMS)
    assert vars(first).keys() == vars(again).keys()
    assert first.get_feature_names_out().tolist() == again.get_feature_names_out().tolist()
    assert_same(first.transform(ITEMS), plain())


def test_failed_refit_changes_nothing():
    featurizer = TfidfItemFeaturizer().fit(ITEMS)
    before = dict(vars(featurizer))
    with pytest.raises(ValueError, match="No term is left"):
        featurizer.fit(pd.DataFrame({"x": [None, ""]}))
    assert vars(featurizer) == before


def test_feature_names():
    featurizer = TfidfItemFeaturizer(columns=CONTENT)
    with pytest.raises(NotFittedError):
        featurizer.get_feature_names_out()
    featurizer.fit(ITEMS)
    names = featurizer.get_feature_names_out()
    assert names.tolist() == sorted(featurizer.vectorizer_.vocabulary_)
    assert featurizer.get_feature_names_out(list(ITEMS.columns)).tolist() == names.tolist()
    with pytest.raises(ValueError, match=r"not equal to feature_names_in_.*expected.*price"):
        featurizer.get_feature_names_out(CONTENT)
    with pytest.raises(ValueError, match="equal to number of features"):
        featurizer.fit(TEXTS).get_feature_names_out(["a", "b"])


def test_dense_output():
    matrix = TfidfItemFeaturizer(columns=CONTENT, sparse_output=False).fit_transform(ITEMS)
    assert isinstance(matrix, np.ndarray)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, plain().toarray())


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container):
    featurizer = TfidfItemFeaturizer(columns=CONTENT, sparse_output=False)
    featurizer.set_output(transform=container)
    frame = featurizer.fit_transform(ITEMS.set_index(pd.Index([7, 5, 3, 1])))
    assert type(frame).__module__.startswith(container)
    assert list(frame.columns) == featurizer.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame.to_numpy(), plain().toarray())
    if container == "pandas":
        assert frame.index.tolist() == [7, 5, 3, 1]


class Doubled(TfidfItemFeaturizer):
    """A subclass that leans on its parent."""

    def transform(self, X):
        return super().transform(X) * 2

    def fit_transform(self, X, y=None):
        return super().fit_transform(X, y) * 2


@pytest.mark.parametrize("sparse_output", [True, False])
def test_subclasses_may_call_their_parent(sparse_output):
    featurizer = Doubled(columns=CONTENT, sparse_output=sparse_output)
    expected = 2 * plain().toarray()
    for matrix in (featurizer.fit_transform(ITEMS), featurizer.fit(ITEMS).transform(ITEMS)):
        dense = matrix.toarray() if sparse_output else matrix
        np.testing.assert_array_equal(dense, expected)
    if not sparse_output:
        featurizer.set_output(transform="pandas")
        np.testing.assert_array_equal(featurizer.transform(ITEMS).to_numpy(), expected)


def test_fit_transform_reads_every_text_once():
    seen = []

    def preprocessor(text):
        seen.append(text)
        return text

    TfidfItemFeaturizer(columns=CONTENT, preprocessor=preprocessor).fit_transform(ITEMS)
    assert seen == TEXTS


def test_clone_pickle_and_joblib():
    featurizer = TfidfItemFeaturizer(columns=CONTENT, max_words=9, tokenizer=str.split).fit(ITEMS)
    expected = featurizer.transform(ITEMS)
    assert not hasattr(clone(featurizer), "vectorizer_")
    assert clone(featurizer).get_params() == featurizer.get_params()
    assert_same(pickle.loads(pickle.dumps(featurizer)).transform(ITEMS), expected)
    buffer = BytesIO()
    joblib.dump(featurizer, buffer)
    buffer.seek(0)
    assert_same(joblib.load(buffer).transform(ITEMS), expected)


def test_in_a_pipeline():
    pipeline = make_pipeline(TfidfItemFeaturizer(columns=CONTENT), TruncatedSVD(2, random_state=0))
    assert pipeline.fit_transform(ITEMS).shape == (4, 2)
    np.testing.assert_allclose(
        pipeline.transform(ITEMS),
        TruncatedSVD(2, random_state=0).fit(plain()).transform(plain()),
        atol=1e-6,
    )
    assert pipeline[:1].get_feature_names_out().tolist() == (
        pipeline[0].get_feature_names_out().tolist()
    )
    pipeline.set_params(tfidfitemfeaturizer__max_features=3).fit(ITEMS)
    assert pipeline[1].n_features_in_ == 3


@pytest.mark.parametrize("column", ["title", ["title"]], ids=["series", "table"])
def test_in_a_column_transformer(column):
    union = ColumnTransformer([("text", TfidfItemFeaturizer(), column)], sparse_threshold=1)
    assert_same(union.fit_transform(ITEMS), plain([title or "" for title in TITLES]))
    names = union.get_feature_names_out().tolist()
    assert names[0] == "text__blue"


words = st.text(alphabet="abc é.", max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(words | st.none(), words | st.none()), min_size=1, max_size=6),
    st.integers(1, 5) | st.none(),
)
def test_agrees_with_the_plain_vectorizer_on_any_text(rows, max_words):
    items = pd.DataFrame(rows, columns=CONTENT, dtype=object)
    featurizer = TfidfItemFeaturizer(columns=CONTENT, max_words=max_words, analyzer="char_wb")
    texts = [" ".join(f"{a or ''} {b or ''}".split()[:max_words]) for a, b in rows]
    if not any(text.split() for text in texts):
        with pytest.raises(ValueError, match="No term is left"):
            featurizer.fit(items)
        return
    expected = plain(texts, analyzer="char_wb")
    assert_same(featurizer.fit_transform(items), expected)
    assert_same(featurizer.transform(items), expected)
    assert sp.issparse(featurizer.transform(items.iloc[:1]))
