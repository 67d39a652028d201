"""The live catalogue of several recommenders."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from embrec.data.items import Features
from embrec.data.side_by_side import SideBySide
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
    parts : list of LiveCatalog
        Of the recommenders, with the same ids in the same rows.
    """

    def __init__(self, items: ItemCatalog, index: BaseIndex, parts: Sequence[LiveCatalog]) -> None:
        super().__init__(items, index)
        self.parts = list(parts)

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
        for part, of_part in zip(self.parts, vectors.parts, strict=True):
            n_blocks = len(part.blocks)
            part.write(ids, of_part, left[:n_blocks])
            del left[:n_blocks]
        super().write(ids, vectors, [])

    def remove(self, rows: np.ndarray) -> None:
        """Never show these rows again."""
        super().remove(rows)
        for part in self.parts:
            part.remove(rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from seeing half of a change."""
        with ExitStack() as stack:
            stack.enter_context(super().writing())
            for part in self.parts:
                stack.enter_context(part.writing())
            yield

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("A blended catalogue is made of those of its recommenders.")
