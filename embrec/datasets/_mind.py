"""MIND, the Microsoft News data set."""

from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table, unix_time

LOADER = "load_mind"
BEHAVIORS = ["impression_id", "user", "time", "history", "impressions"]
NEWS = [
    "item",
    "category",
    "subcategory",
    "title",
    "abstract",
    "url",
    "title_entities",
    "abstract_entities",
]


def load_mind(folder: str | Path) -> Dataset:
    """Load a part of MIND (train or dev, small or large) from its unpacked folder.

    Reads ``behaviors.tsv`` and ``news.tsv``: tabs, no header, quotation marks are part of the text.

    Parameters
    ----------
    folder : str or Path
        Folder that holds both files, for example ``MINDsmall_train``.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64, seconds since
          1970, the published time taken as UTC) and source (str), one row per click. First, source
          "history": the clicks before a user's first impression, in their order; the file does not
          say when they were, so they have the time of that impression. Then, source "impression":
          the clicked news of each impression. Those of one impression have no known order. News
          that were shown and not clicked are no interactions.
        - ``items``: DataFrame with columns item, category, subcategory, title, abstract, url,
          title_entities and abstract_entities (str; the last two JSON).
        - ``n_malformed``: dict of file name to the number of lines without a user or item, or with
          a time that is none; a warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; says which function reads what is there.
    ValueError
        If a file has another number of columns (early releases had), or if the impressions say
        nothing of clicks, as in the test part.

    References
    ----------
    F. Wu et al., "MIND: A Large-scale Dataset for News Recommendation", ACL 2020; the layout is
    that of github.com/msnews/msnews.github.io, assets/doc/introduction.md (2026).
    """
    behaviors = find_file(folder, ["behaviors.tsv"], LOADER)
    news = find_file(folder, ["news.tsv"], LOADER)
    bad_behaviors, bad_news = Malformed(behaviors), Malformed(news)
    table = read_table(behaviors, BEHAVIORS, loader=LOADER, sep="\t", header=False, quoted=False)
    table["timestamp"] = unix_time(table["time"], "%m/%d/%Y %I:%M:%S %p", "s")
    table = keep_valid(
        table, bad_behaviors, ids=["user", "timestamp"], whole=["timestamp"], first_line=1
    )
    items = read_table(news, NEWS, loader=LOADER, sep="\t", header=False, quoted=False)
    items = keep_valid(items, bad_news, ids=["item"], first_line=1)
    log = pd.concat([_history(table), _impressions(table, behaviors)], ignore_index=True)
    return make_dataset(log, items, [bad_behaviors, bad_news])


def _history(table: pd.DataFrame) -> pd.DataFrame:
    first = table.sort_values("timestamp", kind="stable").drop_duplicates("user")
    first = first[first["history"] != ""]
    return _clicks(first, first["history"].str.split(), "history")


def _impressions(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    shown = table["impressions"]
    if not shown.str.contains(r"-[01](?:\s|$)", regex=True).any():
        raise ValueError(
            f"{path}: the impressions don't say what was clicked (N1-1 N2-0); got "
            f"{shown.iloc[0][:40]!r}, as in the test part. Load the train or the dev part."
        )
    return _clicks(table, shown.str.findall(r"\S+(?=-1(?!\S))"), "impression")


def _clicks(rows: pd.DataFrame, items: pd.Series, source: str) -> pd.DataFrame:
    clicks = rows[["user", "timestamp"]].assign(item=items, source=source).explode("item")
    clicks = clicks.loc[clicks["item"].notna(), ["user", "item", "timestamp", "source"]]
    return clicks.astype({"item": rows["user"].dtype})
