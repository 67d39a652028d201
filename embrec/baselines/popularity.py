"""What everybody buys."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from embrec._compat import StrOptions, fit_context
from embrec._tables import Table
from embrec.base import BaseRecommender
from embrec.catalog import Features, ItemCatalog, ItemTable, read_items
from embrec.index import ExactIndex
from embrec.interactions import encode, read_sequences
from embrec.persistence import SavedState
from embrec.ragged import Ragged


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
    catalog_ : ItemCatalog
        Ids of all items.
    index_ : ExactIndex
        One number per item: its count. Items added later have count 0.

    Examples
    --------
    >>> from embrec.baselines import PopularityRecommender
    >>> pop = PopularityRecommender().fit([["a", "b"], ["b", "c"], ["b"]])
    >>> pop.recommend([["a"]], k=1)[0]
    array([['b']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "user_col": [str],
        "item_col": [str],
        "timestamp_col": [str, None],
        "on_unknown": [StrOptions({"raise", "skip"})],
    }

    def __init__(
        self,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col
        self.on_unknown = on_unknown

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, *, items: Table | ItemTable | None = None, X_val: Any = None
    ) -> Self:
        """Count interactions.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or ItemTable, optional
            The catalogue; its content is not read. Without it, the items of ``X``.
        X_val : ignored

        Returns
        -------
        self
        """
        sequences, _ = read_sequences(X, self._columns)
        if items is None:
            ids = np.array(list(dict.fromkeys(sequences.values.tolist())), sequences.values.dtype)
        else:
            ids = read_items(items, self.item_col).ids
        catalog = ItemCatalog(ids, [])
        index = ExactIndex().fit(_counts(encode(sequences, catalog.ids), len(ids)))
        self.catalog_ = catalog
        self.index_ = index
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | ItemTable | None = None) -> Self:
        """Count more interactions.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or ItemTable, optional
            New items, which may occur in ``X``.

        Returns
        -------
        self
        """
        if not hasattr(self, "catalog_"):
            return self.fit(X, items=items)
        sequences, _ = read_sequences(X, self._columns)
        ids = self.catalog_.ids.ids
        catalog = ItemCatalog(ids, [])
        if items is not None:
            rows = read_items(items, self.item_col)
            catalog.ids.check_kind(rows.ids, what=f"items[{self.item_col!r}]")
            catalog.write(rows.ids, [])
        counts = _counts(encode(sequences, catalog.ids), len(catalog))
        counts[: len(ids)] += self.index_.vectors
        index = ExactIndex().fit(counts)
        index.remove(np.flatnonzero(~self.index_.active))
        self.catalog_ = catalog
        self.index_ = index
        return self

    @property
    def counts_(self) -> np.ndarray:
        """Interactions of each item, in the order of ``catalog_``: shape (n_items,), int64."""
        check_is_fitted(self)
        return self.index_.vectors[:, 0].astype(np.int64)

    def _featurize(self, content: Table) -> list[Features]:
        return []

    def _item_vectors(self, blocks: Sequence[Features], n_items: int) -> np.ndarray:
        return np.zeros((n_items, 1), dtype=np.float32)

    def _query_vectors(self, histories: Ragged) -> np.ndarray:
        return np.ones((len(histories), 1), dtype=np.float32)

    def _get_state(self) -> SavedState:
        return SavedState()

    def _set_state(self, state: SavedState) -> None:
        """Everything is in the catalogue and the index."""


def _counts(sequences: Ragged, n_items: int) -> np.ndarray:
    # float32 holds every integer up to 2**24 exactly
    counts = np.bincount(sequences.values, minlength=n_items)
    return counts.astype(np.float32)[:, None]
