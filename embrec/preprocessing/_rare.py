"""Items and users with few events."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from embrec._utils.compat import Interval, StrOptions
from embrec._utils.warn import warn
from embrec.data.ids import preview
from embrec.preprocessing._base import LogTransformer
from embrec.preprocessing._log import Log


def have_enough_events(
    users: np.ndarray, items: np.ndarray, min_user_events: int, min_item_events: int
) -> np.ndarray:
    """Mark the rows whose user and whose item have enough events, both counted on all rows.

    Parameters
    ----------
    users, items : ndarray of shape (n_events,), int
        Codes.
    min_user_events, min_item_events : int

    Returns
    -------
    ndarray of shape (n_events,), bool
    """
    enough = np.ones(len(users), dtype=bool)
    for codes, least in ((users, min_user_events), (items, min_item_events)):
        if least > 1:  # each has one
            enough &= (np.bincount(codes) >= least)[codes]
    return enough


def are_in_core(
    users: np.ndarray, items: np.ndarray, min_user_events: int, min_item_events: int
) -> np.ndarray:
    """Mark the rows that are left when `have_enough_events` is asked until nothing goes.

    What is left is the largest part of the log in which every user and every item has enough
    events, in whatever order rows go.

    Parameters
    ----------
    users, items : ndarray of shape (n_events,), int
        Codes.
    min_user_events, min_item_events : int

    Returns
    -------
    ndarray of shape (n_events,), bool
    """
    in_core = np.ones(len(users), dtype=bool)
    left = np.arange(len(users))
    while True:
        enough = have_enough_events(users, items, min_user_events, min_item_events)
        if enough.all():
            return in_core
        in_core[left[~enough]] = False
        left, users, items = left[enough], users[enough], items[enough]


class DropRare(LogTransformer):
    """Drop items and users with few events.

    `fit_transform` drops both from the log that a model is to learn from. `transform` keeps, of any
    log, the events of the items that are left in the log of `fit`, so that a model is asked about
    items that it has seen. It drops no user for a short history: whoever comes with one click wants
    a recommendation too. Users without an event of such an item have no row any more; a warning
    says how many they are. So ``fit_transform(log)`` is not ``fit(log).transform(log)``.

    Figures for users with enough events alone: drop rare ones before you split. Models that read
    content, as `EmbRecEstimator` does, also understand items that nobody has touched: give these
    ``min_item_events=0``, which leaves items alone.

    Parameters
    ----------
    min_item_events, min_user_events : int, default=5
        Events that an item, and a user, needs. ``min_item_events=0`` leaves items alone, also those
        that `fit` never saw.
    how : {"once", "core"}, default="once"
        "once" counts both on the log as it is, as the thesis does (section 3.3.1): what is left may
        have fewer. "core" counts again until nothing goes: the k-core.
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times: none may be missing, here as elsewhere. Counts do not need them.
    verbose : bool, default=False
        Whether `fit` prints what went, in one line.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Ids of the items that are left.
    summary_ : DataFrame
        Events, users and items of the log of `fit`: ``before``, ``after`` and ``change``, the
        share that went.

    See Also
    --------
    embrec.datasets.thesis_filter : The filter of the thesis, made of the same parts.
    KeepLast : Keep the last events of each user.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.preprocessing import DropRare
    >>> log = pd.DataFrame({"user": list("aabb"), "item": list("xyxz")})
    >>> rare = DropRare(min_item_events=2, min_user_events=2)
    >>> rare.fit_transform(log)
      user item
    0    a    x
    2    b    x
    >>> rare.summary_
            before  after    change
    events       4      2 -0.500000
    users        2      2  0.000000
    items        3      1 -0.666667
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LogTransformer._parameter_constraints,
        "min_item_events": [Interval(Integral, 0, None, closed="left")],
        "min_user_events": [Interval(Integral, 0, None, closed="left")],
        "how": [StrOptions({"once", "core"})],
    }

    def __init__(
        self,
        *,
        min_item_events: int = 5,
        min_user_events: int = 5,
        how: str = "once",
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        verbose: bool = False,
    ) -> None:
        self.min_item_events = min_item_events
        self.min_user_events = min_user_events
        self.how = how
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.verbose = verbose

    def _clean(self, log: Log, *, fitting: bool) -> Log:
        if not fitting:
            return self._of_kept_items(log)
        mark = have_enough_events if self.how == "once" else are_in_core
        enough = mark(log.users, log.items, self.min_user_events, self.min_item_events)
        if not enough.any():
            sizes = log.sizes()
            counted = "on the log as it is" if self.how == "once" else "until nothing goes"
            raise ValueError(
                f"Nothing is left of X, with {sizes['events']} events, {sizes['users']} users and "
                f"{sizes['items']} items: min_item_events={self.min_item_events} and "
                f"min_user_events={self.min_user_events}, counted {counted} (how={self.how!r}), "
                "are too high for it. Lower them."
            )
        left = log.where(enough)
        self.items_ = log.item_ids[np.bincount(left.items, minlength=len(log.item_ids)) > 0]
        return left

    def _of_kept_items(self, log: Log) -> Log:
        if self.min_item_events == 0:
            return log
        if (log.item_ids.dtype == object) != (self.items_.dtype == object):
            raise TypeError(
                f"X[{self.item_col!r}] holds ids such as {preview(log.item_ids[:1])}, and the log "
                f"of fit such as {preview(self.items_[:1])}: strings and integers are never equal. "
                "Convert one of them."
            )
        kept = (pd.Index(self.items_).get_indexer(log.item_ids) >= 0)[log.items]
        if not kept.any():
            raise ValueError(
                f"Nothing is left of X: none of its {len(log.item_ids)} items, such as "
                f"{preview(log.item_ids)}, is among the {len(self.items_)} that are left in the "
                f"log of fit (min_item_events={self.min_item_events}). Is it another shop's? "
                "min_item_events=0 leaves items alone."
            )
        left = np.bincount(log.users[kept], minlength=len(log.user_ids))
        if not left.all():
            lost = log.user_ids[left == 0]
            warn(
                f"{len(lost)} of {len(left)} users in X, such as {preview(lost)}, have no event of "
                f"an item that is left in the log of fit (min_item_events={self.min_item_events}). "
                "They have no row any more, and a recommender gives them no answer."
            )
        return log.where(kept)
