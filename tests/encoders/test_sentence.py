"""Text models, against transformers alone."""

import pickle
import shutil

import numpy as np
import pytest
import torch

pytest.importorskip("sentence_transformers", reason="needs the extra 'text'")

from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tiny_models import bert_vectors, tiny_bert_folder
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers.utils import logging

from embrec.encoders.sentence import SentenceSpec

TEXTS = ["red pen", "a bottle of blue ink", "", "box " * 50]


def spec(model=None, **settings):
    return SentenceSpec.of(model or tiny_bert_folder(), device="cpu", **settings)


def encode(made):
    [vectors] = made.load().encode([TEXTS])
    return vectors


@pytest.fixture
def model():
    return SentenceTransformer(str(tiny_bert_folder()), device="cpu")


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_those_of_the_model(normalize):
    vectors = encode(spec(normalize=normalize))
    expected = bert_vectors(TEXTS, normalize=normalize)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=2e-6)


def test_the_first_dimensions_are_scaled_by_themselves(model):
    whole = encode(spec(model, normalize=False)).astype(np.float64)[:, :5]
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(encode(spec(model, truncate_dim=5)), expected, atol=1e-6)
    np.testing.assert_allclose(
        encode(spec(model, truncate_dim=5, normalize=False)), whole, atol=1e-6
    )
    np.testing.assert_array_equal(encode(spec(model, truncate_dim=16)), encode(spec(model)))


def test_a_limit_beyond_the_models_own_changes_nothing(model):
    plain, longer = spec(model).load(), spec(model, max_length=10_000).load()
    assert longer.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(*(next(e.encode([TEXTS])) for e in (plain, longer)))


def test_the_length_limit_of_the_model_stays_as_it_is(model, monkeypatch):
    before = model.max_seq_length
    encoder = spec(model, max_length=3).load()
    short = next(encoder.encode([TEXTS]))
    assert model.max_seq_length == before
    np.testing.assert_allclose(short, bert_vectors(TEXTS, max_length=3), atol=2e-6)

    def fail(*_, **__):
        raise MemoryError("no memory left")

    monkeypatch.setattr(model, "encode", fail)
    with pytest.raises(MemoryError):
        next(encoder.encode([TEXTS]))
    assert model.max_seq_length == before


def test_what_fingerprints_depend_on(model, tmp_path):
    settings = [{}, {"max_length": 5}, {"prompt": "red "}, {"normalize": False}]
    settings.append({"truncate_dim": 5})
    fingerprints = [spec(model, **one).load().fingerprint for one in settings]
    assert len(set(fingerprints)) == 5
    # not on where the model is
    shutil.copytree(tiny_bert_folder(), tmp_path / "model")
    assert spec(tmp_path / "model").load().fingerprint == fingerprints[0]
    # but on its weights, and on how it splits words
    next(model.parameters()).data[0] += 1e-3
    fingerprints.append(spec(model).load().fingerprint)
    model.tokenizer.add_tokens(["qwerty"])
    fingerprints.append(spec(model).load().fingerprint)
    assert len(set(fingerprints)) == 7


def test_specs_travel_and_know_the_version(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert_folder(), folder)
    before = spec(folder)
    assert spec(str(folder)) == before
    assert {pickle.loads(pickle.dumps(before)), before} == {before}
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert spec(folder) != before
    assert spec("a/name").stamp is None


def test_a_model_in_memory_that_changes_is_another(model):
    before = spec(model)
    assert spec(model) == before
    next(model.parameters()).data[0] += 1
    assert spec(model) != before


def test_a_model_that_is_not_there(tmp_path, monkeypatch):
    missing = str(tmp_path / "nothing")
    for offline, advice in (("1", " is set, so that nothing"), ("0", "=1 finds what was")):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        with pytest.raises(
            ValueError, match=r"nothing' could not be loaded: .*\w\. Pass"
        ) as caught:
            spec(missing).load()
        assert f"HF_HUB_OFFLINE{advice}" in str(caught.value)


def test_models_of_the_wrong_kind():
    with pytest.raises(ValueError, match=r"model is a Linear; expected a SentenceTransformer"):
        spec(torch.nn.Linear(2, 2)).load()
    with pytest.raises(ValueError, match=r"truncate_dim=17, but .* have 16 dimensions"):
        spec(truncate_dim=17).load()


def test_progress_bars_of_others_stay_as_they_were():
    was_shown = logging.is_progress_bar_enabled()
    try:
        for switch, shown in (
            (logging.enable_progress_bar, True),
            (logging.disable_progress_bar, False),
        ):
            switch()
            spec().load()
            assert logging.is_progress_bar_enabled() is shown
    finally:
        (logging.enable_progress_bar if was_shown else logging.disable_progress_bar)()


WORDS = ["[UNK]", "red", "blue", "camera", "bag"]


@pytest.fixture(scope="module")
def static():
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.eye(len(WORDS), dtype=np.float32)
    embedding = StaticEmbedding(tokenizer, embedding_weights=weights)
    return SentenceTransformer(modules=[embedding], device="cpu")


def test_static_embeddings(static, tmp_path):
    static.save(str(tmp_path))
    encoder = SentenceSpec.of(tmp_path, device="cpu", normalize=False).load()
    (vectors,) = encoder.encode([["red camera", "blue bag"]])
    np.testing.assert_allclose(vectors, [[0, 0.5, 0, 0.5, 0], [0, 0, 0.5, 0, 0.5]])
    again = SentenceSpec.of(static, device="cpu", normalize=False).load()
    assert again.fingerprint == encoder.fingerprint


def test_texts_that_are_read_whole_have_no_limit(static):
    with pytest.raises(ValueError, match="a StaticEmbedding, reads texts whole"):
        SentenceSpec.of(static, device="cpu", max_length=1).load()
