"""Items as the mean of the vectors of their words."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline, make_union

pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import KeyedVectors

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.encoders.running import forget_encoders
from embrec.featurizers import WordVectorItemFeaturizer

ITEMS = pd.DataFrame(
    {
        "title": ["red pen", "blue pen", "red ink", None, "blue ink", "red paper"],
        "description": ["<p>pen &amp; ink</p>", "a pen", None, "", "an ink", "paper"],
    }
)
SMALL = {"vector_size": 6, "epochs": 2, "random_state": 0}


@pytest.fixture
def vector_file(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\nred 1 0\npen 0 1\nink 0 3\n")
    return path


def test_means_of_a_file(vector_file):
    featurizer = WordVectorItemFeaturizer(
        ["title", "description"], vectors=vector_file, weighting="mean"
    )
    vectors = featurizer.fit_transform(ITEMS)
    expected = [[1 / 4, 5 / 4], [0, 1], [0.5, 1.5], [0, 0], [0, 3], [1, 0]]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    assert (featurizer.n_words_, featurizer.n_unknown_words_) == (17, 6)
    assert featurizer.unknown_words(ITEMS) == {"blue": 2, "paper": 2, "a": 1, "an": 1}
    assert featurizer.words_ is None
    assert featurizer.get_feature_names_out().tolist() == [
        "wordvectoritemfeaturizer0",
        "wordvectoritemfeaturizer1",
    ]


def test_idf_weights(vector_file):
    plain = WordVectorItemFeaturizer("title", vectors=vector_file, weighting="idf")
    vectors = plain.fit_transform(pd.DataFrame({"title": ["red pen", "red ink", "red"]}))
    rare, common = np.log(4 / 2) + 1, 1.0
    np.testing.assert_allclose(
        vectors[0], [common / (rare + common), rare / (rare + common)], rtol=1e-6
    )
    tfidf = TfidfItemFeaturizer("title", ngram_range=(1, 1))
    tfidf.fit(pd.DataFrame({"title": ["red pen", "red ink", "red"]}))
    idf = dict(zip(plain.idf_words_, plain.idf_, strict=True))
    names = tfidf.get_feature_names_out()
    np.testing.assert_allclose(tfidf.vectorizer_.idf_, [idf[n] for n in names], rtol=1e-6)


def test_vectors_that_gensim_has_loaded(vector_file):
    loaded = KeyedVectors.load_word2vec_format(str(vector_file))
    expected = WordVectorItemFeaturizer(vectors=vector_file).fit_transform(ITEMS)
    featurizer = clone(WordVectorItemFeaturizer(vectors=loaded))
    np.testing.assert_array_equal(featurizer.fit_transform(ITEMS), expected)


def test_training_is_repeatable():
    first = WordVectorItemFeaturizer(**SMALL).fit(ITEMS)
    second = WordVectorItemFeaturizer(**SMALL).fit(ITEMS)
    np.testing.assert_array_equal(first.transform(ITEMS), second.transform(ITEMS))
    other = WordVectorItemFeaturizer(**SMALL | {"random_state": 1}).fit(ITEMS)
    assert not np.allclose(first.transform(ITEMS), other.transform(ITEMS))
    assert first.word_vectors_.shape == (len(first.words_), 6)
    assert "amp" not in first.words_


def test_training_without_a_seed():
    featurizer = WordVectorItemFeaturizer(**SMALL | {"random_state": None}, n_jobs=2)
    assert np.isfinite(featurizer.fit_transform(ITEMS)).all()


def test_subwords_know_every_word():
    whole = WordVectorItemFeaturizer(**SMALL).fit(ITEMS)
    parts = WordVectorItemFeaturizer(**SMALL, subwords=True, n_buckets=100).fit(ITEMS)
    new = ["inks"]
    np.testing.assert_array_equal(whole.transform(new), [[0] * 6])
    assert np.abs(parts.transform(new)).sum() > 0
    assert whole.unknown_words(new) == {"inks": 1}
    assert parts.unknown_words(new) == {}
    again = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(again.transform(new), parts.transform(new))


def test_max_words_counts_the_words_of_the_tokenizer():
    featurizer = WordVectorItemFeaturizer(**SMALL, tokenizer=list, max_words=2, min_count=1)
    vectors = featurizer.fit_transform(["赤ペン", "赤ペ", "赤イ"])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


def test_a_pickle_of_trained_vectors_is_whole(tmp_path):
    fitted = WordVectorItemFeaturizer(**SMALL, weighting="idf").fit(ITEMS)
    expected = fitted.transform(ITEMS)
    forget_encoders()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(ITEMS), expected)
    joblib.dump(fitted, tmp_path / "fitted")
    np.testing.assert_array_equal(joblib.load(tmp_path / "fitted").transform(ITEMS), expected)


def test_a_pickle_of_a_file_is_its_path(vector_file):
    fitted = WordVectorItemFeaturizer(vectors=vector_file).fit(ITEMS)
    data = pickle.dumps(fitted)
    assert len(data) < 2000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.transform(ITEMS), fitted.transform(ITEMS))
    vector_file.write_text("3 2\nred 1 0\npen 0 1\nink 0 99\n")
    with pytest.raises(ValueError, match="is not the one that it was fitted with"):
        again.transform(ITEMS)
    vector_file.unlink()
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        again.transform(ITEMS)


def test_a_saved_recommender(tmp_path, shop_log, shop_items):
    content = WordVectorItemFeaturizer(
        "title", **SMALL, weighting="idf", subwords=True, n_buckets=100
    )
    rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=shop_items)
    rec.save(tmp_path / "rec")
    loaded = EmbRecEstimator.load(tmp_path / "rec")
    new = pd.DataFrame({"item": ["new"], "title": ["writing pads"]})
    rec.add_items(new)
    loaded.add_items(new)
    np.testing.assert_array_equal(loaded.item_embeddings(["new"]), rec.item_embeddings(["new"]))


def test_memory(tmp_path, vector_file):
    featurizer = WordVectorItemFeaturizer(vectors=vector_file, memory=tmp_path / "cache")
    first = featurizer.fit_transform(ITEMS)
    np.testing.assert_array_equal(featurizer.transform(ITEMS), first)
    exact = WordVectorItemFeaturizer(vectors=vector_file).fit_transform(ITEMS)
    np.testing.assert_allclose(first, exact, rtol=1e-3)


def test_workers_and_threads():
    fitted = WordVectorItemFeaturizer(**SMALL, batch_size=2).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_array_equal(fitted.transform(ITEMS), expected)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: fitted.transform(ITEMS), range(16)):
            np.testing.assert_array_equal(vectors, expected)


def test_without_gensim_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(ImportError, match=r'WordVectorItemFeaturizer needs .*"embrec\[words\]"'):
        WordVectorItemFeaturizer(**SMALL).fit(ITEMS)


def test_a_failed_fit_changes_nothing():
    fitted = WordVectorItemFeaturizer(["title"], **SMALL).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    for wrong in (ITEMS[["description"]], pd.DataFrame({"title": [None, ""]})):
        with pytest.raises(ValueError, match="no column|No word is left"):
            fitted.fit(wrong)
        np.testing.assert_array_equal(fitted.transform(ITEMS), expected)


def test_with_pipelines_and_unions():
    text = WordVectorItemFeaturizer("title", **SMALL)
    assert make_pipeline(text, TruncatedSVD(2)).fit_transform(ITEMS).shape == (6, 2)
    union = make_union(text, TfidfItemFeaturizer("title", sparse_output=False))
    np.testing.assert_array_equal(
        union.fit_transform(ITEMS)[:, :6], clone(text).fit_transform(ITEMS)
    )


def test_whatever_a_str_may_hold():
    texts = ["red pen", "red \ud800 pen", "red pen"]
    vectors = WordVectorItemFeaturizer(**SMALL).fit_transform(texts)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert np.isfinite(vectors).all()


def test_vectors_of_another_language(tmp_path):
    path = tmp_path / "german.txt"
    path.write_text("2 2\nrot 1 0\nstift 0 1\n")
    with pytest.raises(
        ValueError, match="None of the 10 words of 6 items has a vector: 'red', 'pen'"
    ):
        WordVectorItemFeaturizer("title", vectors=path).fit(ITEMS)
