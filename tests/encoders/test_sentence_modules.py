"""Every kind of module that a SentenceTransformer may begin with, from a folder."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("sentence_transformers", reason="needs the extra 'text'")

from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import (
    CNN,
    LSTM,
    BoW,
    CLIPModel,
    Dense,
    InputModule,
    Normalize,
    Pooling,
    Router,
    StaticEmbedding,
    Transformer,
    WordEmbeddings,
    WordWeights,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from sentence_transformers.sparse_encoder.modules import (
    MLMTransformer,
    SparseStaticEmbedding,
    SpladePooling,
)
from tiny_models import WORDS, bert_vectors, tiny_bert_folder
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    ByT5Tokenizer,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPProcessor,
    CLIPTokenizerFast,
)
from transformers import CLIPModel as TransformersCLIP

from embrec.encoders.sentence import SentenceSpec
from embrec.encoders.sentence_modules import (
    depends_on_batch,
    describe_modules,
    describe_tokenizer,
    encode_options,
    reading_module,
    reads_whole,
)
from embrec.featurizers import TextEncoderItemFeaturizer

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SMALL["intermediate_size"] = 32
ITEMS = pd.DataFrame({"title": ["red pen", "a blue box of paper", None, "ink and ink", "pen"]})


def bert_tokens():
    return AutoTokenizer.from_pretrained(tiny_bert_folder())


def bert(**settings):
    return Transformer(str(tiny_bert_folder()), **settings)


def masked_folder(folder):
    """Save a model as it is after pre-training, such as roberta-base: it has no pooler."""
    config = BertConfig(vocab_size=len(bert_tokens()), max_position_embeddings=32, **SMALL)
    BertForMaskedLM(config).save_pretrained(folder)
    bert_tokens().save_pretrained(folder)
    return str(folder)


def clip_folder(folder):
    ends = [f"{c}</w>" for c in map(chr, range(97, 123))]
    pieces = [*map(chr, range(33, 127)), *ends, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokens = CLIPTokenizerFast(vocab=vocabulary, merges=[], model_max_length=24)
    last = len(pieces) - 1
    about = {"vocab_size": len(pieces), "bos_token_id": last - 1, "eos_token_id": last}
    config = CLIPConfig(
        text_config={**SMALL, **about, "max_position_embeddings": 24, "projection_dim": 8},
        vision_config={**SMALL, "image_size": 16, "patch_size": 8, "projection_dim": 8},
        projection_dim=8,
    )
    TransformersCLIP(config).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(size={"shortest_edge": 16}), tokens).save_pretrained(folder)
    return str(folder)


def static():
    words = ["[UNK]", *WORDS]
    tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    return StaticEmbedding(tokens, embedding_dim=16)


def words(tokenizer=None):
    n = len(WORDS if tokenizer is None else tokenizer)
    weights = torch.randn(n, 8).numpy()
    return WordEmbeddings(tokenizer or WhitespaceTokenizer(WORDS), weights)


def router(**settings):
    return Router.for_query_document([static()], [bert(), Pooling(16)], **settings)


#: Makes a model's modules; an argument is a folder for what they are made of.
KINDS = {
    "BoW": lambda _: [BoW(WORDS, {"red": 2.0})],
    "BoW, Dense": lambda _: [BoW(WORDS), Dense(len(WORDS), 4)],
    "CLIPModel": lambda folder: [CLIPModel(clip_folder(folder))],
    "MLMTransformer": lambda folder: [MLMTransformer(masked_folder(folder)), SpladePooling()],
    "Router": lambda _: [router()],
    "Router, no default": lambda _: [router(default_route=None, allow_empty_key=False)],
    "Router, others": lambda _: [Router({"one": [static()], "other": [bert(), Pooling(16)]})],
    "SparseStaticEmbedding": lambda _: [SparseStaticEmbedding(bert_tokens(), torch.rand(69))],
    "StaticEmbedding": lambda _: [static()],
    "Transformer": lambda _: [bert(), Pooling(16), Normalize()],
    "Transformer, CLIP": lambda folder: [Transformer(clip_folder(folder))],
    "WordEmbeddings": lambda _: [words(), Pooling(8)],
    "WordEmbeddings, tokens": lambda _: [words(bert_tokens()), Pooling(8)],
    "WordEmbeddings, weights": lambda _: [words(), WordWeights(WORDS, {"red": 3}), Pooling(8)],
    "WordEmbeddings, CNN": lambda _: [words(), CNN(8, 4), Pooling(12)],
    "WordEmbeddings, LSTM": lambda _: [words(), LSTM(8, 4), Pooling(8)],
}
READ_WHOLE = ["BoW", "Router, others", "SparseStaticEmbedding", "StaticEmbedding"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = SentenceTransformer(modules=KINDS[kind](folder / "parts"), device="cpu")
    model.save(str(folder / "whole"), create_model_card=False)
    return folder / "whole"


def featurizer(model, **settings):
    return TextEncoderItemFeaturizer("title", model=model, device="cpu", **settings)


def spec(model, **settings):
    return SentenceSpec.of(model, device="cpu", **settings)


def subclasses(cls):
    return {cls, *(below for child in cls.__subclasses__() for below in subclasses(child))}


def test_every_kind_that_the_library_ships_is_here():
    shipped = {
        cls.__name__
        for cls in subclasses(InputModule) - {InputModule}
        if cls.__module__.startswith("sentence_transformers.")
    }
    assert shipped == {name.partition(",")[0] for name in KINDS}


def test_vectors_are_those_of_the_library(folder):
    vectors = featurizer(folder, normalize=False).fit_transform(ITEMS)
    library = SentenceTransformer(str(folder), device="cpu")
    has_route = "document" in getattr(library[0], "sub_modules", {})
    encode = library.encode_document if has_route else library.encode
    expected = [encode(text) for text in ITEMS["title"].dropna()]
    np.testing.assert_allclose(vectors[[0, 1, 3, 4]], expected, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(vectors[2], 0)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_a_copy_elsewhere_is_the_same_model(folder, tmp_path):
    fitted = featurizer(folder).fit(ITEMS)
    shutil.copytree(folder, tmp_path / "copy")
    fitted.set_params(model=tmp_path / "copy")
    np.testing.assert_array_equal(fitted.transform(ITEMS), featurizer(folder).fit_transform(ITEMS))


def test_a_limit_of_tokens_is_heeded_or_refused(folder, kind):
    short = featurizer(folder, max_length=3)
    if kind.startswith("BoW") or kind in READ_WHOLE:
        with pytest.raises(ValueError, match="max_length=3, but .*, reads texts whole"):
            short.fit(ITEMS)
        return
    long = pd.DataFrame({"title": ["red pen blue ink green box", "red pen blue paper of the box"]})
    first, second = short.fit(ITEMS).transform(long)
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert np.abs(np.subtract(*featurizer(folder).fit_transform(long))).max() > 1e-4


def saved(modules, folder):
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


class TestRouters:
    def test_the_limits_of_its_routes_stay_as_they_are(self):
        routes = [[bert(max_seq_length=8), Pooling(16)], [bert(), Pooling(16)]]
        model = SentenceTransformer(modules=[Router.for_query_document(*routes)], device="cpu")
        [vectors] = spec(model, max_length=4).load().encode([["red pen of the box"]])
        expected = bert_vectors(["red pen of the box"], max_length=4)
        np.testing.assert_allclose(vectors, expected, atol=2e-6)
        assert [route[0].max_seq_length for route in model[0].sub_modules.values()] == [8, 32]

    def test_mapped_routes(self):
        routes, mapped = {"one": [static()], "other": [bert(), Pooling(16)]}, {}
        for key in [(None, None), (None, "text"), ("document", None), ("document", "text")]:
            mapped = {name: "one" for name in mapped} | {key: "other"}
            model = SentenceTransformer(modules=[Router(routes, route_mappings=mapped)])
            assert isinstance(reading_module(model), Transformer)
            [vectors] = spec(model).load().encode([["red pen"]])
            np.testing.assert_allclose(vectors, bert_vectors(["red pen"]), atol=2e-6)

    def test_without_a_route_for_items(self):
        routes = Router({"query": [static()], "doc": [static()]}, allow_empty_key=False)
        model = SentenceTransformer(modules=[routes], device="cpu")
        with pytest.raises(ValueError, match=r"routes are query, doc; expected .* 'document'"):
            spec(model).load()
        model[0].default_route = "doc"
        assert spec(model).load().n_features == 16
        assert encode_options(model) == {}


def test_without_a_module_that_makes_vectors_of_texts(tmp_path):
    for name, modules in (("Transformer", [bert()]), ("LSTM", [words(), LSTM(8, 4)])):
        with pytest.raises(ValueError, match=f"last module of the model is a {name}, which makes"):
            featurizer(saved(modules, tmp_path / name)).fit(ITEMS)


def test_models_for_other_purposes():
    model = SparseEncoder(modules=[SparseStaticEmbedding(bert_tokens())], device="cpu")
    with pytest.raises(ValueError, match="model is a SparseEncoder; expected a SentenceTransf"):
        featurizer(model).fit(ITEMS)


def model2vec_folder(folder, dtype):
    """Write what model2vec 0.10 does."""
    saved([static()], folder)
    (folder / "model.safetensors").unlink()
    weights = np.random.default_rng(0).normal(0, 40, (len(WORDS) + 1, 4)).astype(dtype)
    save_file({"embeddings": weights}, folder / "model.safetensors")
    about = {"max_length": 512, "normalize": False, "embedding_dtype": np.dtype(dtype).name}
    (folder / "config.json").write_text(json.dumps(about))
    kind = "sentence_transformers.models.StaticEmbedding"
    one = {"idx": 0, "name": "0", "path": ".", "type": kind}
    (folder / "modules.json").write_text(json.dumps([one]))
    return folder, weights


def test_folders_of_model2vec(tmp_path):
    for dtype in (np.float32, np.float16):
        folder, weights = model2vec_folder(tmp_path / np.dtype(dtype).name, dtype)
        vectors = featurizer(folder, normalize=False).fit_transform(ITEMS)
        expected = weights[[1, 4]].astype(np.float32).mean(axis=0)  # red, pen
        np.testing.assert_allclose(vectors[0], expected, rtol=1e-3)
    folder, _ = model2vec_folder(tmp_path / "integers", np.int8)
    with pytest.raises(ValueError, match="has integers for weights, .* quantize_to='float32'"):
        featurizer(folder).fit(ITEMS)


def test_weights_that_a_file_lacks_are_the_same_each_time(tmp_path):
    folder = masked_folder(tmp_path)
    first = spec(folder).load()
    torch.rand(1)  # as another process would be in another state
    before = torch.random.get_rng_state()
    again = spec(folder).load()
    assert any("pooler" in name for name in first._model.state_dict())
    assert first.fingerprint == again.fingerprint
    assert torch.equal(torch.random.get_rng_state(), before)


def test_settings_that_no_weight_shows(tmp_path):
    """Or `memory=` would give the vectors of one model for those of another."""
    modules = [
        [bert(), Pooling(16)],
        [bert(), Pooling(16, "cls")],
        [bert(), Pooling(16, "cls"), Normalize()],
        [BoW(WORDS)],
        [BoW(WORDS, {"red": 2.0})],
        [BoW(WORDS[::-1])],
        [BoW(WORDS, cumulative_term_frequency=False)],
    ]
    fingerprints = [
        spec(saved(parts, tmp_path / str(i))).load().fingerprint for i, parts in enumerate(modules)
    ]
    assert len(set(fingerprints)) == len(modules)
    prompted = SentenceTransformer(str(tmp_path / "0"), prompts={"of": "red "}, device="cpu")
    assert spec(prompted).load().fingerprint == fingerprints[0]
    prompted.default_prompt_name = "of"
    assert spec(prompted).load().fingerprint != fingerprints[0]
    assert spec(prompted, prompt="").load().fingerprint != fingerprints[0]


def test_tokenizers_in_python_are_the_same_elsewhere(tmp_path):
    config = BertConfig(vocab_size=384, max_position_embeddings=32, **SMALL)
    first, second = tmp_path / "first", tmp_path / "second"
    BertModel(config).save_pretrained(first)
    ByT5Tokenizer(model_max_length=32).save_pretrained(first)
    fitted = featurizer(first).fit(ITEMS)
    expected = fitted.transform(ITEMS)
    first.rename(second)
    fitted.set_params(model=second)
    np.testing.assert_array_equal(fitted.transform(ITEMS), expected)


def test_tokenizers_by_what_they_hold():
    whitespace = [WhitespaceTokenizer(WORDS, stop_words=["of", "with", "a", "the", "an"])]
    whitespace.append(WhitespaceTokenizer(tuple(WORDS), ["an", "the", "a", "with", "of"]))
    assert len({describe_tokenizer(one) for one in whitespace}) == 1
    others = [WhitespaceTokenizer(WORDS), WhitespaceTokenizer(WORDS, do_lower_case=True)]
    assert len({describe_tokenizer(one) for one in [*whitespace, *others]}) == 3

    class Own:
        def __init__(self, separator):
            self.separator = separator

    own = [describe_tokenizer(Own(separator)) for separator in (" ", " ", "")]
    assert own[0] == own[1] != own[2]


def test_what_reads_texts_whole_and_what_reads_padding():
    modules = [static(), BoW(WORDS), words(), bert()]
    assert [reads_whole(module) for module in modules] == [True, True, False, False]
    batches = [SentenceTransformer(modules=[words(), *more]) for more in ([CNN(8)], [LSTM(8, 4)])]
    assert [depends_on_batch(model) for model in batches] == [True, False]
    assert "CNN" in describe_modules(batches[0])
