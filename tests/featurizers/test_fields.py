"""Tf-idf with weights for columns, hashed terms, and words of a tokenizer."""

import pickle
from collections import Counter

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.featurizers._fields import limit_fields

ITEMS = pd.DataFrame(
    {
        "title": ["red pen", "blue pen", "red ink", None],
        "description": ["a pen for red ink", None, "ink ink ink", "blue paper"],
        "brand": ["Acme", "Acme", "Bee", "Bee"],
    }
)
WORD = r"(?u)\b\w+\b"


def dense(featurizer, items=ITEMS):
    names = featurizer.get_feature_names_out().tolist()
    return pd.DataFrame(featurizer.transform(items).toarray(), columns=names)


def naive(items, weights, *, sublinear=False, binary=False):
    """Weighted tf-idf by loops, float64, one word at a time."""
    rows = []
    for texts in items:
        row = Counter()
        for text, weight in zip(texts, weights, strict=True):
            for word, n in Counter((text or "").lower().split()).items():
                n = 1 if binary else n
                row[word] += weight * ((1 + np.log(n)) if sublinear else n)
        rows.append(row)
    df = Counter(word for row in rows for word in row)
    names = sorted(df)
    matrix = np.array(
        [[row[w] * (np.log((1 + len(rows)) / (1 + df[w])) + 1) for w in names] for row in rows]
    )
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return names, matrix / np.where(lengths > 0, lengths, 1)


TEXT = st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join)


class TestWeights:
    def test_a_column_that_counts_more(self):
        weights = {"title": 3}
        featurizer = TfidfItemFeaturizer(
            ["title", "description"], column_weights=weights, ngram_range=(1, 1), token_pattern=WORD
        ).fit(ITEMS)
        names, expected = naive(ITEMS[["title", "description"]].fillna("").to_numpy(), [3, 1])
        assert featurizer.get_feature_names_out().tolist() == names
        np.testing.assert_allclose(dense(featurizer), expected, rtol=1e-5)

    @given(
        st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5).filter(lambda r: any(map(any, r))),
        st.floats(0.1, 5),
        st.booleans(),
        st.booleans(),
    )
    def test_against_a_loop(self, rows, weight, sublinear, binary):
        items = pd.DataFrame(rows, columns=["x", "y"])
        featurizer = TfidfItemFeaturizer(
            column_weights={"x": weight},
            ngram_range=(1, 1),
            token_pattern=WORD,
            sublinear_tf=sublinear,
            binary=binary,
        )
        matrix = featurizer.fit_transform(items)
        names, expected = naive(rows, [weight, 1], sublinear=sublinear, binary=binary)
        assert featurizer.get_feature_names_out().tolist() == names
        np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            featurizer.transform(items).toarray(), matrix.toarray(), rtol=1e-6
        )

    def test_terms_do_not_span_columns(self):
        joined = TfidfItemFeaturizer().fit(ITEMS).get_feature_names_out()
        apart = TfidfItemFeaturizer(column_weights={}).fit(ITEMS).get_feature_names_out()
        across = {"pen pen", "ink acme", "pen acme", "ink bee", "paper bee"}
        assert set(joined) - set(apart) == across

    def test_terms_are_chosen_by_items_and_weighted_counts(self):
        def terms(**settings):
            featurizer = TfidfItemFeaturizer(
                ["title", "description"],
                column_weights={"title": 10},
                ngram_range=(1, 1),
                **settings,
            )
            return featurizer.fit(ITEMS).get_feature_names_out().tolist()

        assert terms() == ["blue", "for", "ink", "paper", "pen", "red"]
        # "pen" and "red" are in two titles each; "ink" is in one, and four times in descriptions
        assert terms(max_features=2) == ["pen", "red"]
        assert terms(max_features=3) == ["ink", "pen", "red"]
        # "pen" is twice in the first item, which is one item
        assert terms(min_df=2) == ["blue", "ink", "pen", "red"]
        assert terms(max_df=0.25) == ["for", "paper"]
        assert terms(vocabulary=["ink", "other"]) == ["ink", "other"]

    def test_nothing_left(self):
        featurizer = TfidfItemFeaturizer(column_weights={}, min_df=4)
        with pytest.raises(ValueError, match="No term is left .*min_df and max_df leave none"):
            featurizer.fit(ITEMS)
        with pytest.raises(ValueError, match=r"max_df corresponds to fewer items \(1.0\) than"):
            TfidfItemFeaturizer(column_weights={}, min_df=2, max_df=1).fit(ITEMS)

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ({"price": 2}, r"names \['price'\], which are not among .*\['title', 'description'\]"),
            ({"title": 0}, r"must be positive numbers; got \{'title': 0\}"),
            ({"title": "2"}, "must be positive numbers"),
            ({"title": np.nan}, "must be positive numbers"),
            ({"title": -1}, "must be positive numbers"),
        ],
    )
    def test_bad_weights(self, weights, message):
        featurizer = TfidfItemFeaturizer(["title", "description"], column_weights=weights)
        with pytest.raises(ValueError, match=message):
            featurizer.fit(ITEMS)

    def test_weights_need_names(self):
        with pytest.raises(ValueError, match="has no column names"):
            TfidfItemFeaturizer(column_weights={"title": 2}).fit(ITEMS.to_numpy())

    def test_all_words_of_an_item_together_keep_to_max_words(self):
        featurizer = TfidfItemFeaturizer(
            ["description", "title"], column_weights={}, max_words=4, ngram_range=(1, 1)
        )
        assert featurizer.fit(ITEMS.iloc[:1]).get_feature_names_out().tolist() == [
            "for",
            "pen",
            "red",
        ]
        assert limit_fields([["a b c", "a", ""], ["d e", "d e f g", "h"]], 4) == [
            ["a b c", "a", ""],
            ["d", "d e f", "h"],
        ]
        assert limit_fields([["a b c"], ["d"]], 2) == [["a b"], [""]]


class TestHashing:
    def test_it_is_scikit_learns(self):
        featurizer = TfidfItemFeaturizer("description", n_hash_features=64)
        texts = ITEMS["description"].fillna("")
        hashing = HashingVectorizer(
            n_features=64, alternate_sign=False, norm=None, ngram_range=(1, 2)
        )
        expected = TfidfTransformer().fit_transform(hashing.transform(texts))
        np.testing.assert_allclose(
            featurizer.fit_transform(ITEMS).toarray(), expected.toarray(), rtol=1e-6
        )
        assert featurizer.get_feature_names_out()[[0, -1]].tolist() == ["hash0", "hash63"]

    def test_new_words_count(self):
        vocabulary = TfidfItemFeaturizer("title").fit(ITEMS)
        hashed = TfidfItemFeaturizer("title", n_hash_features=1024).fit(ITEMS)
        new = pd.DataFrame({"title": ["turquoise"]})
        assert vocabulary.transform(new).nnz == 0
        assert hashed.transform(new).nnz == 1

    def test_with_weights(self):
        featurizer = TfidfItemFeaturizer(
            ["title", "description"],
            column_weights={"title": 2},
            n_hash_features=2**16,
            ngram_range=(1, 1),
            token_pattern=WORD,
        )
        matrix = featurizer.fit_transform(ITEMS)
        _, expected = naive(ITEMS[["title", "description"]].fillna("").to_numpy(), [2, 1])
        # no two of these words share a column: the values are the same, wherever they are
        for row, values in zip(matrix.toarray(), expected, strict=True):
            np.testing.assert_allclose(
                np.sort(row[row > 0]), np.sort(values[values > 0]), rtol=1e-5
            )

    @pytest.mark.parametrize("settings", [{"min_df": 2}, {"max_df": 0.5}, {"vocabulary": ["ink"]}])
    def test_what_needs_a_vocabulary(self, settings):
        featurizer = TfidfItemFeaturizer(n_hash_features=8, **settings)
        with pytest.raises(ValueError, match="n_hash_features=8 keeps no vocabulary"):
            featurizer.fit(ITEMS)


class TestTokenizer:
    ITEMS = ("赤いペン", "青いペン", "赤いインク")  # no blanks between words

    def test_max_words_counts_its_words(self):
        featurizer = TfidfItemFeaturizer(
            tokenizer=list, lowercase=False, max_words=2, ngram_range=(1, 1)
        )
        featurizer.fit(list(self.ITEMS))
        assert sorted(featurizer.get_feature_names_out()) == sorted({"赤", "い", "青"})

    def test_none_counts_all(self):
        featurizer = TfidfItemFeaturizer(tokenizer=list, max_words=None, ngram_range=(1, 1))
        assert "ン" in featurizer.fit(list(self.ITEMS)).get_feature_names_out()

    def test_it_pickles(self):
        fitted = TfidfItemFeaturizer(tokenizer=str.split, max_words=2).fit(ITEMS)
        again = pickle.loads(pickle.dumps(fitted))
        assert (again.transform(ITEMS) != fitted.transform(ITEMS)).nnz == 0


def test_html():
    items = ["<p>red &amp; <b>blue</b></p>", "red"]
    stripped = TfidfItemFeaturizer(ngram_range=(1, 1)).fit(items)
    assert stripped.get_feature_names_out().tolist() == ["blue", "red"]
    kept = TfidfItemFeaturizer(ngram_range=(1, 1), strip_html=False).fit(items)
    assert kept.get_feature_names_out().tolist() == ["amp", "blue", "red"]


@pytest.mark.parametrize(
    "settings", [{}, {"column_weights": {"title": 2}}, {"n_hash_features": 64}]
)
def test_workers_share_the_texts(settings):
    items = pd.concat([ITEMS] * 5, ignore_index=True)
    fitted = TfidfItemFeaturizer(**settings, n_jobs=3).fit(items)
    with joblib.parallel_config("threading"):
        shared = fitted.transform(items)
    alone = fitted.set_params(n_jobs=None).transform(items)
    assert (shared != alone).nnz == 0
    assert shared.has_canonical_format
    assert shared.dtype == np.float32


@pytest.mark.parametrize(
    "settings",
    [{"column_weights": {"title": 2.0}}, {"n_hash_features": 64}, {"tokenizer": None}],
    ids=["weights", "hashing", "plain"],
)
def test_saved_and_loaded(settings, tmp_path, shop_log, shop_items):
    content = TfidfItemFeaturizer("title", **settings)
    rec = EmbRecEstimator(content, max_epochs=1, random_state=0).fit(shop_log, items=shop_items)
    rec.save(tmp_path / "rec")
    loaded = EmbRecEstimator.load(tmp_path / "rec")
    new = pd.DataFrame({"item": ["new"], "title": ["ink bottle desk"]})
    rec.add_items(new)
    loaded.add_items(new)
    np.testing.assert_array_equal(loaded.item_embeddings(["new"]), rec.item_embeddings(["new"]))
