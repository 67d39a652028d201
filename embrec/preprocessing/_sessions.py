"""Long histories cut into sessions."""

from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import pandas as pd

from embrec.data.interactions import time_order
from embrec.data.tables import column_values, get_column
from embrec.preprocessing._base import LogTransformer
from embrec.preprocessing._log import Log
from embrec.preprocessing._spans import SPAN_TYPES, Span, are_further_apart

#: The gap where nothing says how to cut.
USUAL_GAP = "30min"


class SessionSplitter(LogTransformer):
    """Cut each user's history into sessions, and name a session in place of the user.

    The column of users then holds sessions: "ann/0", "ann/1" and so on, in order of their first
    events. So whatever comes after takes a session for a user: a recommender learns what comes next
    within a session, and answers for one. Who the user was stands in a new column. A name depends
    on nothing but the events of its user. `transform` cuts any log in the same way: nothing is
    learned, and no event goes.

    Parameters
    ----------
    gap : number, str, timedelta or None, default=None
        A session ends when more than this lies between an event and the next one. A number in the
        unit of the times if they are numbers (1800 for half an hour in seconds); for dates and
        datetimes a text such as "30min", or a timedelta. None is "30min", the usual choice
        ([1]_, for example); with ``session_col`` None is no limit.
    session_col : str or None, default=None
        Column that tells sessions apart: events of one user and one value are one session, though
        others lie between them. With a ``gap`` too, such a session is cut at gaps as well.
    visitor_col : str, default="visitor"
        Name of the new column, of users as they were.
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows, in which there are no gaps.
    verbose : bool, default=False
        Whether `fit` prints what became of users, in one line.

    Attributes
    ----------
    summary_ : DataFrame
        Events, users (sessions, after) and items of the log of `fit`: ``before``, ``after`` and
        ``change``.

    References
    ----------
    .. [1] M. Quadrana, A. Karatzoglou, B. Hidasi and P. Cremonesi, "Personalizing Session-based
       Recommendations with Hierarchical Recurrent Neural Networks", RecSys 2017. That sessions are
       what a recommender may learn from: B. Hidasi et al., "Session-based Recommendations with
       Recurrent Neural Networks", ICLR 2016.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.preprocessing import SessionSplitter
    >>> log = pd.DataFrame({"user": ["ann"] * 3, "item": list("xyz"), "timestamp": [0, 60, 9000]})
    >>> SessionSplitter(gap=1800).fit_transform(log)
        user item  timestamp visitor
    0  ann/0    x          0     ann
    1  ann/0    y         60     ann
    2  ann/1    z       9000     ann
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LogTransformer._parameter_constraints,
        "gap": [*SPAN_TYPES, None],
        "session_col": [str, None],
        "visitor_col": [str],
    }

    def __init__(
        self,
        *,
        gap: Span | None = None,
        session_col: str | None = None,
        visitor_col: str = "visitor",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        verbose: bool = False,
    ) -> None:
        self.gap = gap
        self.session_col = session_col
        self.visitor_col = visitor_col
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.verbose = verbose

    def _clean(self, log: Log, *, fitting: bool) -> Log:
        if self.visitor_col in log.frame.columns:
            raise ValueError(
                f"X has a column {self.visitor_col!r} already, perhaps since its sessions were cut "
                "before. Name another one for the users as they are, with visitor_col=."
            )
        sessions, users, numbers = self._cut(log)
        names = _names(log.user_ids, users, numbers)
        before = log.frame[self.user_col]
        frame = log.frame.with_columns(
            _rows_of(names, sessions, before), before.alias(self.visitor_col)
        )
        return Log(frame, sessions, log.items, names, log.item_ids, log.times)

    def _cut(self, log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Session of each row; user of each session, and its number among the user's."""
        groups, order = log.users, log.order
        if self.session_col is not None:
            groups = self._groups(log, self.session_col)
            order = time_order(groups, log.times)
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = groups[order[1:]] != groups[order[:-1]]
        gap = USUAL_GAP if self.gap is None and self.session_col is None else self.gap
        if gap is not None:
            begins[1:] |= are_further_apart(log.times, order, gap, name="gap", what="X")
        # number them by user, and by the time of their first events
        place = np.empty(len(order), dtype=np.int64)
        place[log.order] = np.arange(len(order))
        firsts = order[begins]
        by_user = np.argsort(place[firsts])
        rank = np.empty(len(firsts), dtype=np.int64)
        rank[by_user] = np.arange(len(firsts))
        sessions = np.empty(len(order), dtype=np.int64)
        sessions[order] = rank[np.cumsum(begins) - 1]
        users = log.users[firsts[by_user]]
        n_sessions = np.bincount(users, minlength=len(log.user_ids))
        return sessions, users, np.arange(len(users)) - (np.cumsum(n_sessions) - n_sessions)[users]

    def _groups(self, log: Log, session_col: str) -> np.ndarray:
        """Tell apart the pairs of a user and a value: shape (n_events,)."""
        column = get_column(log.frame, session_col, what="X", hint="Name it with session_col=.")
        values = column_values(column)
        missing = pd.isna(values)
        if missing.any():
            raise ValueError(
                f"X[{session_col!r}] is missing in {int(missing.sum())} of {len(values)} rows (the "
                f"first is row {int(missing.argmax())}); drop those rows or fill them in."
            )
        codes, unique = pd.factorize(values)
        return log.users * len(unique) + codes


def _names(user_ids: np.ndarray, users: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Write ``user/number``: shape (n_sessions,), object."""
    texts = user_ids if user_ids.dtype == object else user_ids.astype(str).astype(object)
    ends = "/" + np.arange(numbers.max() + 1).astype(str).astype(object)
    return texts[users] + ends[numbers]


def _rows_of(names: np.ndarray, codes: np.ndarray, like: "nw.Series[Any]") -> "nw.Series[Any]":
    """Return a column of the names of codes, for the table of another column."""
    native = like.to_native()
    if isinstance(native, pd.Series):
        # objects stay objects: pandas' own strings cannot hold all of Python's
        kind = object if native.dtype == object else None
        column = pd.Series(names, dtype=kind).take(codes)
        return nw.from_native(column, series_only=True).alias(like.name)
    return nw.new_series(like.name, names.tolist(), nw.String, backend=like.implementation)[codes]
