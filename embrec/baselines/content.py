"""What resembles the history."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from embrec._utils.compat import HasMethods, Interval, fit_context
from embrec._utils.moments import replace_attributes
from embrec.baselines._catalog import grown_catalog
from embrec.baselines._counts import count_items, counts_of
from embrec.data.interactions import encode
from embrec.data.items import Features, ItemRows, read_items, warn_of_no_content
from embrec.data.ragged import Ragged
from embrec.data.tables import Table
from embrec.data.whole import Whole, whole
from embrec.featurizers._blocks import fit_feature_blocks, transform_feature_blocks
from embrec.featurizers._default import default_featurizer
from embrec.index import ExactIndex
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog, current_catalog


class ContentNeighborsRecommender(BaseRecommender):
    """Recommends the items whose content is nearest to that of the history.

    The score of an item is its mean cosine with the items of the history, over all features. It
    learns nothing from the log, so it recommends a cold item as readily as any other. (It counts
    interactions, for ``popularity_discount``.)

    Parameters
    ----------
    featurizer : transformer, default=None
        As for `EmbRecEstimator`. The blocks of a FeatureUnion are each scaled to length 1 per item
        and count alike.
    n_last : int or None, default=None
        How many of the last items of a history count; None is all of them.
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.

    Attributes
    ----------
    featurizer_ : transformer
        The fitted featurizer.
    catalog_ : LiveCatalog
        Ids and vectors of all items.
    counts_ : ndarray of shape (n_items_fit,), int64
        Interactions of each item of the catalogue that was fitted.
    index_ : ExactIndex
        Features scaled to length 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from embrec.baselines import ContentNeighborsRecommender
    >>> items = pd.DataFrame({"item": [1, 2, 3], "title": ["red pen", "blue pen", "red car"]})
    >>> near = ContentNeighborsRecommender().fit([[1, 2]], items=items)
    >>> near.recommend([[2]], k=1)[0]
    array([[1]])
    """

    counts_: np.ndarray
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseRecommender._parameter_constraints,
        "featurizer": [HasMethods(["fit", "transform"]), None],
        "n_last": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        featurizer: Any = None,
        *,
        n_last: int | None = None,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.featurizer = featurizer
        self.n_last = n_last
        super().__init__(
            user_col=user_col,
            item_col=item_col,
            timestamp_col=timestamp_col,
            on_unknown=on_unknown,
        )

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, *, items: Table | Whole, X_val: Any = None) -> Self:
        """Featurize the catalogue.

        Parameters
        ----------
        X : log or list of sequences
            Its interactions are counted.
        y : ignored
        items : table or Whole
            The catalogue.
        X_val : ignored

        Returns
        -------
        self
        """
        rows = read_items(whole(items, X, y, what="items"), self.item_col)
        sequences = self.read_log(X)
        featurizer = self.featurizer
        if featurizer is None:
            featurizer = default_featurizer(rows.content)
        catalog = ItemCatalog(rows.ids, [])
        counts = count_items(encode(sequences, catalog.ids), len(catalog))
        fitted, blocks = fit_feature_blocks(featurizer, rows.content)
        warn_of_no_content(rows.ids, blocks)
        index = ExactIndex().fit(_unit_vectors(blocks))
        live = LiveCatalog(catalog, index)
        replace_attributes(self, featurizer_=fitted, catalog_=live, counts_=counts)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | Whole | None = None) -> Self:
        """Take in new items; the featurizer stays as it was fitted.

        The first call behaves as `fit`.

        Parameters
        ----------
        X : log or list of sequences
            Its interactions are counted.
        y : ignored
        items : table or Whole, optional
            New items, and known ones whose content changed. Required at the first call.

        Returns
        -------
        self
        """
        if not hasattr(self, "catalog_"):
            if items is None:
                raise ValueError("The first call of partial_fit needs items=, the catalogue.")
            return self.fit(X, y, items=items)
        self._validate_params()  # which scikit-learn leaves out once there is a fit
        items = whole(items, y=y, what="items")
        sequences = self.read_log(X)
        with current_catalog(self) as catalog:
            return self._count_more(catalog, sequences, items)

    def _count_more(
        self, live: LiveCatalog, sequences: Ragged, items: Table | Whole | None
    ) -> Self:
        grown, rows = grown_catalog(live, items, self.item_col)[0], None
        if items is not None:
            rows = read_items(items, self.item_col)
        counts = count_items(encode(sequences, grown.ids), len(grown))
        if rows is not None:
            live.write(rows.ids, *self.item_vectors(rows))
        self.counts_ = counts + counts_of(self.counts_, np.arange(len(grown)))
        return self

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return counts_of(self.counts_, rows)

    def item_vectors(self, items: ItemRows) -> tuple[Any, list[Features]]:
        """Scale features to length 1."""
        blocks = transform_feature_blocks(self.featurizer_, items.content)
        warn_of_no_content(items.ids, blocks)
        return _unit_vectors(blocks), []

    def query_vectors(self, histories: Ragged) -> Any:
        """Turn histories of rows into query vectors."""
        if self.n_last is not None:
            histories = histories.keep_last(self.n_last)
        weights = np.repeat(
            1 / np.maximum(histories.lengths, 1).astype(np.float32), histories.lengths
        )
        touched, columns = np.unique(histories.values, return_inverse=True)
        shape = (len(histories), len(touched))
        mean = sp.csr_matrix((weights, columns, histories.offsets), shape)
        return mean @ self.index_.snapshot.take(touched)

    def get_state(self) -> SavedState:
        """Return what was learned."""
        return SavedState(arrays={"counts": self.counts_}, objects={"featurizer": self.featurizer_})

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        self.featurizer_ = state.objects["featurizer"]
        self.counts_ = state.arrays["counts"]


def _unit_vectors(blocks: Sequence[Features]) -> Any:
    unit = [normalize(block) / np.float32(np.sqrt(len(blocks))) for block in blocks]
    if any(map(sp.issparse, unit)):
        return sp.hstack(unit, format="csr", dtype=np.float32)
    return np.concatenate(unit, axis=1)
