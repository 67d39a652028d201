"""Records from text files, one a line; lines that cannot be read are counted, not skipped."""

import ast
import gzip
import json
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from embrec._utils.warn import warn

#: Malformed lines that a warning names.
NAMED_LINES = 5

Record = TypeVar("Record")


@dataclass
class Malformed:
    """Counts the lines of a file that could not be read."""

    path: Path
    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Count line ``number``; the first of the file is 1."""
        self.count += 1
        if len(self.first) < NAMED_LINES:
            self.first.append(number)

    def add_all(self, numbers: np.ndarray) -> None:
        """Count lines by their numbers, which ascend: shape (n_lines,), int."""
        self.first += numbers[: NAMED_LINES - len(self.first)].tolist()
        self.count += len(numbers)

    def warn(self) -> None:
        """Warn if there were any, in the name of who called the loader that calls this."""
        if self.count:
            lines = ", ".join(map(str, self.first)) + (", ..." if self.count > NAMED_LINES else "")
            warn(f"{self.path}: {self.count} malformed lines were left out (lines {lines}).")


def read_records(
    path: Path, convert: Callable[[str], Record | None], malformed: Malformed
) -> Iterator[Record]:
    """Read a file, plain or gzipped, a line at a time.

    Parameters
    ----------
    path : Path
    convert : callable
        From a line, stripped and not empty, to a record, or None if the line is malformed.
    malformed : Malformed
        Counts such lines.

    Yields
    ------
    record

    Raises
    ------
    ValueError
        If the file is damaged or cut short, or holds no record at all.
    """
    number = n_records = 0
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                record = convert(line.strip())
                if record is None:
                    malformed.add(number)
                else:
                    n_records += 1
                    yield record
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged or cut short after line {number} ({error}). Fetch it again."
        ) from error
    if not n_records:
        raise ValueError(
            f"No line of {path} could be read, of {number}; expected one record a line: a JSON "
            "object or the Python literal of a dict, or user,item,rating,timestamp in a .csv."
        )


def is_gzipped(path: Path) -> bool:
    """Tell by the first bytes: browsers unpack a download and keep its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_text(path: Path, encoding: str = "utf-8", errors: str = "replace") -> IO[str]:
    """Open a text file, gzipped or plain."""
    if is_gzipped(path):
        return gzip.open(path, "rt", encoding=encoding, errors=errors)
    return path.open(encoding=encoding, errors=errors)


def parse_dict(line: str) -> dict[str, Any] | None:
    """Parse a JSON object or a Python literal of a dict; never evaluate anything.

    Parameters
    ----------
    line : str

    Returns
    -------
    dict or None
        None if the line is neither.
    """
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        parsed = _parse_literal(line)
    return parsed if isinstance(parsed, dict) else None


def _parse_literal(line: str) -> Any:
    with warnings.catch_warnings():
        # Python warns of escapes that it does not know, such as \d; they are the file's, as it is
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(line)
        # what literal_eval raises on text that is no literal, or is nested too deeply
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
