"""From what a log says of its events to features of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from embrec.data.events import Events, stack
from embrec.data.ragged import Ragged
from embrec.data.stored_events import StoredEvents
from embrec.data.tables import MissingColumnError
from embrec.featurizers._blocks import fit_feature_blocks, transform_feature_blocks
from embrec.featurizers._default import default_event_featurizer

#: Events that a featurizer is fitted to, at most, and that it turns into features together.
FITTED, AT_A_TIME = 2**20, 2**18


class EventReader:
    """Makes features of rows of logs, with a featurizer that the first log fits.

    Parameters
    ----------
    featurizer : transformer, "auto" or None
        None: they are not read. "auto" is chosen by what the columns hold.
    fitted : transformer, optional
        The same, if it was fitted before.
    n_features : tuple of int
        Columns of its blocks, if it was.
    columns : dict of str to str
        Columns of the log that it was fitted to, if it was, and what pandas calls their types.
    timestamp_col : str or None, default=None
        The one with the times.
    parameter : str, default="event_featurizer"
        What it is called in messages.
    """

    def __init__(
        self,
        featurizer: Any,
        fitted: Any = None,
        n_features: tuple[int, ...] = (),
        columns: dict[str, str] | None = None,
        timestamp_col: str | None = None,
        parameter: str = "event_featurizer",
    ) -> None:
        self.featurizer = featurizer
        self.fitted = fitted
        self.n_features = n_features
        self.columns = columns or {}
        self.timestamp_col = timestamp_col
        self.parameter = parameter

    def __call__(self, events: Events | None, what: str = "X") -> Events | None:
        """Turn what a log says of its events, or its visitors, into features.

        Raises
        ------
        ValueError
            If the featurizer is to be fitted, and nothing is said; or if columns are missing.
        """
        if self.featurizer is None:
            weighs = events is not None and events.weights is not None
            return replace(events, table=None) if events is not None and weighs else None
        if events is not None and events.table is not None:
            try:
                return self._read(events)
            except MissingColumnError as error:
                raise self._lacking(events.table, what) from error
        if self.fitted is not None:
            return events
        raise ValueError(
            f"{self.parameter} reads columns of a log, and {what} has sequences of ids alone. "
            "Pass a table with one row per interaction, a store that was built with "
            f"event_cols=, or {self.parameter}=None."
        )

    def _read(self, events: Events) -> Events:
        if self.fitted is None:
            return self._fit(events)
        self._check_times(_take(events.table, slice(0, 1)))
        if events.rows is None:
            return replace(events, table=None, blocks=self.transform(events.table))
        is_known = events.rows >= 0
        used, places = np.unique(events.rows[is_known], return_inverse=True)
        rows = np.full(len(events.rows), -1)
        rows[is_known] = places
        if len(used) == 0:
            return replace(events, table=None, rows=rows)
        blocks = self.transform(_take(events.table, used))
        return replace(events, table=None, rows=rows, blocks=blocks)

    def _lacking(self, table: Any, what: str) -> MissingColumnError:
        present = set(_take(table, slice(0, 0)).columns)
        missing = [name for name in self.columns if name not in present]
        return MissingColumnError(
            f"{self.parameter} reads columns of a log. That of fit had {missing[:30]} too, which "
            f"{what} lacks. Add them, or pass sequences of ids, whose events are taken for unknown."
        )

    def _check_times(self, rows: pd.DataFrame) -> None:
        """Raise if times are of another kind than those of the log that it was fitted to."""
        name = self.timestamp_col
        if name in rows and name in self.columns:
            before, now = (kind_of_times(dtype) for dtype in (self.columns[name], rows[name].dtype))
            if before != now:
                raise ValueError(
                    f"The column {name!r} holds {now}, and that of the log of fit held {before}, "
                    "so gaps would not be of one unit. Convert it."
                )

    def _fit(self, events: Events) -> Events:
        n = len(events.table)
        rows = np.arange(n) if events.rows is None else np.unique(events.rows[events.rows >= 0])
        if len(rows) > FITTED:
            rows = rows[np.linspace(0, len(rows) - 1, FITTED).astype(np.int64)]
        some = _take(events.table, slice(0, n) if len(rows) == n else rows)
        featurizer = self.featurizer
        if isinstance(featurizer, str):
            featurizer = default_event_featurizer(some, self.timestamp_col)
        self.fitted, blocks = fit_feature_blocks(featurizer, some)
        self.n_features = tuple(block.shape[1] for block in blocks)
        self.columns = {name: str(dtype) for name, dtype in some.dtypes.items()}
        return replace(events, table=None, blocks=blocks) if len(rows) == n else self._read(events)

    def transform(self, table: Any) -> list[Any]:
        """Make features of rows of a table: one matrix per source."""
        parts = [
            transform_feature_blocks(self.fitted, part, n_features=self.n_features)
            for part in _parts(table)
        ]
        return [stack(of_source) for of_source in zip(*parts, strict=True)]


def kind_of_times(dtype: Any) -> str:
    """Tell numbers, datetimes and those with a zone apart by pandas' names of types."""
    name = str(dtype)
    if not name.startswith(("datetime64", "timestamp", "date")):
        return "durations" if name.startswith(("timedelta", "duration")) else "numbers"
    return "datetimes with a time zone" if "," in name or "tz=" in name else "datetimes"


class LogReader:
    """Reads what logs say of their events and of their visitors.

    Parameters
    ----------
    events, visitors : EventReader
    """

    def __init__(self, events: EventReader, visitors: EventReader) -> None:
        self.events = events
        self.visitors = visitors

    @classmethod
    def none(cls) -> "LogReader":
        """Read items alone."""
        return cls(EventReader(None), EventReader(None))

    def __call__(self, sequences: Ragged, what: str = "X") -> Ragged:
        """Turn what sequences say besides their items into features."""
        return replace(
            sequences,
            events=self.events(sequences.events, what),
            visitors=self.visitors(sequences.visitors, what),
        )

    def as_fitted(self) -> dict[str, Any]:
        """Return what a recommender keeps of it, by attribute."""
        return {
            "event_featurizer_": self.events.fitted,
            "user_featurizer_": self.visitors.fitted,
            "_event_columns": self.events.columns,
            "_user_columns": self.visitors.columns,
        }


def _take(table: Any, rows: Any) -> pd.DataFrame:
    """Read rows, as pandas: so what is missing looks alike, whatever library a log is of."""
    if isinstance(table, StoredEvents):
        return table[rows]
    frame = nw.from_native(table, eager_only=True)[rows]
    if isinstance(frame.to_native(), pd.DataFrame):
        return frame.to_native()
    try:
        return frame.to_pandas()
    except ModuleNotFoundError:  # polars wants pyarrow for that
        return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


def _parts(table: Any) -> Iterator[Any]:
    for start in range(0, len(table), AT_A_TIME):
        yield _take(table, slice(start, start + AT_A_TIME))
