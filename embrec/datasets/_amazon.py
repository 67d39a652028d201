"""The raw files of the Amazon 2014 review data (McAuley et al., SIGIR 2015), one category each."""

import html
import math
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed, parse_dict, read_records
from embrec.datasets._releases import check_record, find_file
from embrec.datasets._tables import count_malformed

CONTENT = ["title", "description", "categories", "brand", "price", "image_url"]


def load_amazon2014(
    folder_or_files: str | Path | Sequence[str | Path], category: str | None = None
) -> Dataset:
    """Load a category of the Amazon 2014 review data from its raw files.

    Reads ``reviews_<category>.json.gz``, or ``reviews_<category>_5.json.gz``, or
    ``ratings_<category>.csv``, whichever is there, in this order; and ``meta_<category>.json.gz``.
    Each may be gzipped or plain. A line is a JSON object or a Python literal (the metadata's are);
    it is parsed, never evaluated. Files are read line by line, and of a review only its user, item,
    time and rating are kept.

    `thesis_filter` and then `embrec.model_selection.leave_last_out_split` make the thesis' data of
    it.

    Parameters
    ----------
    folder_or_files : str, Path or pair of them
        Folder that holds the files; or the two files themselves, reviews (or ratings, if the name
        has ``.csv``) first, metadata second.
    category : str, optional
        As in the names of the files, for example ``"Office_Products"``; needed with a folder.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64, seconds since
          1970) and rating (float64), one row per review, in the order of the file.
        - ``items``: DataFrame with columns item, title, description, categories, brand (str,
          missing where unknown), price (float64) and image_url. HTML entities are unescaped.
          Categories read "A > B > C", several paths joined by "; ". An item described twice keeps
          the first description. An item that was reviewed and has no metadata is a row without
          content; one that nobody reviewed stays.
        - ``n_malformed``: dict of file name to the number of lines that could not be read; a
          warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If the folder, the reviews or the metadata are missing.
    ValueError
        If no line of a file could be read, if it is damaged, or if a folder comes without category.

    References
    ----------
    J. McAuley et al., "Image-based recommendations on styles and substitutes", SIGIR 2015.
    """
    reviews, metadata = _files(folder_or_files, category)
    check_record(metadata, ["asin"], "load_amazon2014", others=["imageURL", "main_cat", "also_buy"])
    bad_reviews, bad_metadata = Malformed(reviews), Malformed(metadata)
    interactions = read_log(
        reviews, _rating if ".csv" in reviews.suffixes else make_review, bad_reviews
    )
    reviewed = pd.unique(interactions["item"]).tolist()
    items = read_items(metadata, _item, CONTENT, bad_metadata, reviewed)
    return count_malformed(interactions, items, [bad_reviews, bad_metadata])


def _files(
    folder_or_files: str | Path | Sequence[str | Path], category: str | None
) -> tuple[Path, Path]:
    if not isinstance(folder_or_files, str | Path):
        paths = [Path(file) for file in folder_or_files]
        if len(paths) != 2:
            raise ValueError(
                f"Expected a folder, or the two files (reviews, metadata); got {len(paths)} files."
            )
        absent = [str(path) for path in paths if not path.is_file()]
        if absent:
            raise FileNotFoundError(f"There is no file {' and no file '.join(absent)}.")
        return paths[0], paths[1]
    folder = Path(folder_or_files)
    if category is None:
        names = sorted(p.name for p in folder.glob("meta_*")) if folder.is_dir() else []
        raise ValueError(
            'A folder needs category=, for example "Office_Products", or pass the two files '
            f"(reviews, metadata) instead; metadata in {folder}: {names}."
        )
    stems = [f"reviews_{category}.json", f"reviews_{category}_5.json", f"ratings_{category}.csv"]
    loader = "load_amazon2014"
    return find_file(folder, stems, loader), find_file(folder, [f"meta_{category}.json"], loader)


# ---- the log


Event = tuple[str, str, int, float]


def read_log(
    path: Path, convert: Callable[[str], Event | None], malformed: Malformed
) -> pd.DataFrame:
    """Read reviews, or ratings, a line each."""
    users: list[str] = []
    items: list[str] = []
    times, ratings = array("q"), array("d")
    # the same id comes many times: one string of it is enough
    known: dict[str, str] = {}
    for user, item, time, rating in read_records(path, convert, malformed):
        users.append(known.setdefault(user, user))
        items.append(known.setdefault(item, item))
        times.append(time)
        ratings.append(rating)
    return pd.DataFrame(
        {
            "user": users,
            "item": items,
            "timestamp": np.array(times, dtype=np.int64),
            "rating": np.array(ratings, dtype=np.float64),
        }
    )


def make_review(line: str) -> Event | None:
    """Read a review as of 2014 and 2018; None if it is none."""
    record = parse_dict(line)
    if record is None:
        return None
    return make_event(
        record.get("reviewerID"),
        record.get("asin"),
        record.get("unixReviewTime"),
        record.get("overall", math.nan),
    )


def _rating(line: str) -> Event | None:
    """Read user,item,rating,timestamp; these files have no header."""
    fields = line.split(",")
    if len(fields) != 4:
        return None
    user, item, rating, timestamp = fields
    return make_event(user, item, timestamp, rating)


def make_event(user: Any, item: Any, timestamp: Any, rating: Any) -> Event | None:
    """Put an event together; None if its ids or numbers are none."""
    known_user, known_item = read_id(user), read_id(item)
    try:
        time, stars = int(timestamp), float(rating)
    except (TypeError, ValueError, OverflowError):
        return None
    if known_user is None or known_item is None or not -(2**63) <= time < 2**63:
        return None
    return known_user, known_item, time, stars


def read_id(value: Any) -> str | None:
    """Read an id; None if it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value.strip() or None if isinstance(value, str) else None


# ---- the items


def read_items(
    path: Path,
    convert: Callable[[str], tuple[Any, ...] | None],
    columns: Sequence[str],
    malformed: Malformed,
    reviewed: list[str],
) -> pd.DataFrame:
    """Read metadata, the item first and then its content; reviewed items without get a row."""
    content: dict[str, tuple[Any, ...]] = {}
    for item, *fields in read_records(path, convert, malformed):
        content.setdefault(item, tuple(fields))
    nothing = tuple(math.nan if column == "price" else None for column in columns)
    for item in reviewed:
        content.setdefault(item, nothing)
    values = zip(*content.values(), strict=True)
    return pd.DataFrame(
        {"item": list(content), **dict(zip(columns, map(list, values), strict=True))}
    )


def _item(line: str) -> tuple[Any, ...] | None:
    record = parse_dict(line)
    item = read_id(record.get("asin")) if record is not None else None
    if record is None or item is None:
        return None
    return (
        item,
        read_text(record.get("title")),
        read_text(record.get("description")),
        read_paths(record.get("categories")),
        read_text(record.get("brand")),
        read_number(record.get("price")),
        read_text(record.get("imUrl")),
    )


def read_text(value: Any) -> str | None:
    """Read a text or a list of them, blanks made even; None if there is nothing."""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    text = " ".join(html.unescape(str(value)).split()) if value is not None else ""
    return text or None


def read_paths(value: Any) -> str | None:
    """Read category paths as "A > B; C"."""
    if not isinstance(value, list | tuple):
        return read_text(value)
    paths = [" > ".join(map(str, p)) if isinstance(p, list | tuple) else str(p) for p in value]
    return read_text("; ".join(paths))


def read_number(value: Any) -> float:
    """Read a finite number; NaN if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
