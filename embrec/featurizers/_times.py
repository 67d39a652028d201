"""When an event was, and how long after the one before."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import fit_context
from embrec._utils.pickles import Versioned
from embrec.data.events import GAP
from embrec.data.tables import check_table, get_column, with_known_zone

#: Steps that gaps are divided into, evenly on a logarithmic scale.
N_STEPS = 16
#: Units that numbers may count since 1970, per second, and the years they then lie in.
_UNITS = (1, 10**3, 10**6, 10**9)
_EARLIEST, _LATEST = 631_152_000, 4_102_444_800
_SIZES = {"gap": N_STEPS + 2, "hour": 24, "weekday": 7}


class TimeFeaturizer(TransformerMixin, Versioned, BaseEstimator):
    """Which step of a logarithmic scale the gap before an event is on, its hour and its weekday.

    For ``event_featurizer=``: it reads the time column of a log and ``gap``, the time since the
    visitor's event before, which is there then. Each part is one of so many, as zeros and a one: 16
    steps between the first and the last percentile of the gaps of ``fit``, and one each for gaps of
    nothing and for first events; 24 hours; 7 days. Of an event without a time each part is as it is
    on average.

    Parameters
    ----------
    parts : list of or one of {"gap", "hour", "weekday"}, default=("gap", "hour", "weekday")
        What is read. The last two need moments: datetimes, or numbers since 1970 in seconds,
        milliseconds, microseconds or nanoseconds. Those that have a zone are read in UTC.
    timestamp_col : str, default="timestamp"
        Column of the log with the times.

    Attributes
    ----------
    edges_ : ndarray of shape (16,), float64
        Where steps of gaps end.
    means_ : dict of str to ndarray
        What each part is on average.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.featurizers import TimeFeaturizer
    >>> events = pd.DataFrame({
    ...     "timestamp": pd.to_datetime(["2024-01-01 09:00", "2024-01-02 10:00"]),
    ...     "gap": [None, 90_000.0],
    ... })
    >>> times = TimeFeaturizer(parts=["hour", "weekday"]).fit_transform(events)
    >>> times.shape, times.nonzero()[1].tolist()
    ((2, 31), [9, 24, 10, 25])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "parts": [str, "array-like"],
        "timestamp_col": [str],
    }

    def __init__(
        self,
        parts: Sequence[str] = ("gap", "hour", "weekday"),
        *,
        timestamp_col: str = "timestamp",
    ) -> None:
        self.parts = parts
        self.timestamp_col = timestamp_col

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: object = None) -> Self:
        """Learn how gaps are spread, and what the parts are on average.

        Parameters
        ----------
        X : table
            Events, with `gap` and the time column.
        y : None
            Ignored.

        Returns
        -------
        TimeFeaturizer

        Raises
        ------
        ValueError, TypeError
            If a part is none of the three, a column is missing, or its values are no times.
        """
        parts = self._checked_parts()
        frame = check_table(X, what="X")
        gaps = _gaps(frame) if "gap" in parts else np.empty(0)
        positive = gaps[gaps > 0]
        if "gap" in parts and not len(positive):
            raise ValueError(
                "No event comes later than the one before it, so gaps tell nothing. Name the time "
                "column with timestamp_col= of the model, or leave 'gap' out of parts."
            )
        if len(positive):
            low, high = np.quantile(positive, [0.01, 0.99])
            self.edges_ = np.geomspace(low, max(high, low * 2), N_STEPS)
        self.means_ = {}
        for part in parts:
            places = self._places(part, frame)
            counts = np.bincount(places[places >= 0], minlength=_SIZES[part])
            self.means_[part] = (counts / max(1, counts.sum())).astype(np.float32)
        self.n_features_in_ = len(frame.columns)
        return self

    def transform(self, X: Any) -> sp.csr_array:
        """Tell when events were.

        Parameters
        ----------
        X : table
            Events, with the columns of ``fit``.

        Returns
        -------
        csr_array of shape (n_events, n_columns), float32
        """
        check_is_fitted(self)
        frame = check_table(X, what="X")
        blocks = [self._block(part, self._places(part, frame)) for part in self.means_]
        return sp.csr_array(sp.hstack(blocks, format="csr"))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = []
        for part in self.means_:
            kinds = [str(number) for number in range(_SIZES[part])]
            if part == "gap":
                kinds = ["first", "none", *(f"up to {edge:.3g}" for edge in self.edges_)]
            names += [f"{part} {kind}" for kind in kinds]
        return np.array(names, dtype=object)

    def _checked_parts(self) -> list[str]:
        parts = [self.parts] if isinstance(self.parts, str) else list(self.parts)
        if not parts or len(set(parts)) < len(parts) or not set(parts) <= set(_SIZES):
            raise ValueError(
                f"parts must be some of {list(_SIZES)}, each once; got {self.parts!r}."
            )
        return parts

    def _places(self, part: str, frame: "nw.DataFrame[Any]") -> np.ndarray:
        """Say which column of a part each event has: (n,) int64, -1 if nothing is known."""
        if part == "gap":
            gaps = _gaps(frame)
            places = 2 + np.searchsorted(self.edges_[:-1], gaps, side="left")
            places[gaps <= 0] = 1
            places[np.isnan(gaps)] = 0
            if self.timestamp_col in frame.columns:
                is_missing = frame[self.timestamp_col].is_null().to_numpy()
                places[np.isnan(gaps) & is_missing] = -1
            return places
        seconds = _seconds(frame, self.timestamp_col)
        known = np.isfinite(seconds)
        places = np.full(len(seconds), -1)
        hours = np.floor(seconds[known] / 3600).astype(np.int64)
        # 1970 began on a Thursday, and weeks begin on Monday
        places[known] = hours % 24 if part == "hour" else (hours // 24 + 3) % 7
        return places

    def _block(self, part: str, places: np.ndarray) -> Any:
        n, size = len(places), _SIZES[part]
        known = np.flatnonzero(places >= 0)
        ones = np.ones(len(known), dtype=np.float32)
        block = sp.csr_array((ones, (known, places[known])), shape=(n, size))
        missing = (places < 0).astype(np.float32)
        if missing.any():
            means = sp.csr_array(self.means_[part][None])
            block = block + sp.csr_array(missing[:, None]) @ means
        return block


def _gaps(frame: "nw.DataFrame[Any]") -> np.ndarray:
    hint = "Event featurizers get it beside the columns of the log."
    column = get_column(frame, GAP, what="X", hint=hint)
    return np.array([np.nan if v is None else v for v in column.to_list()], dtype=np.float64)


def _seconds(frame: "nw.DataFrame[Any]", name: str) -> np.ndarray:
    """Read moments as seconds since 1970: (n,) float64, NaN where there is none."""
    hint = "Name the column with timestamp_col=, or read parts=['gap'] alone."
    column = with_known_zone(get_column(frame, name, what="X", hint=hint))
    if column.is_null().all():
        return np.full(len(column), np.nan)
    if isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if isinstance(column.dtype, nw.Datetime) or column.dtype == nw.Date:
        micros = column.cast(nw.Datetime("us")).dt.timestamp("us").to_numpy()
        return np.where(column.is_null().to_numpy(), np.nan, micros.astype(np.float64) / 1e6)
    if not column.dtype.is_numeric():
        raise TypeError(f"X[{name!r}] has dtype {column.dtype}, which holds no moments. {hint}")
    numbers = column.to_numpy().astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    for unit in _UNITS:
        if ((known >= _EARLIEST * unit) & (known < _LATEST * unit)).all():
            return numbers / unit
    raise ValueError(
        f"X[{name!r}] holds numbers that are no moments since 1970 (the first is {known[0]:g}), so "
        "they have no hour and no weekday. Pass datetimes, or read parts=['gap'] alone."
    )
