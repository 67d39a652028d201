"""scikit-learn's TfidfVectorizer, with fewer warnings and a clearer error."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import gen_even_slices
from sklearn.utils.parallel import Parallel, delayed

from embrec.encoders.words import compose, split_long_words

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
#: The vectorizer's own default, which stands for `LongWords`.
WORD_PATTERN = r"(?u)\b\w\w+\b"
#: The thesis' choice; the vectorizer's own default is words alone.
UNIGRAMS_AND_BIGRAMS = (1, 2)


class LongWords:
    """A tokenizer that finds words of two characters or more; saved models may hold no function."""

    def __call__(self, text: str) -> list[str]:
        """Split a text."""
        return split_long_words(text)


class FirstTokens:
    """A tokenizer that stops after some words.

    Parameters
    ----------
    tokenizer : callable
    max_words : int
    """

    def __init__(self, tokenizer: Callable[[str], Iterable[str]], max_words: int) -> None:
        self.tokenizer = tokenizer
        self.max_words = max_words

    def __call__(self, text: str) -> list[str]:
        """Split a text."""
        return list(islice(self.tokenizer(text), self.max_words))


def make_vectorizer(
    parameters: Mapping[str, Any], *, max_words: int | None = None
) -> TfidfVectorizer:
    """Build a vectorizer that gives float32.

    Parameters
    ----------
    parameters : mapping
        A value for each of VECTORIZER_PARAMETERS.
    max_words : int or None, default=None
        How many words of the tokenizer count.

    Returns
    -------
    TfidfVectorizer
    """
    return TfidfVectorizer(**usable_parameters(parameters, max_words), dtype=np.float32)


def usable_parameters(parameters: Mapping[str, Any], max_words: int | None) -> dict[str, Any]:
    """Resolve parameters that exclude each other, as vectorizers want it.

    Parameters
    ----------
    parameters : mapping
        A value for each of VECTORIZER_PARAMETERS.
    max_words : int or None
        How many words of the tokenizer count.

    Returns
    -------
    dict
    """
    parameters = dict(parameters)
    if parameters["tokenizer"] is not None and max_words is not None:
        parameters["tokenizer"] = FirstTokens(parameters["tokenizer"], max_words)
    for name in ("stop_words", "vocabulary"):
        parameters[name] = _composed(parameters[name])
    if parameters["analyzer"] == "word" and parameters["token_pattern"] == WORD_PATTERN:
        parameters["tokenizer"] = parameters["tokenizer"] or LongWords()
    # it warns of parameters that it does not use, even if nobody chose them
    if parameters["tokenizer"] is not None and parameters["token_pattern"] == WORD_PATTERN:
        parameters["token_pattern"] = None
    if callable(parameters["analyzer"]) and parameters["ngram_range"] == UNIGRAMS_AND_BIGRAMS:
        parameters["ngram_range"] = (1, 1)
    return parameters


def _composed(terms: Any) -> Any:
    """Write terms as the texts are written, in which letters and accents are together."""
    if isinstance(terms, Mapping):
        return dict(zip(_composed(list(terms)), terms.values(), strict=True))
    if terms is None or isinstance(terms, str):  # the name of a list
        return terms
    composed = [compose(term) if isinstance(term, str) else term for term in terms]
    return set(composed) if isinstance(terms, Set) else composed


def transform_in_parts(
    vectorizer: Any, texts: Sequence[str], n_jobs: int | None
) -> "sp.csr_matrix":
    """Let joblib workers share the texts.

    Parameters
    ----------
    vectorizer : fitted vectorizer
    texts : sequence of str
    n_jobs : int or None

    Returns
    -------
    CSR matrix of shape (n_texts, n_terms), float32
    """
    n_parts = min(effective_n_jobs(n_jobs), len(texts))
    if n_parts == 1:
        return vectorizer.transform(texts)
    parts = Parallel(n_jobs=n_jobs)(
        delayed(vectorizer.transform)(texts[rows]) for rows in gen_even_slices(len(texts), n_parts)
    )
    return sp.vstack(parts, format="csr")


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
        matrix = vectorizer.fit_transform(texts)
    except ValueError as error:
        if not any(words in str(error) for words in ("empty vocabulary", "no terms remain")):
            raise
        raise no_term_left(texts, str(error)) from error
    # numpy's integers, which limits on terms leave, are saved as a file each
    vectorizer.vocabulary_ = {term: int(i) for term, i in vectorizer.vocabulary_.items()}
    return matrix


def no_term_left(texts: Sequence[str], reason: str) -> ValueError:
    """Make the error that says why items have no terms."""
    full = [text for text in texts if text and not text.isspace()]
    shown = f", and the first of the others is {full[0][:40]!r}" if full else ""
    return ValueError(
        f"No term is left to describe items with ({reason}). Of {len(texts)} texts, "
        f"{len(texts) - len(full)} are empty{shown}. Check that columns= names columns of text; or "
        "loosen what drops terms: min_df, max_df, stop_words, token_pattern, tokenizer."
    )
