"""Data sets from folders, in three parts: what tables of results are made from."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from _common import data_folder

from embrec.datasets import load_amazon2014, load_parquet_pair, thesis_filter
from embrec.model_selection import ColdUserSplit, TemporalSplit, leave_last_out_split

TEXT = ("title", "description", "brand", "categories", "actors")
SHARE = 0.1


@lru_cache(maxsize=1)
def load(
    folder: str,
    category: str | None,
    interactions: str,
    protocol: str,
    n_users: int | None = None,
    columns: tuple[str, ...] = (),
    n_events: int | None = None,
) -> tuple[Any, Any, Any, pd.DataFrame, list[str]]:
    """Load and split a data set: train, valid, test, items and its text columns.

    With ``n_events``, users and items are filtered as in the thesis, to so many events of a user.
    """
    path = Path(folder) if Path(folder).is_dir() else data_folder(folder)
    if category:
        data = load_amazon2014(path, category)
        log = thesis_filter(data.interactions)
    else:
        data = load_parquet_pair(path, interactions=interactions)
        log = data.interactions
    if n_events is not None:
        log = thesis_filter(log, max_events_per_user=n_events)
    if n_users is not None:
        log = log[log["user"].isin(log["user"].unique()[:n_users])]
    items = data.items[data.items["item"].isin(log["item"].unique())]
    text = list(columns) or [c for c in TEXT if c in items and items[c].notna().any()]
    missing = [c for c in text if c not in items]
    if missing or not text:
        sys.exit(
            f"No column {missing or list(TEXT)} among {list(items)}; name text with --columns."
        )
    items = items[["item", *text]].fillna(dict.fromkeys(text, ""))
    return *split(log, protocol), items, text


def split(log: pd.DataFrame, protocol: str) -> tuple[Any, Any, Any]:
    """Split a log in three."""
    if protocol == "leave-last-two-out":
        return leave_last_out_split(log)
    splitter: Any = ColdUserSplit(test_size=SHARE, random_state=0)
    if protocol == "temporal":
        splitter = TemporalSplit(test_size=SHARE)
    train, test = (log.iloc[rows] for rows in next(splitter.split(log)))
    train, valid = (train.iloc[rows] for rows in next(splitter.split(train)))
    return train, *(long_enough(part) for part in (valid, test))


def long_enough(log: pd.DataFrame) -> pd.DataFrame:
    """Keep the users with something to predict from."""
    return log[log["user"].map(log["user"].value_counts()) > 1]
