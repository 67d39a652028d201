"""The thesis' filter (section 3.3.1 and its published code)."""

import numpy as np
import pandas as pd

from embrec.data.interactions import time_order
from embrec.data.tables import MissingColumnError
from embrec.preprocessing._last import count_after
from embrec.preprocessing._rare import have_enough_events


def thesis_filter(
    interactions: pd.DataFrame,
    *,
    min_user_events: int = 5,
    min_item_events: int = 5,
    max_events_per_user: int = 50,
    min_sequence_length: int = 3,
    user_col: str = "user",
    item_col: str = "item",
    timestamp_col: str | None = "timestamp",
) -> pd.DataFrame:
    """Filter a raw log as the thesis did.

    Users with fewer than ``min_user_events`` and items with fewer than ``min_item_events`` go, both
    counted once, on the raw log (this is no k-core: what is left may have fewer). Then each user
    keeps the last events, and users with too few left go. Do not apply it to data that is filtered
    already: it would count again, and drop more.

    `embrec.preprocessing` has the parts as transformers: ``DropRare``, ``KeepLast`` and ``DropRare(
    min_item_events=0, min_user_events=3)``, one after the other, leave the same.

    Parameters
    ----------
    interactions : DataFrame
        A log, one row per interaction.
    min_user_events, min_item_events : int, default=5
        Events that a user, and an item, needs in the raw log.
    max_events_per_user : int, default=50
        How many of the last events a user keeps; of equal times, those that come later in the log.
    min_sequence_length : int, default=3
        Events that a user needs in the end; the thesis tests users with 3 and trains on those
        with 4.
    user_col, item_col : str, default="user", "item"
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.

    Returns
    -------
    DataFrame
        The rows that are left, in their order and with their index.

    Raises
    ------
    KeyError
        If a column is missing. (A ValueError too.)
    ValueError
        If ids or times are missing, or ``max_events_per_user`` is less than 1.
    """
    if max_events_per_user < 1:
        raise ValueError(f"max_events_per_user must be at least 1; got {max_events_per_user}.")
    _check_columns(interactions, [user_col, item_col, *([timestamp_col] if timestamp_col else [])])
    users, items = (pd.factorize(interactions[column])[0] for column in (user_col, item_col))
    times = None
    if timestamp_col is not None:
        # ranks: numpy cannot sort times with a zone
        times, _ = pd.factorize(interactions[timestamp_col], sort=True)
    left = np.flatnonzero(have_enough_events(users, items, min_user_events, min_item_events))
    order = time_order(users[left], None if times is None else times[left])
    left = left[count_after(users[left], order) < max_events_per_user]
    left = left[have_enough_events(users[left], items[left], min_sequence_length, 0)]
    return interactions.iloc[left]


def _check_columns(interactions: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if column not in interactions.columns:
            raise MissingColumnError(
                f"interactions has no column {column!r}; its columns are "
                f"{list(interactions.columns)}. Name yours with user_col=, item_col= and "
                "timestamp_col= (None takes the order of the rows)."
            )
        n_missing = int(interactions[column].isna().sum())
        if n_missing:
            raise ValueError(
                f"interactions[{column!r}] is missing in {n_missing} of {len(interactions)} rows; "
                "drop those rows or fill them in."
            )
