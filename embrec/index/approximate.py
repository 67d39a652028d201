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
from embrec.scoring.top_k import top_k

#: Recall is the share of so many best that are found.
RECALL_AT = 50
#: Queries that it is measured with.
N_QUERIES = 256
#: With fewer vectors all are scored.
MIN_VECTORS = 512


class LowRecallWarning(UserWarning):
    """An approximate index does not reach the recall that was asked for."""


class TunedSearch:
    """A backend over some slots, as thorough as the recall asks for.

    Parameters
    ----------
    backend : Backend
    slots : ndarray of int
        Those that the backend holds, in its order.
    recall : float
        As measured.
    """

    def __init__(self, backend: Backend, slots: np.ndarray, recall: float) -> None:
        self.backend = backend
        self.slots = slots
        self.recall = recall

    @property
    def n_held(self) -> int:
        """How many slots it can find."""
        return len(self.slots)

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` slots for each query: (n_queries, n), -1 where there are no more."""
        places = self.backend.search(queries, min(n, len(self.slots)))
        slots = np.full((len(queries), n), -1, dtype=np.int64)
        slots[:, : places.shape[1]] = np.where(places < 0, -1, self.slots[places])
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
                f"min_recall={self.min_recall}. Look at its parameters, or use ExactIndex.",
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
        backend = self._make(held, int(rng.randint(2**31 - 1)))
        asked = _sample(held if queries is None else queries, rng)
        best = top_k(asked, held, RECALL_AT, memory=self.memory)[1]
        recall = tune(backend, held, asked, best, self.min_recall, getattr(self, self._effort))
        return TunedSearch(backend, rows, recall)

    @property
    def effort_(self) -> int | None:
        """How thorough a search is, in the backend's own terms; None if all is scored."""
        static = self.snapshot.static
        return static.backend.effort if isinstance(static, TunedSearch) else None


def _sample(vectors: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    if len(vectors) <= N_QUERIES:
        return vectors
    return vectors[rng.choice(len(vectors), N_QUERIES, replace=False)]


def tune(
    backend: Backend,
    vectors: np.ndarray,
    queries: np.ndarray,
    best: np.ndarray,
    recall: float,
    effort: int | None,
) -> float:
    """Make a backend as thorough as the recall asks for, and return what it reaches.

    Parameters
    ----------
    backend : Backend
    vectors : ndarray of shape (n, d), float32
        Those that it holds.
    queries : ndarray of shape (n_queries, d), float32
    best : ndarray of shape (n_queries, k), float32
        The k best scores of each.
    recall : float
    effort : int or None
        What to take instead, if anything.

    Returns
    -------
    float
    """
    reached = 0.0
    for tried in backend.efforts if effort is None else [effort]:
        backend.effort = tried
        found = backend.search(queries, best.shape[1])
        reached = measure_recall(scores_of(vectors, queries, found), best)
        if reached >= recall:
            break
    return reached


def scores_of(vectors: np.ndarray, queries: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Score what was found: (n_queries, m) float32, -inf for -1."""
    scores = np.full(found.shape, -np.inf, dtype=np.float32)
    for of_query, query, places in zip(scores, queries, found, strict=True):
        there = places >= 0
        of_query[there] = vectors[places[there]] @ query
    return scores


def measure_recall(found: np.ndarray, best: np.ndarray) -> float:
    """Return the share of the best that was found: by scores, as vectors may be equal.

    Parameters
    ----------
    found : ndarray of shape (n_queries, m), float32
        Scores of different vectors that were found; -inf for none.
    best : ndarray of shape (n_queries, k), float32
        The k best scores, -inf where there are fewer.

    Returns
    -------
    float
    """
    there = best > -np.inf
    least = np.min(best, axis=1, keepdims=True, where=there, initial=np.inf)
    slack = 1e-5 * np.abs(np.where(np.isfinite(least), least, 0))  # scores differ in rounding
    hits = np.minimum((found >= least - slack).sum(axis=1), there.sum(axis=1))
    return float(hits.sum() / max(1, there.sum()))
