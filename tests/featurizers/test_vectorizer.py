"""The vectorizer warns of nothing that nobody chose."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from embrec.featurizers import TfidfItemFeaturizer
from embrec.featurizers._vectorizer import (
    VECTORIZER_PARAMETERS,
    WORD_PATTERN,
    fit_vectorizer,
    make_vectorizer,
)

DEFAULTS = {
    name: value
    for name, value in TfidfItemFeaturizer().get_params().items()
    if name in VECTORIZER_PARAMETERS
}


def test_every_parameter_of_the_vectorizer_is_there():
    left_out = {"input", "encoding", "decode_error", "dtype"}
    assert set(VECTORIZER_PARAMETERS) == set(TfidfVectorizer().get_params()) - left_out


def test_word_pattern_is_the_vectorizers_own():
    assert TfidfVectorizer().token_pattern == WORD_PATTERN


@pytest.mark.parametrize("own", [{"tokenizer": str.split}, {"analyzer": str.split}])
def test_no_warning_for_defaults_that_are_not_used(own):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix = make_vectorizer({**DEFAULTS, **own}).fit_transform(["a b", "c"])
    assert matrix.dtype == np.float32


def test_warnings_for_choices_that_are_not_used_remain():
    chosen = {"analyzer": str.split, "ngram_range": (1, 3)}
    with pytest.warns(UserWarning, match="ngram_range"):
        make_vectorizer({**DEFAULTS, **chosen}).fit(["a b"])


@pytest.mark.parametrize(
    ("texts", "own", "shown"),
    [
        (["", " ", "a"], {}, "2 are empty, and the first of the others is 'a'. .*min_df"),
        (["red hat", "red shoes", " "], {"min_df": 3}, "1 are empty, and .* is 'red hat'. "),
        (["1.5", "2.5"], {}, "Of 2 texts, 0 are empty, and .* is '1.5'. Check that columns="),
        (["", " "], {}, "Of 2 texts, 2 are empty. Check"),
    ],
)
def test_no_term_left_says_what_to_change(texts, own, shown):
    vectorizer = make_vectorizer({**DEFAULTS, **own})
    with pytest.raises(ValueError, match=shown):
        fit_vectorizer(vectorizer, texts)


def test_other_errors_pass():
    def tokenizer(text):
        raise ValueError("my own")

    with pytest.raises(ValueError, match=r"^my own$"):
        fit_vectorizer(make_vectorizer({**DEFAULTS, "tokenizer": tokenizer}), ["a b"])


@pytest.mark.parametrize(
    "own", [{}, {"column_weights": {"title": 2}}, {"n_hash_features": 64}], ids=str
)
def test_words_of_scripts_with_marks_are_whole(own):
    items = pd.DataFrame({"title": ["\u0928\u0940\u0932\u093e", "\u0928\u093f\u0932\u0940"]})
    features = TfidfItemFeaturizer(ngram_range=(1, 1), **own).fit_transform(items).toarray()
    # cut at the marks, they would have no word of two characters
    np.testing.assert_array_equal(np.sort(features, axis=1)[:, -2:], [[0, 1], [0, 1]])
    assert not np.array_equal(features[0], features[1])


def test_terms_of_users_are_written_as_texts_are():
    apart, together = "cafe\u0301", "caf\xe9"
    texts = [f"{together} pen", f"{apart} ink"]
    given = TfidfItemFeaturizer(vocabulary={"pen": 1, apart: 0}, ngram_range=(1, 1)).fit(texts)
    assert given.get_feature_names_out().tolist() == [together, "pen"]
    for words in ([apart], {apart}):
        known = TfidfItemFeaturizer(vocabulary=words, ngram_range=(1, 1)).fit(texts)
        assert known.get_feature_names_out().tolist() == [together]
    rest = TfidfItemFeaturizer(stop_words=[apart], ngram_range=(1, 1)).fit(texts)
    assert rest.get_feature_names_out().tolist() == ["ink", "pen"]


def test_a_pattern_of_ones_own_is_used_as_it_is():
    found = TfidfItemFeaturizer(token_pattern=r"\w+", ngram_range=(1, 1)).fit(["a b\u0301c"])
    assert found.get_feature_names_out().tolist() == ["a", "b", "c"]
