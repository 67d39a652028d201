"""Numbers, flags and times of items, on one scale."""

import datetime
from collections.abc import Sequence
from numbers import Number
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
import pandas as pd
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import fit_context
from embrec.data.ids import short_repr
from embrec.data.tables import with_known_zone
from embrec.featurizers._base import ItemFeaturizer
from embrec.featurizers._text_columns import (
    TextItems,
    check_columns,
    check_present,
    read_text_items,
)


class NumberFeaturizer(ItemFeaturizer):
    """One column per number, flag or time: its rank in the catalogue, between -1 and 1.

    A rank has no outliers and no unit, so prices, years and dates need no scaling. A missing value
    is 0, the middle; a column more tells where one is missing, for each column of the catalogue
    that has such values.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns of numbers, booleans, dates or datetimes, or text of ISO 8601 such as
        ``"2024-01-31"``. None means all columns.

    Attributes
    ----------
    holds_ : list of {"numbers", "times"}
        What each column holds. Times are seconds since 1970 before they are ranked.
    has_missing_ : ndarray of shape (n_columns,), bool
        Whether values were missing in ``fit``.
    scaler_ : QuantileTransformer
        It ranks.
    n_features_in_ : int
        Number of columns seen during ``fit``.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.featurizers import NumberFeaturizer
    >>> items = pd.DataFrame({"price": [1.0, 10.0, 1000.0], "new": [True, None, False]})
    >>> NumberFeaturizer().fit_transform(items)
    array([[-1.,  1.,  0.],
           [ 0.,  0.,  1.],
           [ 1., -1.,  0.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"columns": [None, str, "array-like"]}

    def __init__(self, columns: str | Sequence[str] | None = None) -> None:
        self.columns = columns

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None) -> Self:
        """Learn what the columns hold, and their quantiles.

        Parameters
        ----------
        X : table, or array-like of shape (n_items, n_columns)
            The items.
        y : None
            Ignored.

        Returns
        -------
        NumberFeaturizer

        Raises
        ------
        TypeError
            If a column holds anything else.
        ValueError
            If `X` lacks a column or is empty, or a number is infinite.
        """
        items = read_text_items(X)
        names, cells = self._cells(items)
        holds = ["times" if _are_times(values) else "numbers" for values in cells]
        numbers = _read(names, cells, holds)
        n_quantiles = min(1000, len(numbers))
        # all rows count: a sample of them would be another one in each fit
        scaler = QuantileTransformer(n_quantiles=n_quantiles, subsample=max(len(numbers), 10_000))
        # a column without any value has no quantiles
        scaler.fit(np.where(np.isnan(numbers).all(axis=0), 0.0, numbers))
        self._check_items(items, reset=True)
        self.holds_ = holds
        self.has_missing_ = np.isnan(numbers).any(axis=0)
        self.scaler_ = scaler
        self._names = names
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Rank values among those of ``fit``.

        Parameters
        ----------
        X : table, or array-like of shape (n_items, n_columns)
            The items.

        Returns
        -------
        ndarray of shape (n_items, n_columns + number of those with missing values), float32

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        TypeError
            If a column holds something else than in ``fit``.
        ValueError
            If `X` lacks a column or is empty, or a number is infinite.
        """
        check_is_fitted(self)
        items = read_text_items(X)
        self._check_items(items, reset=False)
        names, cells = self._cells(items)
        numbers = _read(names, cells, self.holds_)
        missing = np.isnan(numbers)
        ranks = np.where(missing, 0, 2 * self.scaler_.transform(numbers) - 1)
        return np.hstack([ranks, missing[:, self.has_missing_]]).astype(np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, and of those with missing values once more.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the columns that ``fit`` saw.

        Returns
        -------
        ndarray of object
        """
        check_is_fitted(self)
        self._check_input_features(input_features)
        without = [f"{n}_missing" for n, m in zip(self._names, self.has_missing_, strict=True) if m]
        return np.array(self._names + without, dtype=object)

    def _cells(self, items: TextItems) -> tuple[list[str], list[pd.Series]]:
        columns = check_columns(self.columns)
        if isinstance(items, nw.DataFrame):
            names = list(items.columns) if columns is None else columns
            check_present(items, names)
            return names, [column_cells(items[name]) for name in names]
        if columns is not None or items.ndim == 1:
            raise ValueError(
                f"columns={columns} and X is an array of shape {items.shape}. Pass a table; or an "
                "array of shape (n_items, n_columns), and no columns. Reshape your data."
            )
        cells = [pd.Series(column.tolist(), dtype=object) for column in items.T]
        return [f"x{i}" for i in range(len(cells))], cells


def column_cells(series: "nw.Series[Any]") -> pd.Series:
    """Return the values of a column in pandas: numbers, moments in UTC, or else objects."""
    series = with_known_zone(series)
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if series.dtype in (nw.Datetime, nw.Date):
        return pd.Series(series.to_numpy().astype("datetime64[us]"))
    if series.dtype.is_float() or (series.dtype.is_integer() and not series.is_null().any()):
        return pd.Series(series.to_numpy())
    return pd.Series(series.to_list(), dtype=object)


def _are_times(values: pd.Series) -> bool:
    present = values[values.notna()]
    return len(present) > 0 and parse(present, "times") is not None


def _read(names: list[str], cells: list[pd.Series], holds: list[str]) -> np.ndarray:
    read = [_numbers(*one) for one in zip(names, cells, holds, strict=True)]
    return np.column_stack(read)


def _numbers(name: str, values: pd.Series, holds: str) -> np.ndarray:
    """Turn a column into float64: NaN where a value is missing, seconds for times."""
    numbers = np.full(len(values), np.nan)
    present = values.notna().to_numpy()
    found = parse(values[present], holds)
    if found is None:
        alone = (pd.Series([value], dtype=object) for value in values[present])
        example = next(one[0] for one in alone if parse(one, holds) is None)
        expected = "numbers" if holds == "numbers" else "dates, datetimes or text of ISO 8601"
        raise TypeError(
            f"Column {name!r} holds {short_repr(example)} ({type(example).__name__}); expected "
            f"{expected}. Convert it first, with pandas.to_numeric or pandas.to_datetime."
        )
    numbers[present] = found
    if np.isinf(numbers).any():
        raise ValueError(
            f"Column {name!r} holds infinity in row {int(np.isinf(numbers).argmax())}; expected "
            "numbers. Make it a missing value, if that is what it means."
        )
    return numbers


def parse(values: pd.Series, holds: str) -> np.ndarray | None:
    """Read values of which none is missing; None if some are of another kind.

    Parameters
    ----------
    values : Series
    holds : {"numbers", "times"}

    Returns
    -------
    ndarray of float64, or None
    """
    kinds = (Number, np.bool_) if holds == "numbers" else (str, datetime.date, np.datetime64)
    if values.dtype != object:
        if (holds == "times") != (values.dtype.kind == "M"):
            return None
        numbers: np.ndarray = values.to_numpy().astype(np.float64)
        return numbers / 1e6 if holds == "times" else numbers
    if not values.map(lambda value: isinstance(value, kinds)).all():
        return None  # float(text) works too, and means something else
    try:
        if holds == "numbers":
            return values.to_numpy().astype(np.float64)
        # by their text: objects of several zones and kinds then read alike
        times = pd.to_datetime(values.map(str), format="ISO8601", utc=True)
    except (ValueError, TypeError, OverflowError):
        return None
    return times.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.float64) / 1e6
