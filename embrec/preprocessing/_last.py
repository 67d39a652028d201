"""The last events of each user."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from embrec._utils.compat import Interval
from embrec.preprocessing._base import LogTransformer
from embrec.preprocessing._log import Log


def count_after(users: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Count for each row the later events of its user.

    Parameters
    ----------
    users : ndarray of shape (n_events,), int
        Codes.
    order : ndarray of shape (n_events,), int
        Positions of the rows by user and time.

    Returns
    -------
    ndarray of shape (n_events,), int64
        0 for a user's last event.
    """
    n_after = np.empty(len(users), dtype=np.int64)
    n_after[order] = np.cumsum(np.bincount(users))[users[order]] - np.arange(len(users)) - 1
    return n_after


class KeepLast(LogTransformer):
    """Keep the last events of each user.

    `transform` does the same to any log: nothing is learned. Every user keeps an event or more.

    A recommender that is asked with what comes out has seen no more than that: with
    ``exclude_seen=True`` it may recommend what is further back. To bound what training reads alone,
    use ``max_length`` of the recommender.

    Parameters
    ----------
    n : int, default=50
        Events that a user keeps; of equal times, those that come later in the log. The thesis has
        50 (section 3.3.1).
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
    DropRare : Drop items and users with few events.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.preprocessing import KeepLast
    >>> log = pd.DataFrame({"user": list("aaab"), "item": list("wxyz"), "timestamp": [1, 2, 3, 1]})
    >>> KeepLast(n=2).fit_transform(log)
      user item  timestamp
    1    a    x          2
    2    a    y          3
    3    b    z          1
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LogTransformer._parameter_constraints,
        "n": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n: int = 50,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        verbose: bool = False,
    ) -> None:
        self.n = n
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.verbose = verbose

    def _clean(self, log: Log, *, fitting: bool) -> Log:
        return log.where(count_after(log.users, log.order) < self.n)
