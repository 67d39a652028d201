"""Events that repeat the one before."""

from typing import Any, ClassVar

import numpy as np

from embrec.preprocessing._base import LogTransformer
from embrec.preprocessing._log import Log
from embrec.preprocessing._spans import SPAN_TYPES, Span, are_further_apart


class DropRepeats(LogTransformer):
    """Drop events of the same item as the user's event before: clicks that were logged twice.

    Of events in a row that are of one item, the first stays. `transform` does the same to any log:
    nothing is learned, and every user keeps an event or more.

    Parameters
    ----------
    within : number, str, timedelta or None, default=None
        Drop a repeat only if no more than this lies between it and the event before, which may
        itself be a repeat. A number in the unit of the times if they are numbers; for dates and
        datetimes a text such as "10s", or a timedelta. 0 drops what has the same time. None drops
        all repeats.
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.
    verbose : bool, default=False
        Whether `fit` prints what went, in one line.

    Attributes
    ----------
    summary_ : DataFrame
        Events, users and items of the log of `fit`: ``before``, ``after`` and ``change``, the
        share that went.

    See Also
    --------
    embrec.RepeatedEventsWarning : What `fit` of a recommender warns with, where many events repeat.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.preprocessing import DropRepeats
    >>> log = pd.DataFrame({"user": list("aaab"), "item": list("xxyy"), "timestamp": [1, 2, 9, 9]})
    >>> DropRepeats().fit_transform(log)
      user item  timestamp
    0    a    x          1
    2    a    y          9
    3    b    y          9
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LogTransformer._parameter_constraints,
        "within": [*SPAN_TYPES, None],
    }

    def __init__(
        self,
        *,
        within: Span | None = None,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        verbose: bool = False,
    ) -> None:
        self.within = within
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.verbose = verbose

    def _clean(self, log: Log, *, fitting: bool) -> Log:
        order = log.order
        users, items = log.users[order], log.items[order]
        repeated = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
        if self.within is not None:
            repeated &= ~are_further_apart(log.times, order, self.within, name="within", what="X")
        kept = np.ones(len(order), dtype=bool)
        kept[order[1:][repeated]] = False
        return log.where(kept)
