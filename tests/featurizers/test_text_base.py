"""From items to one text each, by the parameters that featurizers of text share."""

import numpy as np
import pandas as pd
import pytest

from embrec.featurizers import TfidfItemFeaturizer
from embrec.featurizers._text_base import TextReader

ITEMS = pd.DataFrame(
    {
        "title": ["<b>red</b> pen", None, "ink &amp; paper"],
        "price": [3, 4, 5],
        "text": ["with <i>blue ink</i>", "a\n box", None],
    }
)


class Reader(TextReader):
    """The texts as they are read."""

    def __init__(self, columns=None, max_words=None, strip_html=True):
        self.columns = columns
        self.max_words = max_words
        self.strip_html = strip_html

    def read(self, X):
        return self._texts(self._read_items(X))


def split(texts):
    """Markup may leave blanks, of which no word depends."""
    return [text.split() for text in texts]


def test_named_columns_in_their_order_without_markup():
    words = [["with", "blue", "ink", "red", "pen"], ["a", "box"], ["ink", "&", "paper"]]
    assert split(Reader(["text", "title"]).read(ITEMS)) == words
    assert split(Reader(np.array(["text", "title"])).read(ITEMS)) == words
    assert split(Reader("text").read(ITEMS)) == [["with", "blue", "ink"], ["a", "box"], []]
    assert split(Reader().read(ITEMS))[2] == ["ink", "&", "paper", "5"]


def test_markup_stays_where_it_is_wanted():
    found = Reader("title", strip_html=False).read(ITEMS)
    assert found == ["<b>red</b> pen", "", "ink &amp; paper"]


def test_words_are_counted_when_markup_is_gone():
    texts = ["<p class='a b c'>one two</p> three", "<br/> four"]
    assert split(Reader(max_words=2).read(texts)) == [["one", "two"], ["four"]]
    # of all columns together
    assert split(Reader(["title", "text"], max_words=3).read(ITEMS)) == (
        [["red", "pen", "with"], ["a", "box"], ["ink", "&", "paper"]]
    )
    assert Reader(max_words=1, strip_html=False).read(["<p class='a'>one"]) == ["<p"]


def test_a_reader_that_counts_its_own_words_gets_all():
    class Own(Reader):
        _max_blank_separated = None

    assert split(Own(max_words=1).read(["one two three"])) == [["one", "two", "three"]]


def test_columns_are_checked_even_if_there_are_none():
    with pytest.raises(ValueError, match=r"list of names, or None for all columns; got \[0\]"):
        Reader([0])._read_items(["one"])
    assert Reader(["title"]).read(["one"]) == ["one"]


def test_errors_of_columns_and_max_words():
    texts = ["red shoes", "blue shoes"]
    with pytest.raises(ValueError, match="'max_words' parameter of TfidfItemFeaturizer must be"):
        TfidfItemFeaturizer(max_words=0).fit(texts)
    with pytest.raises(ValueError, match="'columns' parameter of TfidfItemFeaturizer must be"):
        TfidfItemFeaturizer(columns=3).fit(texts)
    with pytest.raises(ValueError, match="'strip_html' parameter of TfidfItemFeaturizer must be"):
        TfidfItemFeaturizer(strip_html="yes").fit(texts)


def test_letters_and_accents_are_put_together():
    """Those that entities stand for, too."""
    texts = ["cafe\u0301", "cafe&#769;", "caf\xe9"]
    terms = TfidfItemFeaturizer(ngram_range=(1, 1)).fit(texts).get_feature_names_out()
    assert terms.tolist() == ["caf\xe9"]
