"""Items as weighted bags of words."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from embrec._compat import Interval, fit_context, validate_data
from embrec.featurizers._text_columns import (
    TextItems,
    check_columns,
    join_text,
    limit_words,
    read_text_items,
)
from embrec.featurizers._vectorizer import (
    UNIGRAMS_AND_BIGRAMS,
    VECTORIZER_PARAMETERS,
    WORD_PATTERN,
    fit_vectorizer,
    make_vectorizer,
)


class TfidfItemFeaturizer(TransformerMixin, BaseEstimator):
    r"""TF-IDF vectors of the text of items.

    The text of an item is its columns joined with a space, cut after `max_words` words;
    :class:`~sklearn.feature_extraction.text.TfidfVectorizer` does the rest. The defaults are those
    of the EmbRec thesis (section 3.4.1 and its published code): title and description, 250
    words, the 5,000 most frequent words and pairs of words.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns of the table that make up the text, in this order. None means all of them.
        Missing values are empty, lists of strings are joined with a space, and other values
        are read as ``str(value)``.
    max_words : int or None, default=250
        How many words (separated by white space) of the joined text count, before `preprocessor`
        and `tokenizer` see it. None means all of them.
    ngram_range : tuple (min_n, max_n), default=(1, 2)
        How many words in a row form one term. Ignored if `analyzer` is callable.
    max_features : int or None, default=5000
        Keep this many terms, those that are most frequent over all items.
    min_df, max_df : int or float, default=1 and 1.0
        Drop terms found in fewer (more) items: a count if int, a share of the items if float.
    sublinear_tf : bool, default=False
        Count a term that occurs n times as ``1 + log(n)``.
    norm : {"l1", "l2"} or None, default="l2"
        Scale each item's vector to unit length.
    use_idf : bool, default=True
        Give terms found in few items more weight.
    smooth_idf : bool, default=True
        Weigh terms as if one more item held all of them.
    binary : bool, default=False
        Count a term that occurs several times in an item once.
    lowercase : bool, default=True
        Ignore case.
    strip_accents : {"ascii", "unicode"}, callable or None, default=None
        Remove accents.
    stop_words : {"english"}, list or None, default=None
        Words to leave out.
    analyzer : {"word", "char", "char_wb"} or callable, default="word"
        What terms are made of.
    token_pattern : str or None, default=r"(?u)\b\w\w+\b"
        What a word is. Ignored if `tokenizer` is given.
    tokenizer : callable or None, default=None
        Splits a text into words.
    preprocessor : callable or None, default=None
        Replaces lower-casing and accent removal.
    vocabulary : mapping, iterable or None, default=None
        The terms, if they are not to be learnt.
    sparse_output : bool, default=True
        Return a CSR matrix. False returns an ndarray, which ``set_output`` needs.

    Attributes
    ----------
    vectorizer_ : TfidfVectorizer
        The fitted vectorizer.
    n_features_in_ : int
        Number of columns seen during ``fit``; 1 for ready-made texts.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    See Also
    --------
    sklearn.feature_extraction.text.TfidfVectorizer : Does the work; its parameters are explained
        there at length.

    Notes
    -----
    With `columns`, ``transform`` picks the columns by name, whatever else the table holds. Without,
    a table must have the columns that ``fit`` saw. A list, 1-D array or Series of strings is one
    ready-made text per item: it has no columns, so it is taken as it is, also by a featurizer that
    was fitted on a table. To read a table after fitting on ready-made texts, name `columns`, or
    pass a table of one column.

    A text that holds none of the terms gives a vector of zeros.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.featurizers import TfidfItemFeaturizer
    >>> items = pd.DataFrame({"title": ["Red shoes", "Red hat"], "description": ["Fast", None]})
    >>> featurizer = TfidfItemFeaturizer(columns=["title", "description"], ngram_range=(1, 1))
    >>> featurizer.fit_transform(items).toarray().round(2)
    array([[0.63, 0.  , 0.45, 0.63],
           [0.  , 0.81, 0.58, 0.  ]], dtype=float32)
    >>> featurizer.get_feature_names_out()
    array(['fast', 'hat', 'red', 'shoes'], dtype=object)
    """

    # the vectorizer's own constraints, so that they cannot drift apart
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "columns": [None, str, "array-like"],
        "max_words": [Interval(Integral, 1, None, closed="left"), None],
        **{name: TfidfVectorizer._parameter_constraints[name] for name in VECTORIZER_PARAMETERS},
        "sparse_output": ["boolean"],
    }

    def __init__(
        self,
        columns: Any = None,
        *,
        max_words: int | None = 250,
        ngram_range: tuple[int, int] = UNIGRAMS_AND_BIGRAMS,
        max_features: int | None = 5000,
        min_df: float = 1,
        max_df: float = 1.0,
        sublinear_tf: bool = False,
        norm: str | None = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        binary: bool = False,
        lowercase: bool = True,
        strip_accents: str | Callable[[str], str] | None = None,
        stop_words: str | list[str] | None = None,
        analyzer: str | Callable[[str], Iterable[str]] = "word",
        token_pattern: str | None = WORD_PATTERN,
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        preprocessor: Callable[[str], str] | None = None,
        vocabulary: Mapping[str, int] | Iterable[str] | None = None,
        sparse_output: bool = True,
    ) -> None:
        self.columns = columns
        self.max_words = max_words
        self.ngram_range = ngram_range
        self.max_features = max_features
        self.min_df = min_df
        self.max_df = max_df
        self.sublinear_tf = sublinear_tf
        self.norm = norm
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.binary = binary
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.stop_words = stop_words
        self.analyzer = analyzer
        self.token_pattern = token_pattern
        self.tokenizer = tokenizer
        self.preprocessor = preprocessor
        self.vocabulary = vocabulary
        self.sparse_output = sparse_output

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the terms and their weights.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of n_items str
            The items.
        y : None
            Ignored.

        Returns
        -------
        TfidfItemFeaturizer

        Raises
        ------
        ValueError
            If `X` lacks a column or is empty, or its texts hold no term to keep.
        TypeError
            If `X` is no table, array or sequence of texts.
        """
        self._fit(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: object = None) -> Any:
        """Do as ``fit(X).transform(X)`` does, reading the texts once.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of n_items str
            The items.
        y : None
            Ignored.

        Returns
        -------
        CSR matrix or ndarray of shape (n_items, n_terms), float32

        Raises
        ------
        ValueError, TypeError
            As in ``fit`` and ``transform``.
        """
        self._check_output()
        return self._finish(self._fit(X))

    def transform(self, X: Any) -> Any:
        """Turn items into vectors.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of n_items str
            The items.

        Returns
        -------
        CSR matrix or ndarray of shape (n_items, n_terms), float32
            The column indices of a CSR matrix are sorted.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If `X` lacks a column or is empty; without `columns`, if its columns are not those of
            ``fit``; if ``set_output`` asks for a table while ``sparse_output=True``.
        TypeError
            If `X` is no table, array or sequence of texts.
        """
        check_is_fitted(self)
        self._check_output()
        items = read_text_items(X)
        if self.columns is None and not _is_ready_made(items):
            validate_data(self, _to_native(items), reset=False, skip_check_array=True)
        return self._finish(self.vectorizer_.transform(self._texts(items)))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the terms, in the order of the output's columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the columns that ``fit`` saw.

        Returns
        -------
        ndarray of shape (n_terms,), object

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If `input_features` are not those of ``fit``.
        """
        check_is_fitted(self)
        if input_features is not None:
            given = np.asarray(input_features, dtype=object)
            seen = getattr(self, "feature_names_in_", given)
            if not np.array_equal(seen, given):
                raise ValueError(
                    f"input_features is not equal to feature_names_in_: got {given.tolist()}, "
                    f"expected {seen.tolist()}."
                )
            if len(given) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(given)}"
                )
        terms: np.ndarray = self.vectorizer_.get_feature_names_out()
        return terms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _fit(self, X: Any) -> Any:
        items = read_text_items(X)
        texts = self._texts(items)
        vectorizer = make_vectorizer({name: getattr(self, name) for name in VECTORIZER_PARAMETERS})
        matrix = fit_vectorizer(vectorizer, texts)
        # assigned last: a fit that fails leaves an earlier one intact
        validate_data(self, _to_native(items), reset=True, skip_check_array=True)
        self.vectorizer_ = vectorizer
        return matrix

    def _texts(self, items: TextItems) -> list[str]:
        return limit_words(join_text(items, check_columns(self.columns)), self.max_words)

    def _check_output(self) -> None:
        # scikit-learn finds out after the work is done, and cannot know of sparse_output
        own = getattr(self, "_sklearn_output_config", {})
        container = own.get("transform", sklearn.get_config()["transform_output"])
        if container != "default" and self.sparse_output:
            raise ValueError(
                f"{container.capitalize()} output does not support sparse data. Build "
                f"{type(self).__name__} with sparse_output=False, or ask for "
                "set_output(transform='default')."
            )

    def _finish(self, matrix: Any) -> Any:
        # no public method may call another one: each wraps its answer for set_output
        matrix.sort_indices()
        return matrix if self.sparse_output else matrix.toarray()


def _is_ready_made(items: TextItems) -> bool:
    return isinstance(items, np.ndarray) and items.ndim == 1


def _to_native(items: TextItems) -> Any:
    if isinstance(items, nw.DataFrame):
        return items.to_native()
    return items[:, np.newaxis] if items.ndim == 1 else items
