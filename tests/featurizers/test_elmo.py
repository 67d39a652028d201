"""Items as vectors of ELMo: parameters and persistence."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union

h5py = pytest.importorskip("h5py", reason="needs the extra 'elmo'")

from tiny_models import tiny_elmo_files, write_elmo

from embrec import EmbRecEstimator
from embrec.encoders.elmo import ElmoEncoder
from embrec.encoders.running import forget_encoders
from embrec.featurizers import ElmoItemFeaturizer

ITEMS = pd.DataFrame(
    {
        "title": ["red pen", "blue pens", "a bottle of ink", None, "red pen", "box of paper"],
        "description": ["pen, ink", None, "blue ink", "", "pen, ink", "with the <b>box</b>"],
    }
)


def featurizer(columns=None, **settings):
    return ElmoItemFeaturizer(columns, **tiny_elmo_files(), **settings)


def encoded(*texts):
    """Vectors by the encoder alone."""
    return next(iter(featurizer()._source().load().encode([texts])))


def test_vectors_are_those_of_the_encoder():
    vectors = featurizer().fit_transform(ITEMS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 8)
    texts = ["red pen pen, ink", "blue pens", "a bottle of ink blue ink"]
    expected = encoded(*texts, "box of paper with the box")
    np.testing.assert_allclose(vectors[[0, 1, 2, 5]], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(vectors[3], 0)  # an item without text
    np.testing.assert_array_equal(vectors[4], vectors[0])


def test_columns_and_markup():
    titles = featurizer("title").fit_transform(ITEMS)
    np.testing.assert_allclose(titles[5], encoded("box of paper")[0], rtol=1e-5, atol=1e-6)
    marked = featurizer("description", strip_html=False).fit_transform(ITEMS)
    np.testing.assert_allclose(marked[5], encoded(ITEMS["description"][5])[0], rtol=1e-5, atol=1e-6)


def test_unknown_words_have_vectors_of_their_own():
    fitted = featurizer().fit(["red pen"])
    one, other = fitted.transform(["zyzzyva", "zyzzyvas"])
    assert np.abs(one - other).max() > 1e-3


def test_limit_of_words():
    long = " ".join(f"word{i}" for i in range(300))
    cut = " ".join(f"word{i}" for i in range(250))
    vectors = featurizer().fit_transform([long, cut])
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-5, atol=1e-6)
    marks = featurizer(max_words=3).fit_transform(["a, b, c", "a, b"])
    np.testing.assert_allclose(marks[0], marks[1], rtol=1e-5, atol=1e-6)
    whole = featurizer(max_words=None).fit_transform([long])
    assert not np.allclose(whole, vectors[:1], atol=1e-5)


def letters(text):
    return [letter for letter in text if letter.isalpha()]


def test_a_tokenizer_replaces_the_rule():
    fitted = featurizer(tokenizer=letters, max_words=2).fit(ITEMS)
    vectors = fitted.transform(["a b c", "ab", "12 34"])
    # a tokenizer counts its own words
    np.testing.assert_allclose(vectors[:2], encoded("a b", "a b"), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(vectors[2], 0)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(again.transform(["a b c"]), vectors[:1], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"options_file=, .*, max_words= have changed"):
        fitted.set_params(tokenizer=None).transform(ITEMS)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_change_nothing(batch_size):
    expected = featurizer().fit_transform(ITEMS)
    vectors = featurizer(batch_size=batch_size).fit_transform(ITEMS[::-1])[::-1]
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)


def test_memory(tmp_path, monkeypatch):
    first = featurizer(memory=tmp_path).fit_transform(ITEMS)
    # float16 on disk
    np.testing.assert_allclose(first, featurizer().fit_transform(ITEMS), rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(ElmoEncoder, "_encode", None)  # whatever is encoded again fails
    np.testing.assert_array_equal(featurizer(memory=tmp_path).fit_transform(ITEMS), first)


def test_threads_share_one_model():
    fitted = featurizer(batch_size=2).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: fitted.transform(ITEMS), range(16)):
            np.testing.assert_array_equal(vectors, expected)


def test_workers_give_the_same_vectors():
    fitted = featurizer(batch_size=2, n_jobs=2).fit(ITEMS)
    with joblib.parallel_config("threading"):
        vectors = fitted.transform(ITEMS)
    np.testing.assert_allclose(vectors, featurizer(batch_size=2).fit_transform(ITEMS), atol=1e-6)


def test_pickles_hold_no_weights(tmp_path):
    fitted = featurizer().fit(ITEMS)
    data = pickle.dumps(fitted)
    assert len(data) < 2000
    forget_encoders()
    expected = fitted.transform(ITEMS)
    np.testing.assert_array_equal(pickle.loads(data).transform(ITEMS), expected)
    joblib.dump(fitted, tmp_path / "fitted")
    np.testing.assert_array_equal(joblib.load(tmp_path / "fitted").transform(ITEMS), expected)
    np.testing.assert_array_equal(clone(fitted).fit_transform(ITEMS), expected)


def test_a_saved_recommender_finds_its_model(tmp_path, shop_log, shop_items):
    # skops keeps nothing but plain types
    files = {name: str(path) for name, path in tiny_elmo_files().items()}
    content = ElmoItemFeaturizer("title", **files)
    rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=shop_items)
    rec.save(tmp_path / "rec")
    loaded = EmbRecEstimator.load(tmp_path / "rec")
    new = pd.DataFrame({"item": ["new"], "title": ["blue ink bottle"]})
    rec.add_items(new)
    loaded.add_items(new)
    np.testing.assert_array_equal(loaded.item_embeddings(["new"]), rec.item_embeddings(["new"]))


def test_other_weights_in_the_same_place_are_refused(tmp_path):
    files = write_elmo(tmp_path)
    fitted = ElmoItemFeaturizer(**files).fit(ITEMS)
    write_elmo(tmp_path, seed=1)
    with pytest.raises(ValueError, match="is not the one that it was fitted with"):
        fitted.transform(ITEMS)
    assert np.isfinite(fitted.fit(ITEMS).transform(ITEMS)).all()


def test_files_must_be_named():
    names = r"elmo_2x4096_512_2048cnn_2xhighway_options\.json and .*_weights\.hdf5"
    with pytest.raises(ValueError, match=f"options_file is None. Pass .*{names}"):
        ElmoItemFeaturizer().fit(ITEMS)
    with pytest.raises(ValueError, match=f"weight_file is None. Pass .*{names}"):
        ElmoItemFeaturizer(options_file="options.json").fit(ITEMS)


def test_files_must_be_there(tmp_path):
    files = tiny_elmo_files() | {"weight_file": str(tmp_path / "none.hdf5")}
    with pytest.raises(FileNotFoundError, match=r"weight_file='.*none\.hdf5': there is no such"):
        ElmoItemFeaturizer(**files).fit(ITEMS)


def test_without_the_library_the_extra_is_named(monkeypatch):
    forget_encoders()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'ElmoItem.* needs h5py.*"embrec\[elmo\]"'):
        featurizer().fit(ITEMS)


def test_with_pipelines_unions_and_column_transformers():
    text = featurizer(columns="title")
    reduced = make_pipeline(text, TruncatedSVD(2, random_state=0)).fit_transform(ITEMS)
    assert reduced.shape == (6, 2)
    both = make_union(text, featurizer(columns="description")).fit_transform(ITEMS)
    np.testing.assert_array_equal(both[:, :8], clone(text).fit_transform(ITEMS))
    chosen = make_column_transformer((featurizer(), ["title"])).fit_transform(ITEMS)
    np.testing.assert_array_equal(chosen, both[:, :8])
    names = featurizer().fit(ITEMS).get_feature_names_out()
    assert names[[0, 7]].tolist() == ["elmoitemfeaturizer0", "elmoitemfeaturizer7"]


def test_in_a_grid_search():
    pipeline = make_pipeline(featurizer(), LogisticRegression())
    grid = {"elmoitemfeaturizer__max_words": [1, 250]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(ITEMS, [0, 1, 0, 1, 1, 0])
    assert set(search.best_params_) == set(grid)
    changed = search.best_estimator_.set_params(elmoitemfeaturizer__columns="title")
    assert changed[0].get_params()["columns"] == "title"
