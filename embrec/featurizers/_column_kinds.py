"""What a column of a catalogue holds, told by its values."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from embrec.data.tables import N_LOOKED_AT, columns_of_times
from embrec.featurizers._numbers import column_cells, parse
from embrec.featurizers._text_columns import is_missing

#: Fewer rows say nothing about ids: all values of a small table differ.
_MIN_ROWS = 10
#: How much of a column must look like something; the rest may be mistakes.
_NEARLY_ALL = 0.9
#: What may be read as words for want of anything else.
CODES = "codes that name items"
_CONSTANT = "one value for all items"
_LISTS = (list, tuple, set, frozenset, np.ndarray)
_ADDRESS = re.compile(r"\s*(https?|ftp|s3|gs|data|file):\S*\s*$|\s*(www\.|//)\S+\s*$", re.I)
_FILE = re.compile(
    r"\s*([a-z]:[\\/]|\.{0,2}[\\/])?([^\\/:*?\"<>|\s]+[\\/])*[^\\/:*?\"<>|\s]+"
    r"\.(jpe?g|png|gif|webp|bmp|tiff?|svg|avif|heic|pdf|html?|mp[34]|npy|txt|json|zip)\s*$",
    re.I,
)
_CODE = re.compile(r"\s*(?=\S*\d)\S{1,40}\s*$")
#: Last words of the names of columns that hold ids and codes.
_CODE_NAMES = {"id", "ids", "sku", "ean", "gtin", "upc", "isbn", "asin", "uuid", "guid"}
_CODE_NAMES |= {"barcode", "code", "no", "nr"}
_SURELY_LEVELS, _SURELY_LISTS = (">", "»", "::"), (";", ",")
_EITHER = ("|", "/")


@dataclass(frozen=True)
class ColumnKind:
    """What a column holds.

    Parameters
    ----------
    name : {"words", "categories", "paths", "lists", "numbers", "times", "left out"}
    why : str
        What a column holds that is left out.
    separator : str or None
        Between the levels of a path, or the categories of a list.
    """

    name: str
    why: str = ""
    separator: str | None = field(default=None, kw_only=True)


def column_kinds(frame: "nw.DataFrame[Any]") -> dict[str, ColumnKind]:
    """Tell of each column what it holds.

    Parameters
    ----------
    frame : narwhals.DataFrame

    Returns
    -------
    dict of str to ColumnKind
    """
    times = set(columns_of_times(frame))
    return {name: _kind_of(name, frame[name], name in times) for name in frame.columns}


def _kind_of(name: str, series: "nw.Series[Any]", holds_times: bool) -> ColumnKind:
    cells = column_cells(series)
    values = cells[cells.notna()]
    if values.dtype == object:
        values = values[[not _is_blank(value) for value in values]]
    if values.empty:
        return ColumnKind("left out", "no value")
    first = values.iloc[0]
    is_text = values.dtype == object and values.map(lambda value: isinstance(value, str)).any()
    if series.dtype in (nw.Categorical, nw.Enum) and 1 < values.nunique() <= len(values) / 2:
        return ColumnKind("categories")
    if holds_times and parse(values, "times") is not None:
        return ColumnKind("times")
    if is_text:
        return _kind_of_text(name, values.map(str), len(values) == len(cells))
    if isinstance(first, _LISTS):
        return _kind_of_lists(values)
    numbers = parse(values, "numbers")
    if numbers is None:
        return ColumnKind("left out", f"{type(first).__name__} objects")
    n_different = values.nunique()  # before large ones become equal
    if n_different == 1 and len(values) == len(cells):
        return ColumnKind("left out", _CONSTANT)
    if pd.api.types.infer_dtype(values) == "integer" and np.abs(numbers).max() >= 2**53:
        return ColumnKind("left out", "numbers that name items")  # nothing counts so far
    return _kind_of_numbers(name, numbers, n_different, holds_times)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _kind_of_numbers(
    name: str, numbers: np.ndarray, n_different: int, holds_times: bool
) -> ColumnKind:
    n = len(numbers)
    whole = bool((np.abs(numbers) < 2**53).all() and (numbers == np.floor(numbers)).all())
    if whole and n >= _MIN_ROWS and n_different > n / 2:
        codes = numbers.astype(np.int64)
        n_digits = np.char.str_len(np.abs(codes).astype(str))
        if _have_check_digits(codes, n_digits):
            return ColumnKind("left out", "article numbers")
        is_count = n_different == n == int(codes.max() - codes.min()) + 1
        is_long = n_different == n and n_digits.min() == n_digits.max() >= 6 and not holds_times
        if is_count or is_long or (_is_named_a_code(name) and not holds_times):
            return ColumnKind("left out", "numbers that name items")
    if whole and _is_named_a_code(name) and n_different <= n / 2:
        return ColumnKind("categories")
    return ColumnKind("numbers")


def _kind_of_text(name: str, values: pd.Series, is_complete: bool) -> ColumnKind:
    texts = values.iloc[:: max(1, len(values) // N_LOOKED_AT)]
    for pattern, why in ((_ADDRESS, "addresses"), (_FILE, "names of files")):
        if _share(texts, pattern) >= _NEARLY_ALL:
            return ColumnKind("left out", why)
    n, n_different = len(values), values.nunique()
    if n < _MIN_ROWS:
        return ColumnKind("words")
    names_items = n_different >= 0.99 * n or (_is_named_a_code(name) and n_different > n / 2)
    if names_items and _share(texts, _CODE) >= _NEARLY_ALL:
        return ColumnKind("left out", CODES)
    if n_different == 1 and is_complete:
        return ColumnKind("left out", _CONSTANT)
    for separator in (*_SURELY_LEVELS, *_SURELY_LISTS, *_EITHER):
        kind = _kind_by_separator(texts, separator)
        if kind is not None:
            return kind
    if n_different <= n / 2 and texts.str.split().str.len().mean() <= 4:
        return ColumnKind("categories")
    return ColumnKind("words")


def _kind_by_separator(texts: pd.Series, separator: str) -> ColumnKind | None:
    """Say what texts are if a separator divides them: paths, or lists of categories."""
    if texts.str.contains(separator, regex=False).mean() < 0.3:
        return None
    divided = [[part.strip() for part in text.split(separator)] for text in texts]
    parts = list(chain.from_iterable(map(set, divided)))
    different = set(parts)
    # what is said once is no category; nor is what is long
    if len(different) > len(parts) / 4 or np.mean([len(part.split()) for part in parts]) > 4:
        return None
    first = {row[0] for row in divided}
    if separator in _SURELY_LEVELS:  # below what is said once, all is
        is_divided = len(first) < len(divided)
        return ColumnKind("paths", separator=separator) if is_divided else None
    if separator in _SURELY_LISTS:
        return ColumnKind("lists", separator=separator)
    # in a path, what is below comes never first
    below = set(chain.from_iterable(row[1:] for row in divided))
    is_path = len(first & below) <= 0.1 * len(below) and len(first) < len(divided)
    return ColumnKind("paths" if is_path else "lists", separator=separator)


def _kind_of_lists(values: pd.Series) -> ColumnKind:
    strange = next((cell for cell in values if not isinstance(cell, (*_LISTS, str))), None)
    if strange is not None:
        return ColumnKind("left out", f"lists and {type(strange).__name__} objects")
    texts = [list(_texts_in(cell)) for cell in values]
    other = next((one for one in chain.from_iterable(texts) if not isinstance(one, str)), None)
    if other is not None:
        return ColumnKind("left out", f"lists of {type(other).__name__} objects")
    parts = list(chain.from_iterable(map(set, texts)))
    if not parts:
        return ColumnKind("left out", "empty lists")
    return ColumnKind("lists" if len(set(parts)) <= len(parts) / 2 else "words")


def _texts_in(cell: Any) -> Iterator[Any]:
    """Yield what a list holds, or the lists in it: categories, or levels of paths."""
    for one in [cell] if isinstance(cell, str) else cell:
        inside = one if isinstance(one, _LISTS) else [one]
        yield from (text for text in inside if not (is_missing(text) or _is_blank(text)))


def _is_named_a_code(name: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.split(r"[\W_]+", words.strip("_"))[-1] in _CODE_NAMES


def _have_check_digits(codes: np.ndarray, n_digits: np.ndarray) -> bool:
    """Whether numbers are GTINs (EAN, UPC, ISBN 13), which end in a check digit."""
    if codes.min() <= 0 or not np.isin(n_digits, (8, 12, 13, 14)).all():
        return False
    digits = codes[:, np.newaxis] // 10 ** np.arange(14) % 10
    weights = np.where(np.arange(14) % 2, 3, 1)
    return bool(((digits @ weights) % 10 == 0).all())


def _share(texts: "pd.Series | Sequence[str]", pattern: "re.Pattern[str]") -> float:
    return float(np.mean([pattern.match(text) is not None for text in texts]))
