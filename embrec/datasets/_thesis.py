"""The thesis' filter (section 3.3.1 and its published code)."""

import numpy as np
import pandas as pd


def thesis_filter(
    interactions: pd.DataFrame,
    *,
    min_events: int = 5,
    max_events_per_user: int = 50,
    min_sequence_length: int = 3,
    user_col: str = "user",
    item_col: str = "item",
    timestamp_col: str | None = "timestamp",
) -> pd.DataFrame:
    """Filter a raw log as the thesis did.

    Users and items with fewer than ``min_events`` events go, both counted once, on the raw log
    (this is no k-core: what is left may have fewer). Then each user keeps the last events, and
    users with too few left go. Do not apply it to data that is filtered already.

    Parameters
    ----------
    interactions : DataFrame
        A log, one row per interaction.
    min_events : int, default=5
        Events that a user, and an item, needs in the raw log.
    max_events_per_user : int, default=50
        How many of the last events a user keeps; of equal times, those that come later in the log.
    min_sequence_length : int, default=3
        Events that a user needs in the end.
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
        If a column is missing.
    """
    user_events = interactions.groupby(user_col)[user_col].transform("size")
    item_events = interactions.groupby(item_col)[item_col].transform("size")
    kept = interactions[(user_events >= min_events) & (item_events >= min_events)]
    order = np.arange(len(kept))
    if timestamp_col is not None:
        order = np.argsort(kept[timestamp_col].to_numpy(), kind="stable")
    n_after = np.empty(len(kept), dtype=np.int64)
    n_after[order] = kept.iloc[order].groupby(user_col).cumcount(ascending=False).to_numpy()
    kept = kept[n_after < max_events_per_user]
    left = kept.groupby(user_col)[user_col].transform("size")
    return kept[left >= min_sequence_length]
