"""The raw files of the Amazon Reviews 2023 data (Hou et al., 2024)."""

from pathlib import Path
from typing import Any

import pandas as pd

from embrec.datasets._amazon import (
    Event,
    make_event,
    read_id,
    read_items,
    read_log,
    read_number,
    read_paths,
    read_text,
)
from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed, parse_dict
from embrec.datasets._releases import check_record, find_file
from embrec.datasets._tables import count_malformed, keep_valid, read_table

LOADER = "load_amazon2023"
CONTENT = ["title", "description", "features", "categories", "main_category", "store", "price"]
RATINGS = {"user_id": "user", "parent_asin": "item", "timestamp": "timestamp", "rating": "rating"}


def load_amazon2023(folder: str | Path, category: str) -> Dataset:
    """Load a category of the Amazon Reviews 2023 data from its raw files.

    Reads ``<category>.jsonl``, or ``<category>.csv`` (ratings, with a header), whichever is there,
    in this order; and ``meta_<category>.jsonl``. Each may be gzipped.

    An item is a ``parent_asin``: colours and sizes of a product have one, and the metadata are
    theirs.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.
    category : str
        As in the names of the files, for example ``"All_Beauty"``.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64,
          **milliseconds** since 1970; those of 2014 and 2018 are seconds) and rating (float64), one
          row per review, in the order of the file.
        - ``items``: DataFrame with columns item, title, description, features, categories
          ("A > B"), main_category, store (str, missing where unknown), price (float64) and
          image_url (the first, large). HTML entities are unescaped. Of an item described twice the
          first description counts. A reviewed item without metadata is a row without content.
        - ``n_malformed``: dict of file name to the number of lines that could not be read; a
          warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; says which function reads what is there.
    ValueError
        If the files are those of another release, damaged, or without one readable line.

    References
    ----------
    Y. Hou et al., "Bridging Language and Items for Retrieval and Recommendation", arXiv:2403.03952;
    the layout is that of amazon-reviews-2023.github.io.
    """
    reviews = find_file(folder, [f"{category}.jsonl", f"{category}.csv"], LOADER)
    metadata = find_file(folder, [f"meta_{category}.jsonl"], LOADER)
    check_record(metadata, ["parent_asin"], LOADER)
    bad_reviews, bad_metadata = Malformed(reviews), Malformed(metadata)
    if ".csv" in reviews.suffixes:
        log = read_table(reviews, list(RATINGS), loader=LOADER).rename(columns=RATINGS)
        log = keep_valid(log, bad_reviews, whole=["timestamp"], real=["rating"])
        log = log[list(RATINGS.values())]
    else:
        check_record(reviews, ["user_id", "parent_asin", "timestamp"], LOADER)
        log = read_log(reviews, _review, bad_reviews)
    reviewed = pd.unique(log["item"]).tolist()
    items = read_items(metadata, _item, [*CONTENT, "image_url"], bad_metadata, reviewed)
    return count_malformed(log, items, [bad_reviews, bad_metadata])


def _review(line: str) -> Event | None:
    record = parse_dict(line) or {}
    return make_event(
        record.get("user_id"),
        record.get("parent_asin"),
        record.get("timestamp"),
        record.get("rating"),
    )


def _item(line: str) -> tuple[Any, ...] | None:
    record = parse_dict(line) or {}
    item = read_id(record.get("parent_asin"))
    if item is None:
        return None
    images = record.get("images")
    first = images[0] if isinstance(images, list) and images else None
    return (
        item,
        read_text(record.get("title")),
        read_text(record.get("description")),
        read_text(record.get("features")),
        read_paths([record["categories"]]) if record.get("categories") else None,
        read_text(record.get("main_category")),
        read_text(record.get("store")),
        read_number(record.get("price")),
        read_text(first.get("large") if isinstance(first, dict) else None),
    )
