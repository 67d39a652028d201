"""Sizes that files of word vectors declare."""

from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import FastText
from gensim.models.fasttext import save_facebook_model

from embrec.encoders.word_files import WordFileSpec
from embrec.encoders.word_sizes import _CHUNK, check_fasttext, check_word2vec


@pytest.fixture(scope="module")
def fasttext(tmp_path_factory):
    """A model of fastText, and where in it what stands."""
    texts = [["pen", "ink"], ["pen", "paper"]] * 5
    model = FastText(texts, vector_size=4, min_count=1, bucket=10, epochs=1, seed=1, workers=1)
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    save_facebook_model(model, str(path))
    return path.read_bytes()


def check(data):
    check_fasttext(None, lambda path: BytesIO(data))


def test_a_whole_model(fasttext):
    check(fasttext)


def test_a_model_that_is_cut_short(fasttext):
    """The matrix that training would need, the last part, is not read."""
    needed = len(fasttext) - (16 + 1 + 3 * 4 * 4)
    check(fasttext[:needed])
    for n_bytes in range(needed):
        with pytest.raises(ValueError, match="cut short"):
            check(fasttext[:n_bytes])


def changed(data, place, number, dtype):
    value = np.array(number, dtype).tobytes()
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize("number", [2**31 - 1, 4])
def test_more_words_than_there_are(fasttext, number):
    with pytest.raises(ValueError, match=r"cut short|a word in it has more|it names"):
        check(changed(fasttext, 64, number, "<i4"))


def test_no_words(fasttext):
    with pytest.raises(ValueError, match="it names 0 words"):
        check(changed(fasttext, 64, 0, "<i4"))


def test_a_word_without_an_end(fasttext):
    with pytest.raises(ValueError, match="a word in it has more than"):
        check(fasttext[:92] + b"x" * 3 * _CHUNK)


def test_an_error_names_the_file(fasttext, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(changed(fasttext, 64, 0, "<i4"))
    with pytest.raises(ValueError, match=r"model\.bin could not be read as fasttext: .*0 words"):
        WordFileSpec.of(path, "auto", None).load()


@pytest.mark.parametrize(("is_text", "n_bytes"), [(True, 5 * 6), (False, 5 * 13)])
def test_the_fewest_bytes_of_word2vec(is_text, n_bytes):
    def check(data, limit=None):
        check_word2vec(None, lambda path: BytesIO(data), is_text=is_text, limit=limit)

    check(b"5 3\n" + b"x" * n_bytes)
    with pytest.raises(ValueError, match=f"at least {n_bytes} bytes; it holds {n_bytes - 1} after"):
        check(b"5 3\n" + b"x" * (n_bytes - 1))
    check(b"500000000 3\n" + b"x" * n_bytes, limit=5)
