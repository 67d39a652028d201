"""Texts as contents of frozen models."""

import pandas as pd
import pytest

from embrec.featurizers._frozen_text import FrozenTextFeaturizer


class Texts(FrozenTextFeaturizer):
    """The texts that a model would read."""

    def __init__(self, columns=None, *, max_words=None, strip_html=True):
        self.columns = columns
        self.max_words = max_words
        self.strip_html = strip_html

    def _source(self):
        raise AssertionError("no model is needed to read")

    def read(self, X):
        return self._read(X)[1]

    def keys(self, texts):
        return self._keys(texts).tolist()


def test_what_holds_no_word_is_missing():
    items = pd.DataFrame(
        {
            "title": ["red", None, " \t", "<br>", "&nbsp;", "0"],
            "text": [None, None, "\n", "<p></p>", "\u3000", ""],
        }
    )
    texts = Texts().read(items)
    assert [text and text.strip() for text in texts] == ["red", None, None, None, None, "0"]
    assert Texts("text", strip_html=False).read(items) == [None, None, None, "<p></p>", None, None]


def test_ready_made_texts_are_read_as_they_are():
    assert Texts(max_words=2).read(["one two three", "", "x"]) == ["one two", None, "x"]


def test_columns_that_are_not_there():
    with pytest.raises(ValueError, match="no column 'titel'"):
        Texts(["titel"]).read(pd.DataFrame({"title": ["red"]}))


def test_keys_tell_texts_apart_whatever_they_hold():
    texts = ["a", "b", "a ", "é", "e\u0301", "\ud800", "?", "a\0", None]
    assert len(set(Texts().keys(texts))) == len(texts)
    assert Texts().keys(["a", "\ud800"]) == Texts().keys(["b", "a", "\ud800"])[1:]
