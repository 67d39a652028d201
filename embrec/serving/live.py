"""The living catalogue: items come, change and go without training."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from embrec.data.ids import check_ids, preview
from embrec.data.items import Features, ItemRows, ItemTable, read_items, warn_of_no_content
from embrec.data.tables import Table
from embrec.index.base import BaseIndex
from embrec.serving.catalog import ItemCatalog


class LiveCatalogMixin:
    """Adds, updates and removes items of a fitted recommender, all or nothing.

    Needs ``item_col``, ``catalog_`` and ``index_``, whose rows go together.
    """

    item_col: str
    catalog_: ItemCatalog
    index_: BaseIndex

    #: whether the catalogue keeps the features, for training to go on from them
    _keeps_features = False

    @abstractmethod
    def _featurize(self, content: Table) -> list[Features]:
        """Turn content columns into feature blocks, with the fitted featurizer."""

    @abstractmethod
    def _item_vectors(self, blocks: Sequence[Features], ids: np.ndarray) -> Any:
        """Turn items' feature blocks into vectors: ndarray or CSR of shape (n_items, d), float32.

        ``ids`` are those of the items.
        """

    def add_items(self, items: Table | ItemTable, *, exist_ok: bool = False) -> Self:
        """Add items to the catalogue: they are recommendable at once, without training.

        Only the new rows are featurized and embedded.

        Parameters
        ----------
        items : table
            With the id column and the content columns of the catalogue that was fitted.
        exist_ok : bool, default=False
            Whether items that are there already get the new content, rather than being an error: so
            a feed may be read again from any point.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is in the catalogue already, unless that is ``exist_ok``, or repeated, or
            missing. Nothing changes then.
        """
        check_is_fitted(self)
        rows = read_items(items, self.item_col)
        with self._changing():
            present = self._is_active(rows.ids)
            if present.any() and not exist_ok:
                raise ValueError(
                    f"{int(present.sum())} of {len(rows.ids)} items are in the catalogue already: "
                    f"{preview(rows.ids[present])}. Use update_items to change them, or "
                    "exist_ok=True."
                )
            return self._write_items(rows)

    def update_items(self, items: Table | ItemTable) -> Self:
        """Replace the content of items of the catalogue.

        Parameters
        ----------
        items : table
            With the id column and the content columns of the catalogue that was fitted.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is not in the catalogue. Nothing changes then.
        """
        check_is_fitted(self)
        rows = read_items(items, self.item_col)
        with self._changing():
            absent = ~self._is_active(rows.ids)
            if absent.any():
                raise ValueError(
                    f"{int(absent.sum())} of {len(rows.ids)} items are not in the catalogue: "
                    f"{preview(rows.ids[absent])}. Use add_items to add them."
                )
            return self._write_items(rows)

    def remove_items(self, ids: Any, *, missing_ok: bool = False) -> Self:
        """Take items out of the catalogue.

        They are never recommended again, but stay understood in histories. Adding them again
        brings them back.

        Parameters
        ----------
        ids : list of ids
        missing_ok : bool, default=False
            Whether ids that are not in the catalogue are passed over, rather than being an error.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is not in the catalogue, unless that is ``missing_ok``. Nothing changes then.
        """
        check_is_fitted(self)
        with self._changing():
            if missing_ok:
                checked = check_ids(ids, what="ids")
                ids = checked[self._is_active(checked, what="ids")]
            self.index_.remove(self._rows_of(ids, what="ids"))
        return self

    @contextmanager
    def _changing(self, *, training: bool = False) -> Iterator[None]:
        """Let others change the catalogue only before and afterwards.

        Whoever trains meanwhile makes another catalogue: then its turn is what counts.
        """
        while True:
            catalog = self.catalog_
            with catalog.turn(training=training):
                if catalog is self.catalog_:
                    yield
                    return

    def _is_active(self, ids: np.ndarray, what: str | None = None) -> np.ndarray:
        self.catalog_.ids.check_kind(ids, what=what or f"items[{self.item_col!r}]")
        rows = self.catalog_.ids.rows(ids)
        return self.index_.snapshot.are_active(rows)

    def _write_items(self, items: ItemRows) -> Self:
        """Add new items and replace known ones; what can fail comes first."""
        blocks = self._featurize(items.content)
        warn_of_no_content(items.ids, blocks)
        vectors = self._item_vectors(blocks, items.ids)
        with self.catalog_.writing():
            self._show_items(items.ids, vectors)
            self.catalog_.write(items.ids, blocks if self._keeps_features else [])
        return self

    def _show_items(self, ids: np.ndarray, vectors: Any) -> None:
        """Write vectors to the index: rows have ids by then, and ids have rows only afterwards.

        So whoever reads meanwhile finds an id for every row and a vector for every id.
        """
        rows = self.catalog_.ids.rows(ids)
        new = rows < 0
        rows[new] = len(self.catalog_) + np.arange(np.count_nonzero(new))
        self.catalog_.ids.reserve(ids[new])
        self.index_.write(rows, vectors)

    def _rows_of(self, ids: Any, *, what: str, removed: bool = False) -> np.ndarray:
        """Catalogue rows of ids that must be there (and, unless ``removed``, not removed)."""
        checked = check_ids(ids, what=what)
        self.catalog_.ids.check_kind(checked, what=what)
        rows = self.catalog_.ids.rows(checked)
        present = rows >= 0
        if not removed:
            present = self.index_.snapshot.are_active(rows)
        if not present.all():
            raise ValueError(
                f"{what}: {int((~present).sum())} of {len(checked)} ids are not in the catalogue: "
                f"{preview(checked[~present])}. Add them with add_items, or name the whole "
                "catalogue in fit, with items=."
            )
        return rows
