"""The live catalogue: ids, features and vectors of all items, which come, change and go."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from embrec.data.ids import IdIndex, check_ids, preview
from embrec.data.items import Features
from embrec.index.base import BaseIndex
from embrec.serving.catalog import ItemCatalog


class LiveCatalog:
    """Ids and features of items, and an index of their vectors, row for row.

    It alone writes to them, all or nothing, and in such an order that whoever reads meanwhile finds
    an id for every row and a vector for every id. Readers wait for nobody. Those who change it take
    *turns*.

    Parameters
    ----------
    items : ItemCatalog
    index : BaseIndex
        Fitted; its rows are those of ``items``.
    """

    def __init__(self, items: ItemCatalog, index: BaseIndex) -> None:
        self._items = items
        self.index = index

    # ---- what there is

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ids(self) -> IdIndex:
        """Ids of all rows, those of removed items included."""
        return self._items.ids

    @property
    def blocks(self) -> list[Features]:
        """One feature matrix per content source, rows as in ``ids``."""
        return self._items.blocks

    @property
    def identity(self) -> str:
        """Tells this catalogue and its copies from all others."""
        return self._items.identity

    def ids_at(self, rows: np.ndarray) -> np.ndarray:
        """Return the ids of rows, None for -1: as the shape of ``rows``."""
        ids = self.ids.take(rows)
        none = rows < 0
        if none.any():
            ids = ids.astype(object)
            ids[none] = None
        return ids

    def rows_of(self, ids: Any, *, what: str, removed: bool = False) -> np.ndarray:
        """Find the rows of ids that must be there.

        Parameters
        ----------
        ids : list of ids
        what : str
            What they are called in errors.
        removed : bool, default=False
            Whether items that were removed will do.

        Returns
        -------
        ndarray of int64

        Raises
        ------
        ValueError
            If one is not there.
        """
        checked = check_ids(ids, what=what)
        self.ids.check_kind(checked, what=what)
        rows = self.ids.rows(checked)
        present = rows >= 0
        if not removed:
            present = self.index.snapshot.are_active(rows)
        if not present.all():
            raise ValueError(
                f"{what}: {int((~present).sum())} of {len(checked)} ids are not in the catalogue: "
                f"{preview(checked[~present])}. Add them with add_items, or name the whole "
                "catalogue in fit, with items=."
            )
        return rows

    def has(self, ids: np.ndarray, *, what: str) -> np.ndarray:
        """Say which ids are there and not removed: (n,) bool."""
        self.ids.check_kind(ids, what=what)
        return self.index.snapshot.are_active(self.ids.rows(ids))

    # ---- changing

    def turn(self, *, training: bool = False) -> AbstractContextManager[None]:
        """Keep others from beginning to change the catalogue; see `ItemCatalog.turn`."""
        return self._items.turn(training=training)

    def writing(self) -> AbstractContextManager[None]:
        """Keep others from seeing half of a change; see `ItemCatalog.writing`."""
        return self._items.writing()

    def write(self, ids: np.ndarray, vectors: Any, blocks: Sequence[Features]) -> None:
        """Add new items and replace known ones.

        Parameters
        ----------
        ids : ndarray of shape (n,)
            Unique.
        vectors : ndarray or CSR of shape (n, d)
        blocks : list of ndarray or CSR of shape (n, n_features)
            Empty, if no features are kept.
        """
        with self.writing():
            new, n_before, is_written = ids[self.ids.rows(ids) < 0], len(self.index), False
            try:
                rows = self._items.stage(ids, blocks)
                self.index.write(rows, vectors)
                is_written = True
                self.ids.extend(new)
            except BaseException:
                # what is searched is known, and nothing else
                if is_written or len(self.index) > n_before:
                    self.ids.extend(new[self.ids.rows(new) < 0])
                else:
                    self._items.unstage()
                raise

    def remove(self, rows: np.ndarray) -> None:
        """Never show these rows again."""
        self.index.remove(rows)

    def grown(
        self, ids: np.ndarray | None = None, blocks: Sequence[Features] = ()
    ) -> tuple[ItemCatalog, np.ndarray]:
        """Copy ids and features, with items added and replaced, and say which rows stay removed."""
        copy = ItemCatalog(self.ids.ids, self.blocks)
        removed = np.flatnonzero(~self.index.active)
        if ids is not None:
            removed = np.setdiff1d(removed, copy.write(ids, blocks))
        return copy, removed

    # ---- copies

    def __getstate__(self) -> dict[str, Any]:
        # of one moment, though others may change it while the rest is copied
        with self.writing():
            return {
                "items": self._items.__getstate__(),
                "index": (type(self.index), self.index.__getstate__()),
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._items = ItemCatalog.__new__(ItemCatalog)
        self._items.__setstate__(state["items"])
        kind, index = state["index"]
        self.index = kind.__new__(kind)
        self.index.__setstate__(index)


@contextmanager
def current_catalog(owner: Any, *, training: bool = False) -> Iterator[LiveCatalog]:
    """Take the turn at the catalogue of a recommender.

    Whoever trains meanwhile makes another catalogue: then its turn is what counts.
    """
    while True:
        catalog: LiveCatalog = owner.catalog_
        with catalog.turn(training=training):
            if catalog is owner.catalog_:
                yield catalog
                return
