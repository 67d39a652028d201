"""The raw files of the Amazon 2014 review data (McAuley et al., SIGIR 2015), one category each."""

import ast
import gzip
import html
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd

from embrec.datasets._dataset import Dataset

#: Malformed lines that a warning names.
NAMED_LINES = 5


@dataclass
class _Malformed:
    """Counts the lines of a file that could not be read."""

    path: Path
    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        self.count += 1
        if len(self.first) < NAMED_LINES:
            self.first.append(number)

    def warn(self) -> None:
        if self.count:
            lines = ", ".join(map(str, self.first)) + (", ..." if self.count > NAMED_LINES else "")
            warnings.warn(
                f"{self.path}: {self.count} malformed lines were left out (lines {lines}).",
                UserWarning,
                stacklevel=4,
            )


def load_amazon2014(folder: str | Path, category: str) -> Dataset:
    """Load a category of the Amazon 2014 review data from its raw files.

    Reads ``reviews_<category>.json.gz``, or ``reviews_<category>_5.json.gz``, or
    ``ratings_<category>.csv``, whichever is there, in this order; and ``meta_<category>.json.gz``.
    Each may be gzipped or plain. A line is a JSON object or a Python literal (the metadata's are);
    it is parsed, never evaluated. Files are read line by line.

    `thesis_filter` and then `embrec.model_selection.leave_last_out_split` make the thesis' data of
    it.

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
          1970) and rating (float64), one row per review, in the order of the file.
        - ``items``: DataFrame with columns item, title, description, categories, brand (str,
          missing where unknown), price (float64) and image_url. Categories read "A > B > C",
          several paths joined by "; ". An item that was reviewed and has no metadata is a row
          without content.
        - ``n_malformed``: dict of file name to the number of lines that could not be read; a
          warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If the folder, the reviews or the metadata are missing.
    ValueError
        If no line of a file could be read.

    References
    ----------
    J. McAuley et al., "Image-based recommendations on styles and substitutes", SIGIR 2015.
    """
    path = Path(folder)
    reviews = _find(
        path,
        [f"reviews_{category}.json", f"reviews_{category}_5.json", f"ratings_{category}.csv"],
    )
    metadata = _find(path, [f"meta_{category}.json"])
    malformed = {file: _Malformed(file) for file in (reviews, metadata)}
    if ".csv" in reviews.suffixes:
        interactions = _read_ratings(reviews, malformed[reviews])
    else:
        interactions = _read_records(reviews, _review, malformed[reviews])
    items = _read_records(metadata, _item, malformed[metadata])
    items = items.drop_duplicates("item", ignore_index=True)
    for bad in malformed.values():
        bad.warn()
    known = set(items["item"])
    absent = [item for item in dict.fromkeys(interactions["item"]) if item not in known]
    items = pd.concat([items, pd.DataFrame({"item": absent}, dtype=object)], ignore_index=True)
    return Dataset(
        interactions=interactions,
        items=items,
        n_malformed={file.name: bad.count for file, bad in malformed.items()},
    )


def _find(folder: Path, names: list[str]) -> Path:
    candidates = [folder / f"{name}{suffix}" for name in names for suffix in (".gz", "")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        present = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"Expected {' or '.join(names)} (or the same with .gz) in {folder}; found {present}."
        )
    return found


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _read_records(path: Path, convert: Any, malformed: _Malformed) -> pd.DataFrame:
    records = []
    with _open(path) as lines:
        for number, parsed in _parse_lines(lines):
            record = convert(parsed) if isinstance(parsed, dict) else None
            if record is None:
                malformed.add(number)
            else:
                records.append(record)
    if not records:
        raise ValueError(f"No line of {path} could be read as a JSON object or Python literal.")
    return pd.DataFrame.from_records(records)


def _parse_lines(lines: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _parse(line)


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        pass
    try:
        return ast.literal_eval(line.strip())
    # what literal_eval raises on text that is no literal, or is nested too deeply
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _review(record: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return {
            "user": str(record["reviewerID"]),
            "item": str(record["asin"]),
            "timestamp": int(record["unixReviewTime"]),
            "rating": float(record.get("overall", "nan")),
        }
    except (KeyError, TypeError, ValueError):
        return None


def _item(record: dict[str, Any]) -> dict[str, Any] | None:
    if "asin" not in record:
        return None
    return {
        "item": str(record["asin"]),
        "title": _text(record.get("title")),
        "description": _text(record.get("description")),
        "categories": _paths(record.get("categories")),
        "brand": _text(record.get("brand")),
        "price": _number(record.get("price")),
        "image_url": record.get("imUrl"),
    }


def _text(value: Any) -> str | None:
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    text = " ".join(html.unescape(str(value)).split()) if value is not None else ""
    return text or None


def _paths(value: Any) -> str | None:
    if not isinstance(value, (list, tuple)):
        return _text(value)
    paths = [" > ".join(map(str, p)) if isinstance(p, (list, tuple)) else str(p) for p in value]
    return _text("; ".join(paths))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _read_ratings(path: Path, malformed: _Malformed) -> pd.DataFrame:
    """Read user,item,rating,timestamp without a header."""
    records = []
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                user, item, rating, timestamp = line.strip().split(",")
                records.append((user, item, int(timestamp), float(rating)))
            except ValueError:
                if line.strip():
                    malformed.add(number)
    if not records:
        raise ValueError(f"No line of {path} could be read as user,item,rating,timestamp.")
    return pd.DataFrame.from_records(records, columns=["user", "item", "timestamp", "rating"])
