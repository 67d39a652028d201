"""What similar sessions went on with."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from embrec._utils.compat import Interval, StrOptions, fit_context
from embrec._utils.moments import replace_attributes
from embrec.baselines._catalog import catalog_of, grown_catalog, kept_vectors
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

#: Similarities that are held at a time, unless one history has more.
BLOCK = 2**21


class SessionNeighborsRecommender(BaseRecommender):
    """Recommends what the most similar sessions of the log held (after V-SKNN).

    With a history ``c = (c_1, ..., c_T)``, whose items weigh ``w(c_t) = t / T`` with
    ``decay="linear"``, a session ``s`` of the log, as a set of items, has the similarity

        ``sim(c, s) = sum of w(i) * idf(i) over i in both / sqrt(|s|)``,

    and an item the score ``sum of sim(c, s) over the n_neighbors most similar s that hold it``. An
    item that is twice in the history weighs what its last place says. It is a strong baseline that
    needs no training, and knows nothing of items that no session holds.

    V-SKNN [1]_ is the nearest neighbours and the decay. ``idf`` and the division by ``sqrt(|s|)``,
    which keeps long sessions from being like everything, are additions; and all sessions are
    searched, not a sample of the recent ones. Where a history says nothing all items score 0, and
    which of them come first means nothing.

    Parameters
    ----------
    n_neighbors : int, default=100
        Sessions that are most similar; of equally similar ones the latest in the log.
    decay : {"linear", "none"}, default="linear"
        Whether items weigh less the longer ago they were.
    idf : bool, default=True
        Whether items of few sessions say more: ``idf(i) = log(n_sessions / n_sessions_with_i)``.
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
    catalog_ : ItemCatalog
        Ids of all items.
    index_ : ExactIndex
        For each item the sessions that hold it: CSR of shape (n_items, n_sessions).

    References
    ----------
    .. [1] M. Ludewig, D. Jannach, "Evaluation of session-based recommendation algorithms", User
       Modeling and User-Adapted Interaction, 2018.

    Examples
    --------
    >>> from embrec.baselines import SessionNeighborsRecommender
    >>> log = [["cam", "card"], ["cam", "card", "bag"], ["pen", "ink"]]
    >>> SessionNeighborsRecommender().fit(log).recommend([["cam"]], k=2)[0]
    array([['card', 'bag']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseRecommender._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "decay": [StrOptions({"linear", "none"})],
        "idf": ["boolean"],
        "n_last": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_neighbors: int = 100,
        *,
        decay: str = "linear",
        idf: bool = True,
        n_last: int | None = None,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.decay = decay
        self.idf = idf
        self.n_last = n_last
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
        """Keep the sessions of a log.

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
        coded = encode(sequences, catalog.ids)
        if len(coded.values) == 0:
            raise ValueError("X holds no interaction: there are no sessions to be like.")
        sessions, counts = _sessions_by_item(coded, len(catalog)), count_items(coded, len(catalog))
        index = ExactIndex().fit(sessions)
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), _counts=counts)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | Whole | None = None) -> Self:
        """Keep more sessions.

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
            return self._keep_more(catalog, sequences, items)

    def _keep_more(self, live: LiveCatalog, sequences: Ragged, items: Table | Whole | None) -> Self:
        catalog, removed = grown_catalog(live, items, self.item_col)
        coded = encode(sequences, catalog.ids)
        new, counts = _sessions_by_item(coded, len(catalog)), count_items(coded, len(catalog))
        counts[: len(self._counts)] += self._counts
        old = sp.csr_array(live.index.vectors)
        old.resize(len(catalog), old.shape[1])
        index = ExactIndex().fit(sp.hstack([old, new], format="csr"))
        index.remove(removed)
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), _counts=counts)
        return self

    def item_vectors(self, items: ItemRows) -> tuple[Any, list[Features]]:
        """Say which sessions hold items: none, for new ones."""
        return kept_vectors(self.catalog_, items.ids), []

    def query_vectors(self, histories: Ragged) -> sp.csr_array:
        """Turn histories of rows into query vectors."""
        scaled = self._scaled_sessions()
        if self.n_last is not None:
            histories = histories.keep_last(self.n_last)
        weights = _weights(histories, scaled.shape[0], self.decay)
        blocks = [
            _largest(weights[start:stop] @ scaled, self.n_neighbors)
            for start, stop in _blocks(weights, np.diff(scaled.indptr))
        ]
        return sp.vstack(blocks, format="csr")

    def _scaled_sessions(self) -> sp.csr_array:
        """Say what each item adds to the similarity of each session: CSR, (n_items, n_sessions)."""
        snapshot, idf = self.index_.snapshot, self.idf
        kept = self.__dict__.get("_scaled")
        if kept is not None and kept[0] is snapshot and kept[1] == idf:
            found: sp.csr_array = kept[2]
            return found
        by_item = sp.csr_array(snapshot.whole())
        sizes = np.bincount(by_item.indices, minlength=by_item.shape[1])
        scaled = by_item @ sp.diags_array(1 / np.sqrt(np.maximum(sizes, 1)), dtype=np.float32)
        if idf:
            n_holding = np.maximum(np.diff(by_item.indptr), 1)
            scaled = sp.diags_array(np.log(by_item.shape[1] / n_holding), dtype=np.float32) @ scaled
        self._scaled = snapshot, idf, scaled
        return scaled

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_scaled", None)  # is made again where it is needed
        return state

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return counts_of(self._counts, rows)

    def get_state(self) -> SavedState:
        """Return what was learned."""
        return SavedState(arrays={"counts": self._counts})

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        self._counts = state.arrays["counts"]


def _sessions_by_item(sequences: Ragged, n_items: int) -> sp.csr_array:
    """Say which sessions hold each item: ones, CSR of shape (n_items, n_sessions)."""
    filled = sequences.take(np.flatnonzero(sequences.lengths))
    ones = np.ones(len(filled.values), dtype=np.float32)
    shape = (len(filled), n_items)
    by_session = sp.csr_array((ones, filled.values.astype(np.int32), filled.offsets), shape)
    by_session.sum_duplicates()
    by_session.data[:] = 1
    return by_session.T.tocsr()


def _weights(histories: Ragged, n_items: int, decay: str) -> sp.csr_array:
    """Weigh the items of histories: CSR of shape (n_histories, n_items)."""
    numbers = histories.row_numbers
    places = np.arange(len(numbers)) - histories.offsets[numbers] + 1
    weights = places / np.maximum(histories.lengths, 1)[numbers]
    # the last place of each item counts: the first one from the end
    pairs = numbers * n_items + histories.values
    unique, first = np.unique(pairs[::-1], return_index=True)
    kept = weights[::-1][first] if decay == "linear" else np.ones(len(unique))
    indptr = np.searchsorted(unique, np.arange(len(histories) + 1) * n_items)
    shape = (len(histories), n_items)
    return sp.csr_array((kept.astype(np.float32), unique % n_items, indptr), shape)


def _blocks(weights: sp.csr_array, n_sessions: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cut histories into blocks that are similar to no more sessions than `BLOCK`, all together."""
    n_similar = np.concatenate([[0], np.cumsum(n_sessions[weights.indices])])[weights.indptr]
    start, n = 0, weights.shape[0]
    while start < n:
        stop = int(np.searchsorted(n_similar, n_similar[start] + BLOCK, side="right")) - 1
        stop = min(n, max(stop, start + 1))
        yield start, stop
        start = stop


def _largest(rows: sp.csr_array, k: int) -> sp.csr_array:
    """Keep the k largest values of each row; of equal ones those in later columns."""
    lengths = np.diff(rows.indptr)
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-rows.indices, -rows.data, numbers))
    order = order[np.arange(len(order)) - rows.indptr[:-1][numbers] < k]
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, k))])
    return sp.csr_array((rows.data[order], rows.indices[order], indptr), rows.shape)
