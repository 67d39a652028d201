"""Items by the categories that they are in, and all that these are in."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import Interval, fit_context
from embrec.featurizers._base import SparseItemFeaturizer
from embrec.featurizers._path_reader import PathReader
from embrec.featurizers._text_columns import check_columns, pick_columns, read_text_items


class CategoryPathFeaturizer(SparseItemFeaturizer):
    """One column per category, 1 for items in it or in one below it.

    ``"Office > Pens > Gel"`` is in "Office", in "Office > Pens" and in itself. So a new item of a
    category that ``fit`` never saw still shares what is above it with others, which one-hot codes
    of whole paths cannot say. Items may be in several categories.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns that hold paths; an item is in the categories of all of them. None means all
        columns.
    separator : str or None, default=" > "
        What is between the levels of a path. None means that there is one level.
    list_separator : str or None, default=None
        What is between the paths of one cell, such as ``";"``. A cell may also hold a list of
        paths, and a path be a list of levels.
    min_items : int, default=1
        Categories of fewer items have no column.
    max_features : int or None, default=None
        Keep this many categories, those with most items.
    sparse_output : bool, default=True
        Return a CSR matrix. False returns an ndarray, which ``set_output`` needs.

    Attributes
    ----------
    categories_ : ndarray of object (str)
        Path of each column's category, sorted.
    n_features_in_ : int
        Number of columns seen during ``fit``.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    See Also
    --------
    sklearn.preprocessing.OneHotEncoder : For attributes with one value and no levels.

    Notes
    -----
    Categories that ``fit`` did not keep are left out of ``transform``; those above them count. An
    item without category has zeros. Levels are compared as they are written, but for blanks around
    them.

    Examples
    --------
    >>> from embrec.featurizers import CategoryPathFeaturizer
    >>> featurizer = CategoryPathFeaturizer(sparse_output=False)
    >>> featurizer.fit_transform([["Office > Pens"], ["Office > Paper"]])
    array([[1., 0., 1.],
           [1., 1., 0.]], dtype=float32)
    >>> featurizer.get_feature_names_out()
    array(['Office', 'Office > Paper', 'Office > Pens'], dtype=object)
    >>> featurizer.transform([["Office > Ink > Blue"]])
    array([[1., 0., 0.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "columns": [None, str, "array-like"],
        "separator": [str, None],  # checked further in fit: not empty
        "list_separator": [str, None],
        "min_items": [Interval(Integral, 1, None, closed="left")],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "sparse_output": ["boolean"],
    }

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        separator: str | None = " > ",
        list_separator: str | None = None,
        min_items: int = 1,
        max_features: int | None = None,
        sparse_output: bool = True,
    ) -> None:
        self.columns = columns
        self.separator = separator
        self.list_separator = list_separator
        self.min_items = min_items
        self.max_features = max_features
        self.sparse_output = sparse_output

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the categories.

        Parameters
        ----------
        X : table, or array-like of shape (n_items, n_columns)
            The items.
        y : None
            Ignored.

        Returns
        -------
        CategoryPathFeaturizer

        Raises
        ------
        ValueError
            If `X` lacks a column or is empty, or no category is left; if a separator is ``""``.

        Warns
        -----
        UserWarning
            If no value holds `separator`, and some look as if another one were meant.
        """
        self._fit(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: object = None) -> Any:
        """Do as ``fit(X).transform(X)`` does, reading the items once.

        Parameters
        ----------
        X : table, or array-like of shape (n_items, n_columns)
            The items.
        y : None
            Ignored.

        Returns
        -------
        CSR matrix or ndarray of shape (n_items, n_categories), float32
        """
        self._check_output()
        return self._encode(self._fit(X))

    def transform(self, X: Any) -> Any:
        """Turn items into vectors of ones and zeros.

        Parameters
        ----------
        X : table, or array-like of shape (n_items, n_columns)
            The items.

        Returns
        -------
        CSR matrix or ndarray of shape (n_items, n_categories), float32

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        ValueError
            If `X` lacks a column or is empty; if ``set_output`` asks for a table while
            ``sparse_output=True``.
        """
        check_is_fitted(self)
        self._check_output()
        items = read_text_items(X)
        self._check_items(items, reset=False)
        cells = pick_columns(items, check_columns(self.columns))
        return self._encode(PathReader(*self._separators).categories(cells))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the paths of the categories, in the order of the output's columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the columns that ``fit`` saw.

        Returns
        -------
        ndarray of shape (n_categories,), object
        """
        check_is_fitted(self)
        self._check_input_features(input_features)
        return self.categories_.copy()

    def _fit(self, X: Any) -> list[set[str]]:
        reader = PathReader.of(self.separator, self.list_separator)
        items = read_text_items(X)
        cells = pick_columns(items, check_columns(self.columns))
        of_items = reader.categories(cells)
        n_items = Counter(chain.from_iterable(of_items))
        kept = [category for category, n in n_items.items() if n >= self.min_items]
        # ties by name: the order of a set differs from one process to the next
        kept.sort(key=lambda category: (-n_items[category], category))
        kept = sorted(kept[: self.max_features])
        if not kept:
            raise ValueError(
                f"No category is left of the {len(n_items)} that {len(of_items)} items are in. "
                f"Check that columns= names columns of paths; min_items is {self.min_items}."
            )
        # assigned last: a fit that fails leaves an earlier one intact
        self._check_items(items, reset=True)
        # of objects: one long name would make all of them as wide
        self.categories_ = np.array(kept, dtype=object)
        self._separators = (reader.separator, reader.list_separator)
        reader.warn_if_unused(cells)
        return of_items

    def _encode(self, of_items: Sequence[set[str]]) -> Any:
        column_of = {category: i for i, category in enumerate(self.categories_.tolist())}
        columns = [[column_of[c] for c in row if c in column_of] for row in of_items]
        indptr = np.cumsum([0, *map(len, columns)])
        indices = np.fromiter(chain.from_iterable(columns), dtype=np.int32, count=indptr[-1])
        ones = np.ones(len(indices), dtype=np.float32)
        shape = (len(of_items), len(self.categories_))
        return self._finish(sp.csr_matrix((ones, indices, indptr), shape=shape))
