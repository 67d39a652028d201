"""What came after what."""

from collections.abc import Iterator
from functools import reduce
from numbers import Integral, Real
from operator import add
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
from embrec.persistence.arrays import pack_matrix, unpack_matrix
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.serving.live import LiveCatalog, current_catalog

#: Pairs of items that are counted at a time, unless one sequence has more events.
BLOCK = 2**21


class SequentialRulesRecommender(BaseRecommender):
    """Recommends what came after the items of the history, elsewhere in the log (after SR).

    Each pair of an item ``i`` and another ``j`` that comes ``g`` places after it, ``g <= window``,
    counts ``g ** -gap_exponent`` for the rule from ``i`` to ``j``. With ``n`` the events of an item
    in training, and ``normalization="cosine"``, the rule weighs

        ``w(i, j) = sum of g ** -gap_exponent over pairs / sqrt(n(i) * n(j))``,

    and after a history ``c = (c_1, ..., c_T)`` an item has the score

        ``score(j) = sum of decay ** (T - t) * w(c_t, j) over t = 1, ..., T``,

    so that an item that is twice in the history counts twice. It is a strong baseline that needs no
    training, and knows nothing of items that follow no other.

    Sequential rules [1]_ [2]_ are the counts of ``1 / g``, asked for the last item alone:
    ``gap_exponent=1, n_last=1, normalization="confidence"``. The decay over earlier items and the
    division by the counts of both items, which keeps what is popular from following everything, are
    additions; and no rule is pruned. Where a history says nothing all items score 0, and which of
    them come first means nothing.

    Parameters
    ----------
    normalization : {"cosine", "confidence"}, default="cosine"
        What the counts of a rule are divided by: ``sqrt(n(i) * n(j))``, or ``n(i)``.
    decay : float, default=0.9
        Above 0 and at most 1: how much an item of a history weighs of what the one after it does.
    gap_exponent : float, default=0.5
        How fast a pair counts less, the farther apart it is; 0 is not at all.
    window : int or None, default=50
        The largest gap ``g`` that counts; None is any. Without one, the time for a sequence grows
        with the square of its length, and any two of its items make a rule, which takes memory.
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
        For each item the weights of the rules that lead to it: CSR of shape (n_items, n_sources).
        Items that were added since training are no source.

    See Also
    --------
    SessionNeighborsRecommender : Asks what sessions have in common, in whatever order.

    References
    ----------
    .. [1] I. Kamehkhosh, D. Jannach, M. Ludewig, "A comparison of frequent pattern techniques and a
       deep learning method for session-based recommendation", TempRec workshop at RecSys, 2017.
    .. [2] M. Ludewig, D. Jannach, "Evaluation of session-based recommendation algorithms", User
       Modeling and User-Adapted Interaction, 2018.

    Examples
    --------
    >>> from embrec.baselines import SequentialRulesRecommender
    >>> log = [["cam", "card", "bag"], ["lens", "cam", "card"], ["pen", "ink"]]
    >>> SequentialRulesRecommender().fit(log).recommend([["cam"]], k=2)[0]
    array([['card', 'bag']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseRecommender._parameter_constraints,
        "normalization": [StrOptions({"cosine", "confidence"})],
        "decay": [Interval(Real, 0, 1, closed="right")],
        "gap_exponent": [Interval(Real, 0, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "n_last": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        normalization: str = "cosine",
        decay: float = 0.9,
        gap_exponent: float = 0.5,
        window: int | None = 50,
        n_last: int | None = None,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
        on_unknown: str = "raise",
    ) -> None:
        self.normalization = normalization
        self.decay = decay
        self.gap_exponent = gap_exponent
        self.window = window
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
        """Count the rules of a log.

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
            raise ValueError("X holds no interaction: there is nothing to count rules in.")
        counts = count_items(coded, len(catalog))
        sums = self._rule_sums(coded, len(catalog))
        index = ExactIndex().fit(_rule_weights(sums, counts, self.normalization))
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), _counts=counts, _sums=sums)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, *, items: Table | Whole | None = None) -> Self:
        """Count the rules of more sequences.

        If they are of new visitors, the rules are those of a fit on all sequences together.

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
        coded = encode(sequences, catalog.ids)
        counts = count_items(coded, len(catalog))
        counts[: len(self._counts)] += self._counts
        sums = _grown(self._sums, len(catalog)) + self._rule_sums(coded, len(catalog))
        index = ExactIndex().fit(_rule_weights(sums, counts, self.normalization))
        index.remove(removed)
        replace_attributes(self, catalog_=LiveCatalog(catalog, index), _counts=counts, _sums=sums)
        return self

    def _rule_sums(self, sequences: Ragged, n_items: int) -> sp.csr_array:
        return _rule_sums(sequences, n_items, self.window, self.gap_exponent)

    def item_vectors(self, items: ItemRows) -> tuple[Any, list[Features]]:
        """Say which rules lead to items: none, for new ones."""
        return kept_vectors(self.catalog_, items.ids), []

    def query_vectors(self, histories: Ragged) -> sp.csr_array:
        """Turn histories of rows into query vectors."""
        if self.n_last is not None:
            histories = histories.keep_last(self.n_last)
        return _decayed(histories, self.index_.n_features_in_, self.decay)

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""
        return counts_of(self._counts, rows)

    def get_state(self) -> SavedState:
        """Return what was learned."""
        return SavedState(arrays={"counts": self._counts, **pack_matrix(self._sums, "sums")})

    def set_state(self, state: SavedState) -> None:
        """Take back what was learned."""
        counts = state.arrays["counts"]
        shape = (len(counts), len(counts))
        sums = unpack_matrix(state.arrays, "sums", {"format": "csr", "shape": shape})
        sums.check_format(full_check=True)  # scipy adds matrices without looking
        self._counts, self._sums = counts, sums


def _rule_sums(
    sequences: Ragged, n_items: int, window: int | None, exponent: float
) -> sp.csr_array:
    """Sum up ``gap ** -exponent`` of all pairs: CSR, (n_items, n_items), to which from which."""
    parts: list[Any] = [sp.csr_array((n_items, n_items), dtype=np.float64)]
    for part in _parts_of_sums(sequences, n_items, window, exponent):
        parts.append(part)
        # a sum is at most half as large as the one before: they are added few times, and take
        # little more than the last one
        while len(parts) > 1 and parts[-2].nnz <= 2 * parts[-1].nnz:
            parts[-2:] = [parts[-2] + parts[-1]]
    return reduce(add, parts[::-1])


def _parts_of_sums(
    sequences: Ragged, n_items: int, window: int | None, exponent: float
) -> Iterator[sp.csr_array]:
    held: list[tuple[np.ndarray, np.ndarray, int]] = []
    n_held = 0
    for pairs in _pairs(sequences, window):
        held.append(pairs)
        n_held += len(pairs[0])
        if n_held >= BLOCK:
            yield _summed(held, n_items, exponent)
            held, n_held = [], 0
    if held:
        yield _summed(held, n_items, exponent)


def _summed(
    held: list[tuple[np.ndarray, np.ndarray, int]], n_items: int, exponent: float
) -> sp.csr_array:
    sources, targets = (np.concatenate([pairs[side] for pairs in held]) for side in (0, 1))
    # in multiples of 2**-32, sums are exact, and the same in whatever order they are made
    parts = [np.round(2**32 * gap ** -float(exponent)) / 2**32 for _, _, gap in held]
    weights = np.repeat(parts, [len(pairs[0]) for pairs in held])
    return sp.coo_array((weights, (targets, sources)), (n_items, n_items)).tocsr()


def _pairs(sequences: Ragged, window: int | None) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield items, what came a gap after them, and the gap; of no item with itself.

    They are not more than `BLOCK` at a time, unless one sequence has more.
    """
    by_length = np.argsort(-sequences.lengths, kind="stable")
    sequences = sequences.take(by_length[: np.count_nonzero(sequences.lengths > 1)])
    start = 0
    while start < len(sequences):
        fits = np.searchsorted(sequences.offsets, sequences.offsets[start] + BLOCK, side="right")
        stop = max(start + 1, int(fits) - 1)
        block = sequences.slice_rows(start, stop)
        start = stop
        numbers, shorter = block.row_numbers, -block.lengths
        gaps = int(block.lengths[0]) - 1 if window is None else window
        for gap in range(1, min(gaps, int(block.lengths[0]) - 1) + 1):
            # the sequences that are longer than the gap come first
            n = block.offsets[np.searchsorted(shorter, -gap)]
            left, right = block.values[: n - gap], block.values[gap:n]
            counts = (numbers[: n - gap] == numbers[gap:n]) & (left != right)
            yield left[counts], right[counts], gap


def _grown(sums: sp.csr_array, n_items: int) -> sp.csr_array:
    """Return sums with rows and columns for items that are new."""
    indptr = np.pad(sums.indptr, (0, n_items - sums.shape[0]), mode="edge")
    return sp.csr_array((sums.data, sums.indices, indptr), (n_items, n_items))


def _rule_weights(sums: sp.csr_array, counts: np.ndarray, normalization: str) -> sp.csr_array:
    """Divide what was summed up by the counts of items: CSR, float32, as `sums`."""
    divisors = np.maximum(counts, 1).astype(np.float64)
    if normalization == "cosine":
        divisors = np.sqrt(divisors)
    weights = sums.data / divisors[sums.indices]
    if normalization == "cosine":
        weights /= np.repeat(divisors, np.diff(sums.indptr))
    return sp.csr_array((weights.astype(np.float32), sums.indices, sums.indptr), sums.shape)


def _decayed(histories: Ragged, n_sources: int, decay: float) -> sp.csr_array:
    """Weigh the items of histories: CSR of shape (n_histories, n_sources)."""
    numbers = histories.row_numbers
    ages = histories.offsets[1:][numbers] - 1 - np.arange(len(numbers))
    known = histories.values < n_sources  # to later items, and from them, no rule leads
    kept = histories.where(known)
    parts = float(decay) ** ages[known], kept.values.astype(np.int32), kept.offsets
    weights = sp.csr_array(parts, (len(kept), n_sources))
    weights.sum_duplicates()
    weights = weights.astype(np.float32)
    weights.eliminate_zeros()  # what is too long ago
    return weights
