"""What the approximate indexes share: a backend, tuned to the recall that is asked for."""

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from embrec._utils.compat import Interval
from embrec._utils.warn import warn
from embrec.index.base import BaseIndex
from embrec.index.protocol import Backend, StaticSearch
from embrec.scoring.pairs import Pairs
from embrec.scoring.top_k import top_k

#: Recall is the share of so many best that are found.
RECALL_AT = 50
#: Queries that it is measured with.
N_QUERIES = 256
#: Vectors that they are drawn from, and cuts through space that make regions.
N_LOOKED_AT, N_CUTS = 2**16, 16
#: With fewer vectors all are scored.
MIN_VECTORS = 512


class LowRecallWarning(UserWarning):
    """An approximate index does not reach the recall that was asked for."""


class TunedSearch:
    """A backend over some slots, as thorough as the recall asks for.

    Equal vectors are one place of the backend: many of them would fill what it finds, or the
    links of its graph, and hide all others.

    Parameters
    ----------
    backend : Backend
    slots : ndarray of int
        Those that it finds, those of one place after the other, in order.
    offsets : ndarray of shape (n_places + 1,), int, optional
        Where the slots of each place begin; by default, each has one.
    recall, recall_p10 : float
        As measured: the mean, and what 9 of 10 queries reach.
    """

    def __init__(
        self,
        backend: Backend,
        slots: np.ndarray,
        recall: float = np.nan,
        recall_p10: float = np.nan,
        *,
        offsets: np.ndarray | None = None,
    ) -> None:
        self.backend = backend
        self.slots = slots
        self.offsets = offsets
        self.recall = recall
        self.recall_p10 = recall_p10

    @property
    def n_held(self) -> int:
        """How many slots it can find."""
        return len(self.slots)

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` slots for each query: (n_queries, at least n), -1 where there are none.

        Of equal vectors the first ``n``.
        """
        n_places = len(self.slots) if self.offsets is None else len(self.offsets) - 1
        places = self.backend.search(queries, min(n, n_places))
        if self.offsets is None:
            slots = np.where(places < 0, -1, self.slots[places])
        else:
            slots = self._slots_of(places, n)
        return np.pad(slots, ((0, 0), (0, max(0, n - slots.shape[1]))), constant_values=-1)

    def _slots_of(self, places: np.ndarray, n: int) -> np.ndarray:
        """Return the slots of places, best first, until there are ``n``."""
        assert self.offsets is not None
        starts = self.offsets[places]
        counts = np.where(places < 0, 0, np.minimum(self.offsets[places + 1] - starts, n))
        ends = np.cumsum(counts, axis=1)
        counts[ends - counts >= n] = 0
        n_found = counts.sum(axis=1)
        slots = np.full((len(places), n_found.max(initial=0)), -1, dtype=np.int64)
        counts, starts = counts.ravel(), starts.ravel()
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        there = np.arange(slots.shape[1]) < n_found[:, None]
        slots[there] = self.slots[np.repeat(starts, counts) + steps]
        return slots


class ApproximateIndex(BaseIndex):
    """Base of the approximate indexes.

    A subclass has the parameters ``min_recall`` and ``random_state`` besides those of `BaseIndex`,
    names the one that says how thorough a search is in `_effort`, and makes its backend.

    What the backend finds is scored again from the vectors themselves, so that scores are exact.
    """

    #: The parameter that says how thorough a search is; None leaves it to `min_recall`.
    _effort: ClassVar[str]
    _sparse_formats: ClassVar[Any] = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseIndex._parameter_constraints,
        "min_recall": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        n_neighbors: int,
        *,
        metric: str,
        mode: str,
        min_recall: float,
        rebuild_fraction: float,
        memory: int,
        random_state: Any,
    ) -> None:
        super().__init__(
            n_neighbors,
            metric=metric,
            mode=mode,
            rebuild_fraction=rebuild_fraction,
            memory=memory,
        )
        self.min_recall = min_recall
        self.random_state = random_state

    @abstractmethod
    def _make(self, vectors: np.ndarray, seed: int) -> Backend:
        """Build the backend for vectors: (n, d) float32."""

    def _build(
        self, vectors: Any, rows: np.ndarray, queries: np.ndarray | None
    ) -> StaticSearch | None:
        if len(rows) < MIN_VECTORS:
            return None
        made = self.tuned(vectors, rows, queries)
        if made.recall < self.min_recall:
            warn(
                f"{type(self).__name__} finds {made.recall:.1%} of the {RECALL_AT} best, less than "
                f"min_recall={self.min_recall}; a tenth of the queries get {made.recall_p10:.1%} "
                "or less. Look at its parameters, or use ExactIndex.",
                LowRecallWarning,
            )
        return made

    def tuned(
        self, vectors: np.ndarray, rows: np.ndarray, queries: np.ndarray | None
    ) -> TunedSearch:
        """Build the backend for some rows of vectors, and tune it.

        Parameters
        ----------
        vectors : ndarray of shape (n, d), float32
        rows : ndarray of int
            Those that may be found.
        queries : ndarray of shape (n_queries, d), float32, or None
            To tune it with; by default, some of the vectors.

        Returns
        -------
        TunedSearch
            Whatever its recall.
        """
        rng = check_random_state(self.random_state)
        held = vectors if len(rows) == len(vectors) else vectors[rows]
        order, offsets = _equal_ones(held)
        places = held if offsets is None else held[order[offsets[:-1]]]
        backend = self._make(places, int(rng.randint(2**31 - 1)))
        made = TunedSearch(backend, order, offsets=offsets)
        asked = _sample(held if queries is None else queries, rng)
        best = top_k(asked, held, RECALL_AT, memory=self.memory)[1]
        tune(made, held, asked, best, self.min_recall, getattr(self, self._effort))
        made.slots = rows[order]
        return made

    @property
    def effort_(self) -> int | None:
        """How thorough a search is, in the backend's own terms; None if all is scored."""
        static = self.snapshot.static
        return static.backend.effort if isinstance(static, TunedSearch) else None


def _equal_ones(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Order vectors so that equal ones follow each other, and say where others begin.

    None if there are no equal ones.
    """
    first = Pairs(vectors[:1], [vectors]).first_equal
    counts = np.bincount(first)
    counts = counts[counts > 0]
    if len(counts) == len(first):
        return np.arange(len(first)), None
    return np.argsort(first, kind="stable"), np.concatenate([[0], np.cumsum(counts)])


def _sample(vectors: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw queries: half of them evenly, and the others one from each of some regions.

    So those that lie apart are among them, though most may be near each other.
    """
    if len(vectors) <= N_QUERIES:
        return vectors
    drawn = rng.choice(len(vectors), min(len(vectors), N_LOOKED_AT), replace=False)
    looked_at = vectors[np.sort(drawn)]
    found = looked_at @ rng.normal(size=(vectors.shape[1], N_CUTS)).astype(np.float32)
    # cuts at random places between the outermost, not through where most are
    least, most = found.min(axis=0), found.max(axis=0)
    codes = (found > least + (most - least) * rng.uniform(size=N_CUTS)) @ (1 << np.arange(N_CUTS))
    order = rng.permutation(len(codes))
    regions = order[np.unique(codes[order], return_index=True)[1]]
    apart = rng.permutation(regions)[: N_QUERIES // 2]
    evenly = np.setdiff1d(order, apart, assume_unique=True)[: N_QUERIES - len(apart)]
    return np.asarray(looked_at[np.concatenate([apart, evenly])])


def tune(
    search: TunedSearch,
    vectors: np.ndarray,
    queries: np.ndarray,
    best: np.ndarray,
    recall: float,
    effort: int | None,
) -> None:
    """Make a search as thorough as the recall asks for, and tell it what it reaches.

    Parameters
    ----------
    search : TunedSearch
    vectors : ndarray of shape (n, d), float32
        Those of its slots.
    queries : ndarray of shape (n_queries, d), float32
    best : ndarray of shape (n_queries, k), float32
        The k best scores of each.
    recall : float
    effort : int or None
        What to take instead, if anything.
    """
    for tried in search.backend.efforts if effort is None else [effort]:
        search.backend.effort = tried
        found = search.search(queries, best.shape[1])
        shares = measure_recall(scores_of(vectors, queries, found), best)
        search.recall = float(shares.mean())
        search.recall_p10 = float(np.quantile(shares, 0.1, method="lower"))
        if search.recall >= recall:
            break


def scores_of(vectors: np.ndarray, queries: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Score what was found: (n_queries, m) float32, -inf for -1."""
    scores = np.full(found.shape, -np.inf, dtype=np.float32)
    for of_query, query, places in zip(scores, queries, found, strict=True):
        there = places >= 0
        of_query[there] = vectors[places[there]] @ query
    return scores


def measure_recall(found: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return the share of the best that each query found: by scores, as vectors may be equal.

    Parameters
    ----------
    found : ndarray of shape (n_queries, m), float32
        Scores of different vectors that were found; -inf for none.
    best : ndarray of shape (n_queries, k), float32
        The k best scores, -inf where there are fewer.

    Returns
    -------
    ndarray of shape (n_queries,)
    """
    there = best > -np.inf
    least = np.min(best, axis=1, keepdims=True, where=there, initial=np.inf)
    slack = 1e-5 * np.abs(np.where(np.isfinite(least), least, 0))  # scores differ in rounding
    n_best = there.sum(axis=1)
    hits = np.minimum((found >= least - slack).sum(axis=1), n_best)
    return np.asarray(hits / np.maximum(n_best, 1))
