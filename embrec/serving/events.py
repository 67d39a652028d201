"""What visitors' clicks say of themselves, as the featurizer of events reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import pandas as pd
import torch

from embrec.data.events import GAP, Events, as_seconds, with_gaps
from embrec.data.ids import short_repr
from embrec.data.tables import check_table, is_table, sort_keys
from embrec.network.events import EventTensors, to_event_tensors


class ReadsEvents(Protocol):
    """What makes features of a table of events."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it was fitted to; none if events are not read."""

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
    table, is_known = _as_table(users, [c for c in reader.columns if c != GAP], of_users=True)
    if len(is_known) != n:
        raise ValueError(f"Got {len(is_known)} users for {n} sessions; pass one for each, or None.")
    frame = nw.from_native(table, eager_only=True)
    blocks = reader.transform(with_gaps(frame, np.full(n, np.nan))) if is_known.any() else []
    return Events(np.where(is_known, np.arange(n), -1), None, blocks)


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
    table, is_known = _as_table(events, [c for c in reader.columns if c != GAP])
    if len(is_known) != n:
        raise ValueError(f"Got {len(is_known)} events for {n} items; pass one for each, or None.")
    if not is_known.any():
        return None, times
    now = _read_times(table, timestamp_col)
    gaps = now - times
    blocks = reader.transform(with_gaps(nw.from_native(table, eager_only=True), gaps))
    return to_event_tensors(blocks, is_known, device), np.where(np.isnan(now), times, now)


def _as_table(events: Any, columns: list[str], *, of_users: bool = False) -> tuple[Any, np.ndarray]:
    """Read events as a table of these columns, and say which of its rows are events.

    Or of users; a table of these need not have all columns of a log.
    """
    if is_table(events):
        frame = check_table(events, what="events")
        _check_names(frame.columns, columns, of_users)
        missing = [name for name in columns if name not in frame.columns]
        if missing and not of_users:
            raise ValueError(f"events has no column {missing}, which the log of fit had.")
        return frame.to_native(), np.ones(len(frame), dtype=bool)
    if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, Sequence):
        each = (
            "user (a dict or None) per session" if of_users else "event (a dict or None) per item"
        )
        raise TypeError(f"Expected one {each}; got {short_repr(events)}.")
    for event in events:
        if not isinstance(event, Mapping | None):
            who = "A user" if of_users else "An event"
            raise TypeError(
                f"{who} must be a dict of columns of the log, such as {{{columns[0]!r}: ...}}, or "
                f"None; got {short_repr(event)}."
            )
        _check_names(event or (), columns, of_users)
    records = [{name: (event or {}).get(name) for name in columns} for event in events]
    is_known = np.array([event is not None for event in events], dtype=bool)
    return pd.DataFrame.from_records(records, columns=columns), is_known


def _check_names(given: Any, columns: list[str], of_users: bool) -> None:
    unknown = [name for name in given if name not in columns]
    if unknown:
        raise ValueError(
            f"{'A user' if of_users else 'An event'} says {unknown[:5]}, which the log of fit had "
            f"no columns for; it had {columns}."
        )


def _read_times(table: Any, timestamp_col: str | None) -> np.ndarray:
    """Read when events were, in seconds: (n,) float64, NaN where it is not said."""
    frame = nw.from_native(table, eager_only=True)
    found = np.full(len(frame), np.nan)
    if timestamp_col not in frame.columns:
        return found
    column = frame[timestamp_col]
    is_there = ~column.is_null().to_numpy()
    if is_there.any():
        present = nw.from_native(nw.to_native(column.filter(is_there.tolist())), series_only=True)
        native = present.to_native()
        if isinstance(native, pd.Series):  # which may be of objects where others are missing
            present = nw.from_native(native.infer_objects(), series_only=True)
        found[is_there] = as_seconds(sort_keys(present, what=f"event[{timestamp_col!r}]"))
    return found
