"""What everybody buys."""

from typing import Any, Self

import numpy as np

from embrec._utils.compat import fit_context
from embrec._utils.moments import replace_attributes
from embrec.baselines._catalog import catalog_of, grown_catalog
from embrec.baselines._counts import count_items, counts_of
from embrec.data.interactions import encode
from embrec.data.items import Features, ItemRows
from embrec.data.ragged import Ragged
from embrec.data.tables import Table
from embrec.data.whole import Whole, whole
from embrec.index import ExactIndex
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.serving.live import LiveCatalog, current_catalog


class PopularityRecommender(BaseRecommender):
    """Recommends the items with the most interactions, to everybody (PopRec in the thesis, 3.3.2).

    Parameters
    ----------
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.

    Attributes
    ----------
    catalog_ : LiveCatalog
        Ids and counts of all items.
    counts_ : ndarray of shape (n_items_fit,), int64
        Interactions of each item, in the order of ``catalog_``. Items that were added since are
        not in it: they have none. One that is updated, or removed and added again, keeps its count.
    index_ : ExactIndex
        One number per item: its count as a float32.

    Examples
    --------
    >>> from embrec.baselines import PopularityRecommender
    >>> pop = PopularityRecommender().fit([["a", "b"], ["b", "c"], ["b"]])
    >>> pop.recommend([["a"]], k=1)[0]
    array([['b']], dtype=object)
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, *, items: Table | Whole | None = None, X_val: Any = None
    ) -> Self:
        """Count interactions.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or Whole, optional
            The catalogue; its content is not read. Without it, the items of ``X``.
        X_val : ignored

        Returns
        -------
        self
        """
        items = whole(items, X, y, what="items")
        sequences = self.read_log(X)
        catalog = catalog_of(sequences, items, self.item_col)
        counts = count_items(encode(sequences, catalog.ids), len(catalog))
        index = ExactIndex().fit(_as_vectors(counts))
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), counts_=counts)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | Whole | None = None) -> Self:
        """Count more interactions.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or Whole, optional
            New items, which may occur in ``X``. Items that were removed come back.

        Returns
        -------
        self
        """
        if not hasattr(self, "catalog_"):
            return self.fit(X, y, items=items)
        self._validate_params()  # which scikit-learn leaves out once there is a fit
        items = whole(items, y=y, what="items")
        sequences = self.read_log(X)
        with current_catalog(self, training=True) as catalog:
            return self._count_more(catalog, sequences, items)

    def _count_more(
        self, live: LiveCatalog, sequences: Ragged, items: Table | Whole | None
    ) -> Self:
        catalog, removed = grown_catalog(live, items, self.item_col)
        counts = count_items(encode(sequences, catalog.ids), len(catalog))
        counts[: len(self.counts_)] += self.counts_
        index = ExactIndex().fit(_as_vectors(counts))
        index.remove(removed)
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), counts_=counts)
        return self

    def item_vectors(self, items: ItemRows) -> tuple[np.ndarray, list[Features]]:
        """Say how often items were touched, which is never for new ones."""
        rows = self.catalog_.ids.rows(items.ids)
        return _as_vectors(np.where(rows >= 0, counts_of(self.counts_, rows), 0)), []

    def query_vectors(self, histories: Ragged) -> np.ndarray:
        """Turn histories of rows into query vectors."""
        return np.ones((len(histories), 1), dtype=np.float32)

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return counts_of(self.counts_, rows)

    def get_state(self) -> SavedState:
        """Return what was learned."""
        return SavedState(arrays={"counts": self.counts_})

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        self.counts_ = state.arrays["counts"]


def _as_vectors(counts: np.ndarray) -> np.ndarray:
    # exact up to 2**24; larger ones round to 8 digits, but the counts themselves stay exact
    return counts.astype(np.float32)[:, None]
