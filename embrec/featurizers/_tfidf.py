"""Items as weighted bags of words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import Interval, fit_context
from embrec.featurizers._base import SparseItemFeaturizer, is_ready_made
from embrec.featurizers._fields import check_weights, count_terms, fit_fields, limit_fields
from embrec.featurizers._text_base import TextReader
from embrec.featurizers._text_columns import TextItems, check_columns
from embrec.featurizers._vectorizer import (
    UNIGRAMS_AND_BIGRAMS,
    VECTORIZER_PARAMETERS,
    WORD_PATTERN,
    fit_vectorizer,
    make_vectorizer,
    transform_in_parts,
)


class TfidfItemFeaturizer(TextReader, SparseItemFeaturizer):
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
        How many words of the joined text count: those that `tokenizer` makes, or without one
        those separated by white space. None means all of them.
    strip_html : bool, default=True
        Remove HTML tags, comments and scripts from the text, and resolve entities.
    column_weights : mapping of str to float, default=None
        How much a term counts in each column; 1 for columns that it does not name. Terms then do
        not span columns, and counts are added up before the idf weights, as in BM25F.
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
        What a word is. Ignored if `tokenizer` is given. The default stands for words of two or
        more letters, digits, underscores and marks, as vowels of Hindi or Arabic are.
    tokenizer : callable or None, default=None
        Splits a text into words.
    preprocessor : callable or None, default=None
        Replaces lower-casing and accent removal.
    vocabulary : mapping, iterable or None, default=None
        The terms, if they are not to be learnt.
    n_hash_features : int or None, default=None
        Number of columns to hash all terms into, for catalogues whose words have no bound: no
        vocabulary is kept, words that ``fit`` never saw count too, and some share a column. Then
        `max_features` is ignored, and `min_df`, `max_df` and `vocabulary` must be the defaults.
    sparse_output : bool, default=True
        Return a CSR matrix. False returns an ndarray, which ``set_output`` needs.
    n_jobs : int or None, default=None
        How many joblib workers share the texts in ``transform``.

    Attributes
    ----------
    vectorizer_ : TfidfVectorizer, or CountVectorizer or HashingVectorizer
        The fitted vectorizer; one of the latter two with `column_weights` or `n_hash_features`.
    idf_ : TfidfTransformer or None
        What weighs the counts of the latter two.
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
        **TextReader._text_constraints,
        "column_weights": [None, Mapping],
        **{name: TfidfVectorizer._parameter_constraints[name] for name in VECTORIZER_PARAMETERS},
        "n_hash_features": [Interval(Integral, 1, None, closed="left"), None],
        "sparse_output": ["boolean"],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        columns: Any = None,
        *,
        max_words: int | None = 250,
        strip_html: bool = True,
        column_weights: Mapping[str, float] | None = None,
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
        n_hash_features: int | None = None,
        sparse_output: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.columns = columns
        self.max_words = max_words
        self.strip_html = strip_html
        self.column_weights = column_weights
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
        self.n_hash_features = n_hash_features
        self.sparse_output = sparse_output
        self.n_jobs = n_jobs

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
        items = self._read_items(X)
        self._check_items(items, reset=False)
        if self.idf_ is None:
            texts = self._texts(items)
            return self._finish(transform_in_parts(self.vectorizer_, texts, self.n_jobs))
        fields, weights = self._fields(items)
        counts = count_terms(
            self.vectorizer_, fields, weights, sublinear=self.sublinear_tf, n_jobs=self.n_jobs
        )
        return self._finish(self.idf_.transform(counts, copy=False))

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
        self._check_input_features(input_features)
        if self.n_hash_features is not None:
            columns = range(self.vectorizer_.n_features)
            return np.array([f"hash{column}" for column in columns], dtype=object)
        terms: np.ndarray = self.vectorizer_.get_feature_names_out()
        return terms

    def _fit(self, X: Any) -> Any:
        items = self._read_items(X)
        parameters = {name: getattr(self, name) for name in VECTORIZER_PARAMETERS}
        idf = None
        if self.column_weights is None and self.n_hash_features is None:
            vectorizer = make_vectorizer(parameters, max_words=self.max_words)
            matrix = fit_vectorizer(vectorizer, self._texts(items))
        else:
            fields, weights = self._fields(items)
            vectorizer, idf, matrix = fit_fields(
                parameters, fields, weights, self.n_hash_features, max_words=self.max_words
            )
        # assigned last: a fit that fails leaves an earlier one intact
        self._check_items(items, reset=True)
        self.vectorizer_ = vectorizer
        self.idf_ = idf
        return matrix

    def _fields(self, items: TextItems) -> tuple[list[list[str]], Sequence[float]]:
        """Texts and weight of each column that has a weight of its own."""
        columns = check_columns(self.columns)
        if self.column_weights is None or is_ready_made(items):
            return [self._texts(items)], [1.0]
        names, weights = check_weights(self.column_weights, items, columns)
        fields = [self._join(items, [name]) for name in names]
        return limit_fields(fields, self._max_blank_separated), weights

    @property
    def _max_blank_separated(self) -> int | None:
        # a tokenizer cuts by its own words: some languages have no blanks
        return None if self.tokenizer is not None else self.max_words
