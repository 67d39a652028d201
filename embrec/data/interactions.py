"""Interactions: a log table, or a list of sequences, as flat arrays.

A sequence is stored once, as a stretch of one flat array; nothing is stored per prefix.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from embrec._utils.warn import warn
from embrec.data.events import Events, check_weights, events_of_log
from embrec.data.ids import IdIndex, check_ids, preview, short_repr
from embrec.data.ragged import Ragged
from embrec.data.tables import (
    check_table,
    column_values,
    columns_of_times,
    get_column,
    is_table,
    sort_keys,
)

DEFAULT_TIMESTAMP_COL = "timestamp"


@dataclass(frozen=True)
class LogColumns:
    """Names of the columns of a log.

    Parameters
    ----------
    user, item : str
    timestamp : str or None
    events : tuple of str or None
        Other columns that a store keeps, beside that of times; None keeps neither.
    """

    user: str = "user"
    item: str = "item"
    timestamp: str | None = DEFAULT_TIMESTAMP_COL
    events: tuple[str, ...] | None = None


class SortedLog(NamedTuple):
    """A log whose rows are grouped by user, each user's in time order.

    Parameters
    ----------
    order : ndarray of shape (n_events,), int64
        Positions of the rows, user after user.
    offsets : ndarray of shape (n_users + 1,), int64
        Where each user's events begin in ``order``.
    users : ndarray of shape (n_users,)
        User ids.
    items : ndarray of shape (n_events,)
        Item ids, in the order of the table.
    frame : narwhals.DataFrame
        The table.
    times : ndarray of shape (n_events,) or None
        What sorts in time order, in the order of the table.
    """

    order: np.ndarray
    offsets: np.ndarray
    users: np.ndarray
    items: np.ndarray
    frame: "nw.DataFrame[Any]"
    times: np.ndarray | None

    def events(self, columns: LogColumns) -> Events:
        """Return what the log says of its events, in the order of `order`."""
        others = self.frame.drop(columns.user, columns.item)
        return events_of_log(others, self.times, self.order, self.offsets)


def sort_log(X: Any, columns: LogColumns, *, what: str = "X") -> SortedLog:
    """Group the rows of a log by user, each user's rows in time order.

    Users stand in order of first appearance. The sort is stable: events of equal time keep the
    order of the rows.

    Parameters
    ----------
    X : table
        One row per interaction.
    columns : LogColumns
        Names of its columns.
    what : str, default="X"
        Name of ``X`` in error messages.

    Returns
    -------
    SortedLog

    Raises
    ------
    ValueError, TypeError
        If the table is empty, lacks a column, or holds missing ids or unsortable times.
    """
    frame, user_column, item_column, times = find_columns(X, columns, what=what)
    user_ids = check_ids(column_values(user_column), what=f"{what}[{columns.user!r}]")
    item_ids = check_ids(column_values(item_column), what=f"{what}[{columns.item!r}]")
    codes, users = pd.factorize(user_ids)
    order = time_order(codes, times)
    offsets = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=len(users)), out=offsets[1:])
    return SortedLog(order, offsets, np.asarray(users), item_ids, frame, times)


def find_columns(
    X: Any, columns: LogColumns, *, what: str = "X"
) -> tuple["nw.DataFrame[Any]", "nw.Series[Any]", "nw.Series[Any]", np.ndarray | None]:
    """Find the columns of a log.

    Parameters
    ----------
    X : table
    columns : LogColumns
        Names of its columns.
    what : str, default="X"
        Name of ``X`` in error messages.

    Returns
    -------
    frame : narwhals.DataFrame
        The table.
    users, items : narwhals.Series
        Its ids, unchecked.
    times : ndarray of shape (n_events,) or None
        What sorts in time order; None if the order of the rows is that of time.

    Raises
    ------
    ValueError, TypeError
        If the table is empty, lacks a column, or holds unsortable times.
    """
    frame = check_table(X, what=what)
    hint = "Name the columns of your log with user_col=, item_col= and timestamp_col=."
    if columns.item in frame.columns:
        hint += " If this is the catalogue, pass it as items=, and the log first."
    users = get_column(frame, columns.user, what=what, hint=hint)
    items = get_column(frame, columns.item, what=what, hint=hint)
    name = columns.timestamp
    if name is None:
        return frame, users, items, None
    # the default name may be absent, a name of the user's own may not
    if name not in frame.columns and name == DEFAULT_TIMESTAMP_COL:
        warn_of_unused_times(frame, columns)
        return frame, users, items, None
    times = sort_keys(get_column(frame, name, what=what, hint=hint), what=f"{what}[{name!r}]")
    return frame, users, items, times


def time_order(users: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """Positions of rows, user after user, each one's in time order.

    The sort is stable. Without times the order of the rows is the order of time.

    Parameters
    ----------
    users : ndarray of shape (n_events,), int
        Codes.
    times : ndarray of shape (n_events,) or None

    Returns
    -------
    ndarray of shape (n_events,), int64
    """
    return np.argsort(users, kind="stable") if times is None else np.lexsort((times, users))


def warn_of_unused_times(frame: "nw.DataFrame[Any]", columns: LogColumns) -> None:
    """Warn if there is no column of the default name, but another one that seems to hold times."""
    others = [name for name in frame.columns if name not in (columns.user, columns.item)]
    unused = columns_of_times(frame.select(others)) if others else []
    index = getattr(frame.to_native(), "index", None)
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) and not unused:
        warn(
            f"The log has no column {columns.timestamp!r}, so its rows are taken to be in order of "
            f"time, although its index holds times. Make a column of it: log.reset_index("
            f"names={columns.timestamp!r}); or pass timestamp_col=None if the order is right."
        )
    if unused:
        warn(
            f"The log has no column {columns.timestamp!r}, so its rows are taken to be in order of "
            f"time, although {unused} seems to hold times. Pass timestamp_col={unused[0]!r} (text "
            "and Python objects need pandas.to_datetime before that), or timestamp_col=None if "
            "the order of the rows is right."
        )


def read_sequences(
    X: Any,
    columns: LogColumns | None = None,
    *,
    what: str = "X",
    with_events: bool = False,
    weights: Any = None,
) -> tuple[Ragged, np.ndarray | None]:
    """Read interactions in either form that embrec takes.

    Parameters
    ----------
    X : table or collection of sequences
        A log, one row per interaction; or one sequence of item ids per user, oldest first.
    columns : LogColumns, optional
        Names of the log's columns.
    what : str, default="X"
        Name of ``X`` in error messages.
    with_events : bool, default=False
        Whether the sequences of a log keep what it says of its events.
    weights : array-like of shape (n_events,), optional
        How much each event counts, in the order of ``X``.

    Returns
    -------
    sequences : Ragged of item ids
        One row per user, in order of first appearance; ids are int64 or object. Those of a log
        are named after their users.
    users : ndarray of shape (n_users,) or None
        User ids, if ``X`` is a log.

    Raises
    ------
    ValueError, TypeError
        If ``X`` is empty or of another kind, or holds missing or mixed ids.
    """
    if is_table(X):
        columns = columns or LogColumns()
        log = sort_log(X, columns, what=what)
        events = log.events(columns) if with_events else None
        visitors = None if events is None else events.take(log.offsets[:-1])
        sequences = Ragged(log.items[log.order], log.offsets, log.users, events, visitors)
        return with_weights(sequences, weights, log.order), log.users
    return with_weights(_read_lists(X, what), weights), None


def with_weights(sequences: Ragged, weights: Any, order: np.ndarray | None = None) -> Ragged:
    """Say how much events count.

    Parameters
    ----------
    sequences : Ragged
    weights : array-like of shape (n_values,), or None
    order : ndarray of shape (n_values,), optional
        Which of the weights each value has, if not that of its own place.
    """
    found = check_weights(weights, len(sequences.values))
    if found is None:
        return sequences
    events = sequences.events or Events()
    found = found if order is None else found[order]
    return sequences.with_events(replace(events, weights=found))


def _read_lists(X: Any, what: str) -> Ragged:
    rows = _check_rows(X, what)
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    # Python's own types: faster to go through, and what users see again
    plain = [_python_values(row) for row in rows] if np.ndarray in set(map(type, rows)) else rows
    flat = list(chain.from_iterable(plain))
    return Ragged.from_lengths(check_ids(flat, what=what), lengths)


def _python_values(row: Any) -> Any:
    plain = isinstance(row, np.ndarray) and row.dtype.kind in "iuU"
    return row.tolist() if plain else row


def _check_rows(X: Any, what: str) -> Sequence[Any]:
    expected = (
        "expected a log table with one row per interaction, or a list of sequences of item ids, "
        "one sequence per user, such as [['B01', 'B07'], ['B42']]"
    )
    if isinstance(X, (str, bytes, Mapping)) or not isinstance(X, Collection):
        raise TypeError(f"{what}: {expected}; got {type(X).__name__}.")
    if isinstance(X, np.ndarray) and X.ndim == 2:  # what to_numpy() makes of a log
        raise TypeError(
            f"{what}: {expected}; got an array of shape {X.shape}, and nobody can tell whether its "
            f"rows are interactions or sequences. If {what} was a log, pass the table as it "
            f"is; if they are sequences, pass {what}.tolist()."
        )
    rows = list(X)
    if not rows:
        raise ValueError(f"{what} is empty: {expected}.")
    wrong = [kind for kind in dict.fromkeys(map(type, rows)) if not _is_row_type(kind)]
    if wrong:
        example = next(row for row in rows if type(row) is wrong[0])
        raise TypeError(
            f"{what}: {expected}; got a {type(X).__name__} that holds {short_repr(example)} of "
            f"type {wrong[0].__name__}. If it is one user's sequence, pass [{what}]."
        )
    return rows


def _is_row_type(kind: type) -> bool:
    unordered_or_text = (str, bytes, Mapping, Set)
    # iterating over a table gives the names of its columns
    is_a_table = kind.__name__ in ("DataFrame", "Table")
    return (
        issubclass(kind, Collection) and not issubclass(kind, unordered_or_text) and not is_a_table
    )


def encode(
    sequences: Ragged, ids: IdIndex, *, on_unknown: str = "raise", what: str = "X"
) -> Ragged:
    """Turn item ids into catalogue rows.

    Parameters
    ----------
    sequences : Ragged of item ids
        As `read_sequences` returns them.
    ids : IdIndex
        The catalogue's ids.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an id that the catalogue never had.
    what : str, default="X"
        Name of the sequences in error messages.

    Returns
    -------
    Ragged of int32
        Rows of the catalogue.

    Raises
    ------
    ValueError
        If there are unknown ids and ``on_unknown="raise"``.
    TypeError
        If these are strings and the catalogue's integers, or the other way round.
    """
    ids.check_kind(sequences.values, what=what)
    rows = ids.rows(sequences.values)
    unknown = rows < 0
    coded = sequences.with_values(rows.astype(np.int32))
    if not unknown.any():
        return coded
    if on_unknown == "skip":
        return coded.where(~unknown)
    missing = sequences.values[unknown]
    raise ValueError(
        f"{len(set(missing.tolist()))} item ids in {what} are not in the catalogue of {len(ids)} "
        f"items ({int(unknown.sum())} interactions): {preview(missing)}. Add their rows to items "
        "(or call add_items), or drop those interactions. If they are in the table you passed: "
        "scikit-learn's cross-validation slices a fit parameter that has as many rows as X; pass "
        "items=embrec.Whole(items) to hand it over whole."
    )
