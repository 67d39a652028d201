"""Diginetica: the item views of the CIKM Cup 2016, track 2."""

from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table, to_float, unix_time

LOADER = "load_diginetica"
VIEWS = ["sessionId", "userId", "itemId", "timeframe", "eventdate"]


def load_diginetica(folder: str | Path) -> Dataset:
    """Load the item views of the Diginetica data set from its unpacked folder.

    Reads ``train-item-views.csv``, ``products.csv`` and ``product-categories.csv``: semicolons.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user (the session, str), item (str), timestamp
          (int64, milliseconds since 1970: midnight UTC of ``eventdate`` and ``timeframe`` after it)
          and userId (str, missing where the file says NA), one row per view, in the order of the
          file, which is not that of time. ``timeframe`` counts from the first query of the session,
          so times order views within a session; between sessions they tell the day, no more.
        - ``items``: DataFrame with columns item, pricelog2 (float64), product.name.tokens (str:
          hashed words, "12,345") and categoryId (str; several joined by ";").
        - ``n_malformed``: dict of file name to the number of rows without an id or time; a warning
          names the first of them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; says which function reads what is there.
    ValueError
        If a file has other columns, or commas in place of semicolons.

    References
    ----------
    CIKM Cup 2016, track 2, "Personalized E-Commerce Search Challenge",
    competitions.codalab.org/competitions/11161; columns and units as described there.
    """
    names = ["train-item-views.csv", "products.csv", "product-categories.csv"]
    views, products, categories = (find_file(folder, [name], LOADER) for name in names)
    malformed = [Malformed(path) for path in (views, products, categories)]
    log = read_table(views, VIEWS, loader=LOADER, sep=";", quoted=False)
    log = log.rename(columns={"sessionId": "user", "itemId": "item"})
    log["day"] = unix_time(log["eventdate"], "%Y-%m-%d", "ms")
    log = keep_valid(log, malformed[0], ids=["user", "item", "day"], whole=["timeframe", "day"])
    log["timestamp"] = log["day"] + log["timeframe"]
    log["userId"] = log["userId"].mask(log["userId"].isin(["NA", ""]))
    items = _items(products, categories, malformed[1:])
    return make_dataset(log[["user", "item", "timestamp", "userId"]], items, malformed)


def _items(products: Path, categories: Path, malformed: list[Malformed]) -> pd.DataFrame:
    columns = ["itemId", "pricelog2", "product.name.tokens"]
    items = read_table(products, columns, loader=LOADER, sep=";", quoted=False)
    items = keep_valid(items.rename(columns={"itemId": "item"}), malformed[0], ids=["item"])
    items["pricelog2"] = to_float(items, "pricelog2", products)
    pairs = read_table(categories, ["itemId", "categoryId"], loader=LOADER, sep=";", quoted=False)
    pairs = keep_valid(pairs.rename(columns={"itemId": "item"}), malformed[1], ids=["item"])
    of_item = pairs.drop_duplicates().groupby("item", sort=False)["categoryId"].agg(";".join)
    described = items["item"].drop_duplicates()
    extra = pd.DataFrame({"item": of_item.index[~of_item.index.isin(described)]})
    items = pd.concat([items, extra], ignore_index=True)
    items["categoryId"] = items["item"].map(of_item)
    return items
