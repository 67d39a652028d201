"""What visitors' clicks say of themselves, as the featurizer of events reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import pandas as pd
import torch

from embrec.data.events import GAP, Events, as_seconds
from embrec.data.ids import short_repr
from embrec.data.tables import check_table, is_table, sort_keys
from embrec.network.events import EventTensors, to_event_tensors


class ReadsEvents(Protocol):
    """What makes features of a table of events."""

    @property
    def columns(self) -> dict[str, str]:
        """Columns that it was fitted to, and their types; none if events are not read."""

    def transform(self, table: Any) -> list[Any]:
        """Make features: one matrix of shape (n_rows, n_features) per source."""


class ReadsLogs(Protocol):
    """What makes features of events, and of visitors."""

    @property
    def events(self) -> ReadsEvents:
        """That of events."""

    @property
    def visitors(self) -> ReadsEvents:
        """That of visitors."""


def read_visitors(reader: ReadsEvents, users: Any, n: int) -> Events:
    """Turn what is said of visitors, one each, into features.

    Parameters
    ----------
    reader : ReadsEvents
    users : list of n dict or None, or table of n rows
        Columns of the log by name; what a dict lacks is missing. None: nothing is known of one.
    n : int
        How many visitors there are.

    Returns
    -------
    Events
        One per visitor.

    Raises
    ------
    TypeError, ValueError
        If visitors are not read, there are not ``n`` of them, or they have other columns.
    """
    if not reader.columns:
        raise ValueError(
            f"This model knows nothing of visitors, and got {short_repr(users)}. Fit it with "
            "user_featurizer=, or leave that out."
        )
    table, is_known = _as_table(users, _without_gap(reader.columns), of_users=True)
    if len(is_known) != n:
        raise ValueError(f"Got {len(is_known)} users for {n} sessions; pass one for each, or None.")
    rows = np.where(is_known, np.cumsum(is_known) - 1, -1)
    if not is_known.any():
        return Events(rows)
    gaps = np.full(len(table), np.nan)
    return Events(rows, None, reader.transform(table.assign(**{GAP: gaps})))


def read_clicks(
    reader: ReadsEvents,
    events: Any,
    n: int,
    timestamp_col: str | None,
    times: np.ndarray,
    device: torch.device,
) -> tuple[EventTensors | None, np.ndarray]:
    """Turn what is said of clicks, one each, into features.

    Parameters
    ----------
    reader : ReadsEvents
    events : list of n dict or None, or table of n rows
        Columns of the log by name; what a dict lacks is missing. None: nothing is known of it.
    n : int
        How many clicks there are.
    timestamp_col : str or None
        The column that says when each was.
    times : ndarray of shape (n,), float64
        When each visitor's event before was, in seconds; NaN if that is not known.
    device : torch.device

    Returns
    -------
    tensors : EventTensors or None
        None if nothing is known of any.
    times : ndarray of shape (n,), float64
        When each visitor's last event with a time was.

    Raises
    ------
    TypeError, ValueError
        If events are not read, there are not ``n`` of them, or they have other columns.
    """
    if not reader.columns:
        raise ValueError(
            f"This model reads items alone, and got an event: {short_repr(events)}. Fit it with "
            "event_featurizer=, or leave the event out."
        )
    table, is_known = _as_table(events, _without_gap(reader.columns))
    if len(is_known) != n:
        raise ValueError(f"Got {len(is_known)} events for {n} items; pass one for each, or None.")
    if not is_known.any():
        return None, times
    now = np.full(n, np.nan)
    now[is_known] = _read_times(table, timestamp_col)
    blocks = reader.transform(table.assign(**{GAP: (now - times)[is_known]}))
    rows = np.maximum(np.cumsum(is_known) - 1, 0)  # any features where nothing is known
    tensors = to_event_tensors([block[rows] for block in blocks], is_known, device)
    return tensors, np.where(np.isnan(now), times, now)


def _without_gap(columns: dict[str, str]) -> dict[str, str]:
    return {name: dtype for name, dtype in columns.items() if name != GAP}


def _as_table(
    events: Any, columns: dict[str, str], *, of_users: bool = False
) -> tuple[pd.DataFrame, np.ndarray]:
    """Read events as a table of these columns, and say for which of them it has rows.

    Or users; a table of these need not have all columns of a log.
    """
    if is_table(events):
        frame = check_table(events, what="users" if of_users else "events")
        _check_names(frame.columns, columns, of_users)
        missing = [name for name in columns if name not in frame.columns]
        if missing and not of_users:
            raise ValueError(f"events has no column {missing}, which the log of fit had.")
        events = [
            dict(zip(frame.columns, row, strict=True)) for row in frame.iter_rows(named=False)
        ]
    if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, Sequence | np.ndarray):
        each = "user (dict or None) per session" if of_users else "event (dict or None) per item"
        raise TypeError(f"Expected one {each}; got {short_repr(events)}.")
    for event in events:
        if not isinstance(event, Mapping | None):
            who = "A user" if of_users else "An event"
            raise TypeError(
                f"{who} must be a dict of columns of the log, such as {{{next(iter(columns))!r}: "
                f"...}}, or None; got {short_repr(event)}."
            )
        _check_names(event or (), columns, of_users)
    is_known = np.array([event is not None for event in events], dtype=bool)
    known = [event for event in events if event is not None]
    values = {name: [event.get(name) for event in known] for name in columns}
    return pd.DataFrame({n: _as_column(n, v, columns[n]) for n, v in values.items()}), is_known


def _as_column(name: str, values: list[Any], dtype: str) -> pd.Series:
    """Make a column of the type that it had in fit, so that what is missing looks the same."""
    plain = [None if value is pd.NA else value for value in values]
    if dtype.startswith(("int", "uint")) and any(value is None for value in plain):
        dtype = "float64"
    try:
        return pd.Series(plain, dtype=dtype)
    except OverflowError as error:
        raise ValueError(
            f"event[{name!r}] must be of the kind {dtype}, as in the log of fit; got "
            f"{short_repr(values)}, in which a number is too large for it."
        ) from error
    except (TypeError, ValueError):  # of another kind: the featurizer's matter
        return pd.Series(plain)


def _check_names(given: Any, columns: dict[str, str], of_users: bool) -> None:
    unknown = [name for name in given if name not in columns]
    if unknown:
        raise ValueError(
            f"{'A user' if of_users else 'An event'} says {unknown[:5]}, which the log of fit had "
            f"no columns for; it had {list(columns)}."
        )


def _read_times(table: pd.DataFrame, timestamp_col: str | None) -> np.ndarray:
    """Read when events were, in seconds: (n,) float64, NaN where it is not said."""
    found = np.full(len(table), np.nan)
    if timestamp_col not in table:
        return found
    is_there = table[timestamp_col].notna().to_numpy()
    if is_there.any():
        present = table.loc[is_there, timestamp_col].infer_objects()
        keys = sort_keys(
            nw.from_native(present, series_only=True), what=f"event[{timestamp_col!r}]"
        )
        found[is_there] = as_seconds(keys)
    if np.isinf(found).any():
        raise ValueError(f"event[{timestamp_col!r}] must be a finite time; got {found.tolist()}.")
    return found
