"""RetailRocket: what visitors of a shop viewed, put into the cart and bought."""

from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table

LOADER = "load_retailrocket"
EVENTS = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
PROPERTIES = ["timestamp", "itemid", "property", "value"]


def load_retailrocket(folder: str | Path) -> Dataset:
    """Load the RetailRocket data set from its unpacked folder.

    Reads ``events.csv``, ``item_properties_part1.csv``, ``item_properties_part2.csv`` and
    ``category_tree.csv``.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64, milliseconds
          since 1970), event (str: "view", "addtocart" or "transaction") and transactionid (str,
          missing but for transactions), one row per event, in the order of the file. The published
          file is not sorted by time.
        - ``items``: DataFrame with columns item, category ("root > ... > leaf" of category ids),
          available ("1" or "0") and properties (the values of all other properties, in the order of
          the file, with blanks between; words are hashed and numbers read "n5.000"). Of a property
          that changed, the **last** value counts, which may be later than an event.
        - ``n_malformed``: dict of file name to the number of rows without an id or time; a warning
          names the first of them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; says which function reads what is there.
    ValueError
        If a file has other columns, or the categories go round in a circle.

    References
    ----------
    "Retailrocket recommender system dataset", version 4 (2022), kaggle.com/datasets/retailrocket/
    ecommerce-dataset; columns and units as described there.
    """
    events = find_file(folder, ["events.csv"], LOADER)
    parts = [find_file(folder, [f"item_properties_part{n}.csv"], LOADER) for n in (1, 2)]
    tree = find_file(folder, ["category_tree.csv"], LOADER)
    malformed = [Malformed(path) for path in (events, *parts)]
    log = read_table(events, EVENTS, loader=LOADER)
    log = log.rename(columns={"visitorid": "user", "itemid": "item"})
    log = keep_valid(log, malformed[0], whole=["timestamp"])
    log["transactionid"] = log["transactionid"].mask(log["transactionid"] == "")
    properties = pd.concat(
        [
            keep_valid(
                read_table(path, PROPERTIES, loader=LOADER).rename(columns={"itemid": "item"}),
                bad,
                ids=["item", "property"],
                whole=["timestamp"],
            )
            for path, bad in zip(parts, malformed[1:], strict=True)
        ],
        ignore_index=True,
    )
    items = _items(properties, _category_paths(tree))
    kept = ["user", "item", "timestamp", "event", "transactionid"]
    return make_dataset(log[kept], items, malformed)


def _items(properties: pd.DataFrame, paths: pd.Series) -> pd.DataFrame:
    # stable: of two values of one time, the one further down is the later
    latest = properties.sort_values("timestamp", kind="stable")
    latest = latest.drop_duplicates(["item", "property"], keep="last").sort_index()
    category = latest[latest["property"] == "categoryid"].set_index("item")["value"]
    available = latest[latest["property"] == "available"].set_index("item")["value"]
    hashed = latest[~latest["property"].isin(["categoryid", "available"])]
    items = pd.DataFrame({"item": latest["item"].drop_duplicates()}).reset_index(drop=True)
    ids = items["item"].map(category)
    # a category that the tree lacks stays, without anything above it
    items["category"] = ids.map(paths).fillna(ids)
    items["available"] = items["item"].map(available)
    items["properties"] = items["item"].map(hashed.groupby("item")["value"].agg(" ".join))
    return items


def _category_paths(path: Path) -> pd.Series:
    """Path from the root, by category id."""
    tree = read_table(path, ["categoryid", "parentid"], loader=LOADER)
    parents = tree.drop_duplicates("categoryid").set_index("categoryid")["parentid"]
    paths, above = pd.Series(parents.index, index=parents.index, dtype=object), parents
    # one turn per level, for all categories at once
    for _ in range(len(parents) + 1):
        known = above != ""
        if not known.any():
            return paths
        paths = paths.mask(known, above + " > " + paths)
        above = above.map(parents).fillna("")
    raise ValueError(f"{path}: some category is above itself.")
