"""From cells of paths to the categories that an item is in."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, Self

import numpy as np

from embrec._utils.warn import warn
from embrec.data.ids import short_repr
from embrec.featurizers._text_columns import cell_text, is_missing

#: What one cell holds: paths, or levels of them.
_LISTS = (list, tuple, set, frozenset, np.ndarray)
#: What shops write between levels.
_SEPARATORS = (">", "/", "|", "»", "::", "\\")


@dataclass(frozen=True)
class PathReader:
    """Splits cells into paths, and paths into levels.

    Parameters
    ----------
    separator, list_separator : str or None
    """

    separator: str | None
    list_separator: str | None

    @classmethod
    def of(cls, separator: str | None, list_separator: str | None) -> Self:
        """Check the parameters of a featurizer."""
        for name, value in {"separator": separator, "list_separator": list_separator}.items():
            if value == "":
                raise ValueError(f"{name}='' separates nothing; pass None if there is none.")
        return cls(separator, list_separator)

    def categories(self, columns: Sequence[Sequence[Any]]) -> list[set[str]]:
        """Return the categories of each item, and all above them."""
        return [
            set(chain.from_iterable(map(self._above, self._paths(cells))))
            for cells in zip(*columns, strict=True)
        ]

    def warn_if_unused(self, columns: Sequence[Sequence[Any]]) -> None:
        """Warn if paths seem to be written with another separator."""
        texts = [cell for cell in chain.from_iterable(columns) if isinstance(cell, str)]
        if self.separator is None or any(self.separator in text for text in texts):
            return
        pattern = re.compile("|".join(map(re.escape, _SEPARATORS)))
        other = next((text for text in texts if pattern.search(text)), None)
        if other is not None:
            warn(
                f"No value holds separator={self.separator!r}, so that every category has one "
                f"level; but some look like {other[:60]!r}. Pass the separator that they have, or "
                "separator=None if there are no levels."
            )

    def _paths(self, cells: Iterable[Any]) -> Iterator[Sequence[Any]]:
        """Yield the levels of each path in an item's cells."""
        for cell in cells:
            if isinstance(cell, _LISTS):
                for path in cell:
                    yield list(path) if isinstance(path, _LISTS) else self._levels(path)
            elif isinstance(cell, dict):
                raise TypeError(
                    f"A cell holds the dict {short_repr(cell)}; expected a path, or a list of "
                    "paths. Take them out of it first."
                )
            elif not is_missing(cell):
                text = cell_text(cell)
                paths = text.split(self.list_separator) if self.list_separator else [text]
                yield from map(self._levels, paths)

    def _levels(self, path: Any) -> list[str]:
        text = cell_text(path)
        return text.split(self.separator) if self.separator else [text]

    def _above(self, levels: Sequence[Any]) -> Iterator[str]:
        """Yield the names of a category and of all above it."""
        names = [name for name in (cell_text(level).strip() for level in levels) if name]
        separator = self.separator or " > "
        return accumulate(names, lambda above, name: f"{above}{separator}{name}")
