"""Files of word vectors."""

import gzip
import sys
import zipfile
from contextlib import suppress

import numpy as np
import pytest

gensim = pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import save_facebook_model

from embrec.encoders.running import forget_encoders
from embrec.encoders.word_files import LoadedVectorsSpec, WordFileSpec
from embrec.encoders.word_mean import WordMeanEncoder, WordReader, WordWeights

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


def test_a_file_is_read_again_if_it_changed(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("1 3\npen 1 2 3\n")
    encoder = WordMeanEncoder(WordFileSpec.of(path, "auto", None), WordReader(), WordWeights())
    assert encoder.table is encoder.table
    path.write_text("1 3\npen 4 5 66\n")
    changed = WordMeanEncoder(WordFileSpec.of(path, "auto", None), WordReader(), WordWeights())
    assert changed.table.vectors.tolist() == [[4, 5, 66]]
    forget_encoders()


def test_the_first_of_repeated_words_counts(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("\n".join(["8 3", *LINES, LINES[0].replace("1.0", "9"), LINES[1]]) + "\n")
    with pytest.warns(UserWarning, match=r"2 of 8 words in .*twice\.txt are there already"):
        assert_is_the_table(load(path))


def test_the_first_of_words_that_damage_made_equal_counts(tmp_path):
    path = tmp_path / "damaged.bin"
    rows = zip([b"pen", b"caf\xe9", b"caf\xe8"], VECTORS, strict=False)
    path.write_bytes(b"3 3\n" + b"".join(w + b" " + v.tobytes() + b"\n" for w, v in rows))
    with pytest.warns(UserWarning, match="1 of 3 words"):
        table = load(path)
    assert list(table.words) == ["pen", "caf\ufffd"]
    np.testing.assert_array_equal(table.vectors, VECTORS[:2])


def test_room_for_words_that_never_came():
    vectors = KeyedVectors(3, count=9)
    vectors.add_vectors(WORDS, VECTORS)
    assert_is_the_table(LoadedVectorsSpec(vectors).load())


def test_words_are_written_as_texts_are(tmp_path):
    """Letters and accents together, whatever the file; the first of equal words counts."""
    path = tmp_path / "apart.txt"
    words = ["cafe\u0301", "pen", "caf\xe9"]
    path.write_text("3 1\n" + "".join(f"{word} {i}\n" for i, word in enumerate(words)))
    with pytest.warns(UserWarning, match="1 words with vectors are equal to others"):
        table = load(path)
    assert list(table.words) == ["caf\xe9", "pen"]
    np.testing.assert_array_equal(table.vectors, [[0], [1]])


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("head", ["99999999 3", "6 99999999", "0 3", "6 0", "-6 3"])
def test_sizes_that_the_file_does_not_have(tmp_path, head, suffix):
    path = tmp_path / f"vectors.txt{suffix}"
    data = (f"{head}\n" + "\n".join(LINES)).encode()
    path.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(ValueError, match=r"could not be read as word2vec: .*its first line names"):
        load(path, "word2vec")


@pytest.mark.parametrize("value", ["nan", "-inf"])
def test_vectors_that_are_not_finite(tmp_path, value):
    path = tmp_path / "vectors.txt"
    path.write_text(f"2 3\npen 1 2 3\nink 1 {value} 3\n")
    with pytest.raises(
        ValueError, match="1 of 2 vectors hold NaN or infinite numbers, the first is"
    ):
        load(path)


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "vectors.txt.gz"
    data = bytearray(gzip.compress(b"6 3\n" + "\n".join(LINES).encode()))
    for place in range(len(data)):
        changed = data.copy()
        changed[place] ^= 255
        path.write_bytes(changed)
        with suppress(ValueError):
            assert_is_the_table(load(path))
