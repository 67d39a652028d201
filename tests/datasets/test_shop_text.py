"""Words of the shop."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from embrec.datasets import make_shop
from embrec.datasets._shop_text import BRANDS, CATEGORIES, COLOURS, NOISE, STYLES, describe


def test_content_tells_category_and_style():
    shop = make_shop(n_users=10, n_items=300, random_state=0)
    text = shop.items["title"] + " " + shop.items["description"]
    features = TfidfVectorizer().fit_transform(text)
    for truth in (shop.model.category, shop.model.style):
        classifier = LogisticRegression(C=100, max_iter=500).fit(features[:200], truth[:200])
        assert classifier.score(features[200:], truth[200:]) > 0.8


def words_of(text):
    return set(text.rstrip(".").lower().split())


def test_words_are_of_the_category_the_style_and_the_brand():
    category, style, brand = np.array([0, 7, 11]), np.array([3, 0, 7]), np.array([5, 0, 23])
    columns = describe(category, style, brand, np.random.RandomState(0))
    assert list(columns) == ["title", "description", "category", "brand"]
    names, styles = list(CATEGORIES), list(STYLES)
    for row, (c, s, b) in enumerate(zip(category, style, brand, strict=True)):
        nouns, adjectives = set(CATEGORIES[names[c]]), {a.lower() for a in STYLES[styles[s]][0]}
        name, kind, noun, model = columns["title"][row].split()
        assert (name, kind) == (BRANDS[b], styles[s])
        assert noun in nouns
        assert model[0].isupper()
        assert 10 <= int(model[1:]) < 1000
        said = words_of(columns["description"][row])
        assert nouns <= said <= nouns | adjectives | set(NOISE)
        assert said & adjectives
        assert columns["brand"][row] == BRANDS[b]
    assert columns["category"] == ["Photo > Cameras", "Outdoor > Cook Sets", "Desk > Inks"]


def test_no_word_belongs_to_two_kinds():
    """Else a word would tell less than it seems to."""
    kinds = [*CATEGORIES.values(), *(words for words, _ in STYLES.values()), tuple(set(NOISE))]
    words = [word for kind in kinds for word in kind]
    assert len(set(words)) == len(words)
    colours = {colour for _, colour in STYLES.values()}
    assert len(colours) == len(set(COLOURS)) == len(STYLES)


def test_no_items_have_no_words():
    none = np.array([], dtype=np.int64)
    columns = describe(none, none, none, np.random.RandomState(0))
    assert list(columns.values()) == [[], [], [], []]
