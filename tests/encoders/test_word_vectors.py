"""Files of word vectors, training, and the mean of a text."""

import gzip
import sys
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

gensim = pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model

from embrec.encoders.running import forget_encoders
from embrec.encoders.word_files import LoadedVectorsSpec, WordFileSpec
from embrec.encoders.word_mean import WordMeanEncoder, WordReader, WordWeights, check_tokens
from embrec.encoders.word_table import WordTable
from embrec.encoders.word_training import SkipGramSettings, train_skip_gram

WORDS = ["pen", "ink", "café", "1", "2.5", "new_york"]
VECTORS = np.array([[i, -i / 2, i * i] for i in range(1, 7)], dtype=np.float32)
LINES = [f"{w} {' '.join(map(str, v))}" for w, v in zip(WORDS, VECTORS.tolist(), strict=True)]
#: gensim does not close a file without header.
LEFT_OPEN = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def load(path, file_format="auto", limit=None):
    return WordFileSpec.of(path, file_format, limit).load()


def assert_is_the_table(table):
    assert list(table.words) == WORDS
    np.testing.assert_array_equal(table.vectors, VECTORS)
    assert table.vectors.dtype == np.float32
    assert table.subwords is None


class TestFiles:
    def test_word2vec_text(self, tmp_path):
        path = tmp_path / "vectors.txt"
        path.write_text("6 3\n" + "\n".join(LINES) + "\n", encoding="utf-8")
        assert_is_the_table(load(path))
        assert_is_the_table(load(path, "word2vec"))

    def test_word2vec_binary(self, tmp_path):
        # written by hand, as the tool of 2013 does
        path = tmp_path / "vectors.bin"
        with path.open("wb") as file:
            file.write(b"6 3\n")
            for word, vector in zip(WORDS, VECTORS, strict=True):
                file.write(word.encode() + b" " + vector.tobytes() + b"\n")
        assert_is_the_table(load(path))

    @LEFT_OPEN
    def test_glove(self, tmp_path):
        path = tmp_path / "glove.txt"
        path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
        assert_is_the_table(load(path))
        assert_is_the_table(load(path, "glove"))

    @LEFT_OPEN
    def test_gzipped(self, tmp_path):
        for header in ("6 3\n", ""):
            path = tmp_path / f"vectors{len(header)}.txt.gz"
            path.write_bytes(gzip.compress((header + "\n".join(LINES) + "\n").encode()))
            assert_is_the_table(load(path))

    def test_what_gensim_writes(self, tmp_path):
        vectors = KeyedVectors(3)
        vectors.add_vectors(WORDS, VECTORS)
        vectors.save_word2vec_format(str(tmp_path / "a.txt"), binary=False)
        vectors.save_word2vec_format(str(tmp_path / "a.bin"), binary=True)
        vectors.save(str(tmp_path / "a.kv"))
        assert_is_the_table(load(tmp_path / "a.txt"))
        assert_is_the_table(load(tmp_path / "a.bin"))
        assert_is_the_table(load(tmp_path / "a.kv", "gensim"))
        assert_is_the_table(LoadedVectorsSpec(vectors).load())

    def test_fasttext_with_subwords(self, tmp_path):
        texts = [["pen", "ink"], ["pen", "paper"]] * 5
        model = FastText(texts, vector_size=4, min_count=1, bucket=100, epochs=1, seed=1, workers=1)
        path = tmp_path / "model.bin"
        save_facebook_model(model, str(path))
        table = load(path)
        for word in ("pen", "paper"):
            vector = table.vectors[table.row_of[word]]
            np.testing.assert_allclose(vector, model.wv[word], rtol=1e-5)
        made, known = table.subwords.word_vectors(["pens", "inkjet", ""])
        np.testing.assert_allclose(made[0], model.wv["pens"], rtol=1e-5)
        np.testing.assert_allclose(made[1], model.wv["inkjet"], rtol=1e-5)
        assert known.tolist()[:2] == [True, True]

    def test_limit(self, tmp_path):
        path = tmp_path / "vectors.txt"
        path.write_text("6 3\n" + "\n".join(LINES) + "\n", encoding="utf-8")
        assert list(load(path, limit=2).words) == WORDS[:2]

    def test_no_such_file(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"vectors='.*none\.txt': there is no such file"
        ):
            load(tmp_path / "none.txt")
        with pytest.raises(IsADirectoryError, match="is a folder; pass a file in it"):
            load(tmp_path)

    def test_a_zip_archive(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "vectors.zip", "w") as archive:
            archive.writestr("vectors.txt", "6 3\n" + "\n".join(LINES) + "\n")
        with pytest.raises(ValueError, match="is a zip archive: unpack it"):
            load(tmp_path / "vectors.zip")

    @pytest.mark.parametrize(
        "content",
        [b"", b"hello world again\n", b"6 3\npen 1 2\n", b"\x80\x04\x95pickle\n", b"6 3\n"],
        ids=["empty", "text", "truncated", "pickle", "header alone"],
    )
    def test_what_is_no_word_vectors(self, tmp_path, content):
        path = tmp_path / "vectors.txt"
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"vectors\.txt (holds no word|could not be read).*GloVe"
        ):
            load(path)

    def test_without_gensim_the_extra_is_named(self, tmp_path, monkeypatch):
        path = tmp_path / "vectors.txt"
        path.write_text("6 3\n" + "\n".join(LINES))
        monkeypatch.setitem(sys.modules, "gensim.models", None)
        with pytest.raises(ImportError, match=r'"embrec\[words\]"'):
            load(path)


class TestTraining:
    SETTINGS = SkipGramSettings(8, 2, 1, 5, 40, None, 3, 1)
    # words of one topic are never beside those of the other
    SENTENCES = [["pen", "ink", "paper"], ["boot", "sock", "trail"]] * 30

    def test_it_is_gensims(self):
        table = train_skip_gram(self.SENTENCES, self.SETTINGS)
        model = Word2Vec(
            self.SENTENCES,
            vector_size=8,
            window=2,
            min_count=1,
            negative=5,
            epochs=40,
            sg=1,
            seed=3,
            workers=1,
        )
        assert set(table.words) == {"pen", "ink", "paper", "boot", "sock", "trail"}
        for word in table.words:
            np.testing.assert_array_equal(table.vectors[table.row_of[word]], model.wv[word])

    def test_words_of_one_topic_are_close(self):
        table = train_skip_gram(self.SENTENCES, self.SETTINGS)
        unit = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
        row = table.row_of
        similarity = unit @ unit.T
        within = similarity[row["pen"], row["ink"]]
        across = similarity[row["pen"], [row["boot"], row["sock"], row["trail"]]]
        assert within > across.max()

    def test_no_word_is_frequent_enough(self):
        with pytest.raises(ValueError, match="No word occurs min_count=1 times or more in 2 texts"):
            train_skip_gram([[], []], self.SETTINGS)


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


def test_a_file_is_read_again_if_it_changed(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("1 3\npen 1 2 3\n")
    encoder = WordMeanEncoder(WordFileSpec.of(path, "auto", None), WordReader(), WordWeights())
    assert encoder.table is encoder.table
    path.write_text("1 3\npen 4 5 66\n")
    changed = WordMeanEncoder(WordFileSpec.of(path, "auto", None), WordReader(), WordWeights())
    assert changed.table.vectors.tolist() == [[4, 5, 66]]
    forget_encoders()
