"""The mean of the word vectors of a text."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

gensim = pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import FastText

from embrec.encoders.word_files import LoadedVectorsSpec
from embrec.encoders.word_mean import WordMeanEncoder, WordReader, WordWeights, check_tokens
from embrec.encoders.word_table import WordTable

WORDS = ["pen", "ink", "café", "1", "2.5", "new_york"]
VECTORS = np.array([[i, -i / 2, i * i] for i in range(1, 7)], dtype=np.float32)


def naive_mean(text, weight_of=lambda word: 1.0, unit=False):
    total, mass = np.zeros(3), 0.0
    for word in text.lower().split():
        if word in WORDS:
            total += weight_of(word) * VECTORS[WORDS.index(word)].astype(float)
            mass += weight_of(word)
    mean = total / mass if mass else total
    return mean / np.linalg.norm(mean) if unit and mass else mean


def encoder(weights=None, **settings):
    reader = WordReader(tokenizer=str.split)
    return WordMeanEncoder(WordTable(WORDS, VECTORS), reader, weights or WordWeights(), **settings)


TEXT = st.lists(st.sampled_from([*WORDS, "PEN", "other", "more"]), max_size=12).map(" ".join)


class TestMean:
    @given(st.lists(TEXT, min_size=1, max_size=6))
    def test_against_a_loop(self, texts):
        [vectors] = encoder().encode([texts])
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, [naive_mean(t) for t in texts], rtol=1e-5, atol=1e-6)

    @given(st.lists(TEXT, min_size=1, max_size=6))
    def test_idf_and_unit_length(self, texts):
        sentences = [text.lower().split() for text in texts]
        frequency = Counter(word for words in sentences for word in set(words))

        def idf(word):
            return np.log((1 + len(texts)) / (1 + frequency[word])) + 1

        weights = WordWeights.inverse_document_frequency(sentences)
        [vectors] = encoder(weights, unit_length=True).encode([texts])
        expected = [naive_mean(text, idf, unit=True) for text in texts]
        np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)

    def test_the_idf_of_words_that_were_not_there(self):
        weights = WordWeights.inverse_document_frequency([["pen"], ["pen", "ink"]])
        np.testing.assert_allclose(
            weights(["pen", "ink", "other"]),
            [1.0, np.log(3 / 2) + 1, np.log(3) + 1],
            rtol=1e-6,
        )

    def test_unknown_words_are_counted(self):
        n_words, unknown = encoder().unknown_words(["pen other", None, "other more ink", ""])
        assert n_words == 5
        assert unknown == {"other": 2, "more": 1}

    def test_subwords_stand_in_for_unknown_words(self):
        model = FastText(
            [["pen", "ink"]] * 9, vector_size=4, min_count=1, bucket=50, epochs=1, seed=1, workers=1
        )
        table = LoadedVectorsSpec(model.wv).load()
        mean = WordMeanEncoder(table, WordReader(), WordWeights())
        [vectors] = mean.encode([["pens and ink", "pens"]])
        expected = np.mean([model.wv[word] for word in ("pens", "and", "ink")], axis=0)
        np.testing.assert_allclose(vectors[0], expected, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(vectors[1], model.wv["pens"], rtol=1e-5)
        assert mean.unknown_words(["pens"])[1] == {}

    def test_the_reader(self):
        assert WordReader()("Red-Pen, 2x café!") == ["red", "pen", "2x", "café"]
        assert WordReader(lowercase=False, max_words=2)("Red-Pen, 2x") == ["Red", "Pen"]
        assert WordReader()("नीला, x") == ["नीला", "x"]
        assert WordReader(tokenizer=list)("赤ペン") == ["赤", "ペ", "ン"]

    def test_fingerprints_tell_settings_apart(self):
        table = WordTable(WORDS, VECTORS)
        encoders = [
            WordMeanEncoder(table, WordReader(), WordWeights()),
            WordMeanEncoder(WordTable(WORDS, VECTORS + 1), WordReader(), WordWeights()),
            WordMeanEncoder(WordTable(WORDS[::-1], VECTORS), WordReader(), WordWeights()),
            WordMeanEncoder(table, WordReader(lowercase=False), WordWeights()),
            WordMeanEncoder(table, WordReader(max_words=3), WordWeights()),
            WordMeanEncoder(table, WordReader(tokenizer=str.split), WordWeights()),
            WordMeanEncoder(table, WordReader(), WordWeights({"pen": 2.0})),
            WordMeanEncoder(table, WordReader(), WordWeights(), unit_length=True),
        ]
        assert len({encoder.fingerprint for encoder in encoders}) == len(encoders)
        again = WordMeanEncoder(WordTable(WORDS, VECTORS.copy()), WordReader(), WordWeights())
        assert again.fingerprint == encoders[0].fingerprint

    def test_no_word_at_all(self):
        with pytest.raises(ValueError, match="of 3 texts, 2 are empty"):
            check_tokens(WordReader(), [None, None, "!?"])
