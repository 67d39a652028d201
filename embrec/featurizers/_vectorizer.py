"""scikit-learn's TfidfVectorizer, with fewer warnings and a clearer error."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

#: Parameters that go to TfidfVectorizer as they are.
VECTORIZER_PARAMETERS = (
    "ngram_range",
    "max_features",
    "min_df",
    "max_df",
    "sublinear_tf",
    "norm",
    "use_idf",
    "smooth_idf",
    "binary",
    "lowercase",
    "strip_accents",
    "stop_words",
    "analyzer",
    "token_pattern",
    "tokenizer",
    "preprocessor",
    "vocabulary",
)
#: The vectorizer's own default.
WORD_PATTERN = r"(?u)\b\w\w+\b"
#: The thesis' choice; the vectorizer's own default is words alone.
UNIGRAMS_AND_BIGRAMS = (1, 2)


def make_vectorizer(parameters: Mapping[str, Any]) -> TfidfVectorizer:
    """Build a vectorizer that gives float32.

    Parameters
    ----------
    parameters : mapping
        A value for each of VECTORIZER_PARAMETERS.

    Returns
    -------
    TfidfVectorizer
    """
    parameters = dict(parameters)
    # it warns of parameters that it does not use, even if nobody chose them
    if parameters["tokenizer"] is not None and parameters["token_pattern"] == WORD_PATTERN:
        parameters["token_pattern"] = None
    if callable(parameters["analyzer"]) and parameters["ngram_range"] == UNIGRAMS_AND_BIGRAMS:
        parameters["ngram_range"] = (1, 1)
    return TfidfVectorizer(**parameters, dtype=np.float32)


def fit_vectorizer(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> "sp.csr_matrix":
    """Fit a vectorizer, or say why no term is left.

    Parameters
    ----------
    vectorizer : TfidfVectorizer
        Is fitted in place.
    texts : sequence of str

    Returns
    -------
    CSR matrix of shape (n_texts, n_terms), float32

    Raises
    ------
    ValueError
        If no term is left, and whatever else the vectorizer raises.
    """
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        if not any(words in str(error) for words in ("empty vocabulary", "no terms remain")):
            raise
        n_empty = sum(not text or text.isspace() for text in texts)
        raise ValueError(
            f"No term is left to describe items with ({error}). Of {len(texts)} texts, {n_empty} "
            "are empty. Check that columns= names columns of text; or loosen what drops terms: "
            "min_df, max_df, stop_words, token_pattern, tokenizer."
        ) from error
