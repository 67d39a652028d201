"""The raw files of the Amazon 2018 review data (Ni, Li and McAuley, EMNLP 2019)."""

from pathlib import Path
from typing import Any

import pandas as pd

from embrec.datasets._amazon import (
    make_review,
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

LOADER = "load_amazon2018"
CONTENT = ["title", "description", "feature", "category", "brand", "price", "image_url"]
RATINGS = ["item", "user", "rating", "timestamp"]
#: Characters of an ASIN.
N_CHARACTERS = 10


def load_amazon2018(folder: str | Path, category: str) -> Dataset:
    """Load a category of the Amazon 2018 review data from its raw files.

    Reads ``<category>.json``, or ``<category>_5.json``, or ``<category>.csv`` (item, user, rating,
    timestamp: the first two the other way round than in 2014), whichever is there, in this order;
    and ``meta_<category>.json``. Each may be gzipped.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.
    category : str
        As in the names of the files, for example ``"Office_Products"``.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64, seconds since
          1970, midnight of the day) and rating (float64), one row per review, in the order of the
          file. Some reviews are there twice.
        - ``items``: DataFrame with columns item, title, description, feature, category ("A > B"),
          brand (str, missing where unknown), price (float64; "$1,234.56" is read, a span of prices
          is missing) and image_url (the first). HTML entities are unescaped. Of an item described
          twice the first description counts. A reviewed item without metadata is a row without
          content.
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
    J. Ni, J. Li, J. McAuley, "Justifying Recommendations using Distantly-Labeled Reviews and
    Fine-Grained Aspects", EMNLP 2019; the layout is that of nijianmo.github.io/amazon.
    """
    names = [f"{category}.json", f"{category}_5.json", f"{category}.csv"]
    reviews = find_file(folder, names, LOADER)
    metadata = find_file(folder, [f"meta_{category}.json"], LOADER)
    check_record(metadata, ["asin"], LOADER, others=["imUrl", "categories"])
    bad_reviews, bad_metadata = Malformed(reviews), Malformed(metadata)
    if ".csv" in reviews.suffixes:
        log = _read_ratings(reviews, bad_reviews)
    else:
        check_record(reviews, ["reviewerID", "asin"], LOADER, others=["helpful"])
        log = read_log(reviews, make_review, bad_reviews)
    reviewed = pd.unique(log["item"]).tolist()
    items = read_items(metadata, _item, CONTENT, bad_metadata, reviewed)
    return count_malformed(log, items, [bad_reviews, bad_metadata])


def _read_ratings(path: Path, malformed: Malformed) -> pd.DataFrame:
    log = read_table(path, RATINGS, loader=LOADER, header=False, quoted=False)
    log = keep_valid(log, malformed, whole=["timestamp"], real=["rating"], first_line=1)
    like_items = {
        column: (log[column].str.len() == N_CHARACTERS).mean() for column in ("item", "user")
    }
    if like_items["user"] > like_items["item"]:
        raise ValueError(
            f"{path} begins with {log[RATINGS].iloc[0].tolist()}; {LOADER} expects the item first, "
            "of ten characters, then the user. load_amazon2014 reads files with the user first."
        )
    return log[["user", "item", "timestamp", "rating"]]


def _item(line: str) -> tuple[Any, ...] | None:
    record = parse_dict(line) or {}
    item = read_id(record.get("asin"))
    if item is None:
        return None
    images = record.get("imageURL") or [None]
    return (
        item,
        read_text(record.get("title")),
        read_text(record.get("description")),
        read_text(record.get("feature")),
        read_paths([record["category"]]) if record.get("category") else None,
        read_text(record.get("brand")),
        read_number(str(record.get("price")).strip().removeprefix("$").replace(",", "")),
        read_text(images[0] if isinstance(images, list) else images),
    )
