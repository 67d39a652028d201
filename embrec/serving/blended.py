"""The live catalogue of several recommenders."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import numpy as np

from embrec.data.ids import preview
from embrec.data.items import Features
from embrec.data.side_by_side import SideBySide
from embrec.index import ExactIndex
from embrec.index.base import BaseIndex
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog


class BlendedCatalog(LiveCatalog):
    """Ids and an index of all vectors side by side, which change along with the catalogues of each.

    Parameters
    ----------
    items : ItemCatalog
    index : BaseIndex
        Of a `SideBySide`.
    parts : dict of str to LiveCatalog
        Of the recommenders, by their names, with the same ids in the same rows.
    """

    def __init__(self, items: ItemCatalog, index: BaseIndex, parts: dict[str, LiveCatalog]) -> None:
        super().__init__(items, index)
        self.parts = parts

    @classmethod
    def of(cls, parts: dict[str, LiveCatalog]) -> Self:
        """Put together the catalogues of recommenders, of which none changes meanwhile.

        Raises
        ------
        ValueError
            If their ids are not the same, in the same rows.
        """
        check_same_ids(parts)
        first = next(iter(parts.values()))
        index = ExactIndex().fit(SideBySide(part.index.vectors for part in parts.values()))
        index.remove(np.flatnonzero(~first.index.active))
        return cls(ItemCatalog(first.ids.ids, []), index, parts)

    def write(self, ids: np.ndarray, vectors: SideBySide, blocks: Sequence[Features]) -> None:
        """Add new items and replace known ones, in each catalogue and then in the whole.

        Parameters
        ----------
        ids : ndarray of shape (n,)
            Unique.
        vectors : SideBySide of shape (n, d)
            One matrix for each catalogue.
        blocks : list of ndarray or CSR of shape (n, n_features)
            Those of the first catalogue, those of the second, and so on.
        """
        left = list(blocks)
        with self.writing():
            self._check_rows(ids)
            for part, of_part in zip(self.parts.values(), vectors.parts, strict=True):
                n_blocks = len(part.blocks)
                part.write(ids, of_part, left[:n_blocks])
                del left[:n_blocks]
            super().write(ids, vectors, [])

    def _check_rows(self, ids: np.ndarray) -> None:
        """Raise unless these will have the same rows in all catalogues.

        They will not if a change before ended half-way, for lack of memory or by an interrupt. The
        whole is written last, and so answers as it did; the same change mends the parts.
        """
        wanted = _rows_to_be(self, ids)
        for part in self.parts.values():
            if not np.array_equal(_rows_to_be(part, ids), wanted):
                extra = part.ids.ids[len(self) :]
                raise RuntimeError(
                    "A change of this catalogue ended half-way before: some of its recommenders "
                    f"have {preview(extra)}, and others do not. Add these again, alone, and in "
                    "this order; then go on."
                )

    def remove(self, rows: np.ndarray) -> None:
        """Never show these rows again."""
        with self.writing():
            for part in self.parts.values():
                part.remove(rows)
            super().remove(rows)  # last: until then they can be removed again

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from seeing half of a change."""
        with ExitStack() as stack:
            stack.enter_context(super().writing())
            for part in self.parts.values():
                stack.enter_context(part.writing())
            yield

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("A blended catalogue is made of those of its recommenders.")


def check_same_ids(parts: dict[str, LiveCatalog]) -> None:
    """Raise a ValueError unless all have the same ids in the same rows."""
    (first, one), *rest = parts.items()
    for name, other in rest:
        if not np.array_equal(one.ids.ids, other.ids.ids):
            raise ValueError(
                f"The catalogues of {first!r} and {name!r} differ: one was changed by itself, or a "
                "change ended half-way. Fit again, or load what was saved, and change the "
                "catalogue of the blend alone."
            )


def _rows_to_be(catalog: LiveCatalog, ids: np.ndarray) -> np.ndarray:
    """Say which rows ids have, or will have once they are written."""
    rows = catalog.ids.rows(ids)
    new = rows < 0
    rows[new] = len(catalog) + np.arange(np.count_nonzero(new))
    return rows
