"""A log as codes, beside the table that it came from."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from embrec.data.ids import check_ids
from embrec.data.interactions import LogColumns, find_columns, time_order
from embrec.data.store import InteractionStore
from embrec.data.tables import column_values, is_table


@dataclass(frozen=True)
class Log:
    """A log, row for row.

    Parameters
    ----------
    frame : narwhals.DataFrame
        The table.
    users, items : ndarray of shape (n_events,), int64
        Positions in the ids.
    user_ids, item_ids : ndarray
        In order of first appearance; those of rows that were left out may be among them.
    times : ndarray of shape (n_events,) or None
        None if the order of the rows is the order of time.
    """

    frame: "nw.DataFrame[Any]"
    users: np.ndarray
    items: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    times: np.ndarray | None

    @cached_property
    def order(self) -> np.ndarray:
        """Positions of the rows, user after user, each one's in time order."""
        return time_order(self.users, self.times)

    def where(self, mask: np.ndarray) -> "Log":
        """Take the rows that a mask marks, in their order."""
        return replace(
            self,
            frame=self.frame[np.flatnonzero(mask)],
            users=self.users[mask],
            items=self.items[mask],
            times=None if self.times is None else self.times[mask],
        )

    def sizes(self) -> dict[str, int]:
        """How many events, users and items there are."""
        return {
            "events": len(self.users),
            "users": int(np.count_nonzero(np.bincount(self.users))),
            "items": int(np.count_nonzero(np.bincount(self.items))),
        }


def read(X: Any, columns: LogColumns, reader: str) -> Log:
    """Read a log table.

    Parameters
    ----------
    X : table
    columns : LogColumns
    reader : str
        Who reads, in error messages.

    Returns
    -------
    Log

    Raises
    ------
    TypeError
        If ``X`` is no table.
    ValueError, TypeError
        If it is empty, lacks a column, or holds missing ids or unsortable times.
    """
    if isinstance(X, InteractionStore):
        raise TypeError(
            f"{reader} transforms a log table in memory; got an InteractionStore. Transform the "
            "tables before the store is built: InteractionStore.from_tables takes what comes out."
        )
    if not is_table(X):
        message = (
            f"{reader} transforms a log table (pandas or polars DataFrame, or pyarrow Table); got "
            f"{type(X).__name__}."
        )
        if isinstance(X, (list, tuple)):
            message += (
                " Histories that are lists go to the recommender as they are: the last step of a "
                "Pipeline is pipeline[-1]."
            )
        raise TypeError(message)
    frame, user_column, item_column, times = find_columns(X, columns)
    users, user_ids = factorize_ids(user_column, f"X[{columns.user!r}]")
    items, item_ids = factorize_ids(item_column, f"X[{columns.item!r}]")
    return Log(frame, users, items, user_ids, item_ids, times)


def factorize_ids(column: "nw.Series[Any]", what: str) -> tuple[np.ndarray, np.ndarray]:
    """Give each id of a column a number.

    Parameters
    ----------
    column : narwhals.Series
    what : str
        Its name in error messages.

    Returns
    -------
    codes : ndarray of shape (n_rows,), int64
    ids : ndarray of shape (n_ids,)
        In order of first appearance, as `check_ids` returns them.
    """
    native = column.to_native()
    # pandas need not make an object of every row; where it has objects, 1 and True would be one id
    if isinstance(native, pd.Series) and native.dtype != object:
        codes, unique = pd.factorize(native)
        if (codes >= 0).all():
            values = column_values(nw.from_native(pd.Series(unique), series_only=True))
            return codes, check_ids(values, what=what)
    codes, unique = pd.factorize(check_ids(column_values(column), what=what))
    return codes, np.asarray(unique)
