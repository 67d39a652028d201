"""The generated shop's own truth, as a recommender: what no model can beat but by luck."""

from dataclasses import fields
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from embrec._utils.compat import HasMethods, fit_context
from embrec._utils.moments import replace_attributes
from embrec.baselines._catalog import catalog_of
from embrec.baselines._counts import count_items, counts_of
from embrec.data.id_arrays import pack_ids, unpack_ids
from embrec.data.ids import IdIndex, preview
from embrec.data.interactions import encode
from embrec.data.items import Features, ItemRows
from embrec.data.ragged import Ragged
from embrec.data.tables import Table
from embrec.data.whole import Whole, whole
from embrec.datasets._shop_oracle import EVENT_TYPES, ShopModel
from embrec.index import ExactIndex
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.serving.live import LiveCatalog

#: Score of what cannot be: no sum of probabilities makes up for it.
_NEVER = -1e9
_TYPE_OF: dict[Any, int] = {name: number for number, name in enumerate(EVENT_TYPES)}


class ShopOracleRecommender(BaseRecommender):
    """Ranks items by the probability with which the visitors of a generated shop take them next.

    ``score(i) = P(i | history)``, the formula of `embrec.datasets.make_shop` with the visitor's
    type integrated out by Bayes' rule. Within a group of items of one category and style the
    probability is ``w_group(history) * popularity(i)``, so that it is an inner product too; what is
    in the history, or was not on sale on the day of the visit, scores -1e9.

    Types of events (``event`` in the log of a shop that has them) are read where a log says them,
    and summed out where it does not.

    A visitor of the shop's log, told by the user column, came on the day that the log says; all
    others, and lists of sequences, come when everything is on sale.

    Parameters
    ----------
    shop : Shop
        From `embrec.datasets.make_shop`. `save` writes what is needed of it, and not the shop.
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
        CSR of shape (n_items, n_groups + n_days + n_items of the shop): an item's popularity in the
        column of its group, and a one in those of its launch day and of itself.

    Examples
    --------
    >>> from embrec.baselines import ShopOracleRecommender
    >>> from embrec.datasets import make_shop
    >>> shop = make_shop(100, 200, random_state=0)
    >>> train, test = shop.split()
    >>> oracle = ShopOracleRecommender(shop).fit(train, items=shop.items)
    >>> history = train["item"].tolist()[:1]
    >>> ids, scores = oracle.recommend([history], k=1)
    >>> bool(np.isclose(scores[0, 0], shop.next_item_probabilities([history]).max()))
    True
    """

    _days: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseRecommender._parameter_constraints,
        "shop": [HasMethods(["next_item_probabilities"])],
    }
    _unsaved_parameters = ("shop",)

    def __init__(
        self,
        shop: Any = None,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.shop = shop
        super().__init__(
            user_col=user_col,
            item_col=item_col,
            timestamp_col=timestamp_col,
            on_unknown=on_unknown,
        )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, *, items: Table | Whole | None = None, X_val: Any = None
    ) -> Self:
        """Take the truth from the shop; of the log only events are counted.

        Parameters
        ----------
        X : log or list of sequences
        y : ignored
        items : table or Whole, optional
            The catalogue, all of it from the shop; its content is not read. Without it, the items
            of ``X``.
        X_val : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an item is not in the shop.
        """
        items = whole(items, X, y, what="items")
        sequences = self.read_log(X)
        catalog = catalog_of(sequences, items, self.item_col)
        counts = count_items(encode(sequences, catalog.ids), len(catalog))
        model = self.shop.model
        shop_ids = IdIndex(self.shop.items["item"].to_numpy().astype(object))
        index = ExactIndex().fit(_item_vectors(model, _shop_rows(shop_ids, catalog.ids.ids)))
        users, days = self.shop.visit_days()
        replace_attributes(
            self,
            catalog_=LiveCatalog(catalog, index),
            _counts=counts,
            _model=model,
            _shop_ids=shop_ids,
            _users=users,
            _days=days,
        )
        return self

    def item_vectors(self, items: ItemRows) -> tuple[sp.csr_array, list[Features]]:
        """Take what the shop knows of items."""
        return _item_vectors(self._model, _shop_rows(self._shop_ids, items.ids)), []

    def query_vectors(self, histories: Ragged) -> sp.csr_array:
        """Turn histories of rows into query vectors."""
        model, n = self._model, len(histories)
        taken = _shop_rows(self._shop_ids, self.catalog_.ids.take(histories.values))
        pairs = histories.row_numbers * len(model.group) + taken
        if len(np.unique(pairs)) < len(pairs):
            raise ValueError(
                "A history has an item twice, and visitors of this shop never take one again: it "
                "has probability 0. Drop the repetitions."
            )
        days = self._days_of(histories.names, n)
        self._check_days(taken, days[histories.row_numbers])
        rows: Any = np.split(taken, histories.offsets[1:-1])
        weights = model.group_weights(rows, days, self._types_of(histories))
        by_group = sp.csr_array(weights.astype(np.float32))
        later = np.arange(model.n_days) > days[:, None]
        unlaunched = sp.csr_array(later * np.float32(_NEVER))
        never = np.full(len(taken), _NEVER, dtype=np.float32)
        gone = sp.csr_array((never, taken, histories.offsets), (n, len(model.group)))
        return sp.hstack([by_group, unlaunched, gone], format="csr", dtype=np.float32)

    @property
    def reads_events(self) -> bool:
        """Whether histories keep what a log says of their events."""
        return hasattr(self, "_model") and self._model.has_event_types

    def _types_of(self, histories: Ragged) -> Any:
        """Read the types of events, history by history; None if they are not said."""
        events = histories.events
        if events is None or "event" not in nw.from_native(events.table).columns:
            return None
        assert events.rows is not None
        said = nw.from_native(events.table, eager_only=True)["event"].to_list()
        known = np.array([_TYPE_OF.get(value, -1) for value in said])
        types = known[events.rows]
        if (types < 0).any():
            raise ValueError(
                f"The column 'event' has {int((types < 0).sum())} values that are none of "
                f"{list(EVENT_TYPES)}. Leave the column out if types are not known."
            )
        return np.split(types, histories.offsets[1:-1])

    def _days_of(self, names: np.ndarray | None, n: int) -> np.ndarray:
        days = np.full(n, self._model.n_days - 1)
        if names is not None and (names.dtype == object) == self._users.holds_strings:
            found = self._users.rows(names)
            days[found >= 0] = self._days[found[found >= 0]]
        return days

    def _check_days(self, taken: np.ndarray, days: np.ndarray) -> None:
        early = self._model.launch_day[taken] > days
        if early.any():
            raise ValueError(
                f"{int(early.sum())} events are of items that were launched after the day of the "
                f"visit, such as {preview(self._shop_ids.take(taken[early]))}: they have "
                "probability 0. Take the visitors from the shop's log, or pass lists."
            )

    @property
    def n_embedding_columns(self) -> int:
        """How many columns of an item's vector say what it is."""
        # those of the launch day and of the item itself tell nothing of what it is like
        return self._model.n_groups

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return counts_of(self._counts, rows)

    def get_state(self) -> SavedState:
        """Return what was learned."""
        model = self._model
        arrays = {
            f"model:{f.name}": getattr(model, f.name) for f in fields(model) if f.name != "n_days"
        }
        ids = {"items": self._shop_ids, "users": self._users}
        for name, index in ids.items():
            arrays |= {f"{name}:{part}": array for part, array in pack_ids(index.ids).items()}
        arrays |= {"days": self._days, "counts": self._counts}
        return SavedState(values={"n_days": int(model.n_days)}, arrays=arrays)

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""

        def under(prefix: str) -> dict[str, np.ndarray]:
            return {
                name.removeprefix(prefix): array
                for name, array in state.arrays.items()
                if name.startswith(prefix)
            }

        self._model = ShopModel(**under("model:"), n_days=state.values["n_days"])
        self._shop_ids = IdIndex(unpack_ids(under("items:")))
        self._users = IdIndex(unpack_ids(under("users:")))
        self._days, self._counts = state.arrays["days"], state.arrays["counts"]


def _shop_rows(shop_ids: IdIndex, ids: np.ndarray) -> np.ndarray:
    """Find the shop's rows of ids that must be in it."""
    rows = shop_ids.rows(ids)
    if (rows < 0).any():
        raise ValueError(
            f"{int((rows < 0).sum())} items are not in the shop, so nothing is known of them: "
            f"{preview(ids[rows < 0])}."
        )
    return rows


def _item_vectors(model: ShopModel, rows: np.ndarray) -> sp.csr_array:
    n, n_groups = len(rows), model.n_groups
    columns = np.column_stack(
        [model.group[rows], n_groups + model.launch_day[rows], n_groups + model.n_days + rows]
    )
    ones = np.ones(n)
    values = np.column_stack([model.popularity[rows], ones, ones]).astype(np.float32)
    offsets = np.arange(n + 1) * 3
    shape = (n, n_groups + model.n_days + len(model.group))
    return sp.csr_array((values.ravel(), columns.ravel(), offsets), shape)
