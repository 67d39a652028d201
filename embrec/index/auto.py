"""Whichever index is fastest here."""

from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from embrec._utils.compat import Interval
from embrec.index.annoy import AnnoyIndex
from embrec.index.approximate import TunedSearch
from embrec.index.base import BaseIndex
from embrec.index.exact import ExactIndex
from embrec.index.faiss import FaissIndex
from embrec.index.protocol import StaticSearch
from embrec.index.timing import N_TIMED, seconds_per_query
from embrec.scoring.products import SCORE_MEMORY

#: With fewer vectors none but exact search is tried: it takes less than a millisecond.
MIN_VECTORS = 50_000
#: Libraries in the order in which they are chosen, and their indexes.
APPROXIMATE: dict[str, Any] = {"faiss": FaissIndex, "annoy": AnnoyIndex}


class AutoIndex(BaseIndex):
    """Exact search until approximate search answers a query faster, by measurement.

    With at least 50,000 vectors an approximate index is built too - `FaissIndex` if Faiss is
    installed, else `AnnoyIndex` if Annoy is - and stays if it reaches `min_recall` and answers
    single queries in less time. So which one it is depends on the machine; for answers that do
    not, choose one yourself. Whenever it is built anew, it is asked again.

    Parameters
    ----------
    n_neighbors : int, default=10
        How many neighbours ``kneighbors`` and ``transform`` return.
    metric : {"dot", "angular"}, default="dot"
        Inner product, or cosine.
    mode : {"connectivity", "distance"}, default="distance"
        What ``transform`` returns.
    min_recall : float, default=0.95
        Share of the 50 best that is to be found.
    rebuild_fraction : float, default=0.05
        Share of changes from which it is built anew, in the background.
    memory : int, default=64 MiB
        Bytes of scores held at a time where all vectors are scored.
    n_jobs : int or None, default=None
        Threads that build trees.
    random_state : int, RandomState or None, default=None
        Of what is built, and of the sample that recall is measured with.

    Attributes
    ----------
    chosen_ : {"exact", "annoy", "faiss"}
        The one in use.
    recall_ : float
        Share of the 50 best that was found for a sample of queries; 1 if it is exact.
    recall_p10_ : float
        The share that 9 of 10 of these queries reached or exceeded; 1 if it is exact.
    n_samples_fit_ : int
        Number of rows, removed ones included.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``, if they were all strings.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseIndex._parameter_constraints,
        "min_recall": [Interval(Real, 0, 1, closed="right")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        metric: str = "dot",
        mode: str = "distance",
        min_recall: float = 0.95,
        rebuild_fraction: float = 0.05,
        memory: int = SCORE_MEMORY,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_neighbors,
            metric=metric,
            mode=mode,
            rebuild_fraction=rebuild_fraction,
            memory=memory,
        )
        self.min_recall = min_recall
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def chosen_(self) -> str:
        """Which index is in use: "exact", "annoy" or "faiss"."""
        static = self.snapshot.static
        if not isinstance(static, TunedSearch):
            return "exact"
        return type(static.backend).__name__.removesuffix("Backend").lower()

    def _build(
        self, vectors: Any, rows: np.ndarray, queries: np.ndarray | None
    ) -> StaticSearch | None:
        exact = self._like(ExactIndex)._build(vectors, rows, queries)
        kinds = [kind for name, kind in APPROXIMATE.items() if find_spec(name)]
        if not isinstance(vectors, np.ndarray) or len(rows) < MIN_VECTORS or not kinds:
            return exact
        approximate = self._like(kinds[0]).tuned(vectors, rows, queries)
        if approximate.recall < self.min_recall:
            return exact
        asked = vectors[rows[:: len(rows) // N_TIMED]] if queries is None else queries
        seconds = [
            seconds_per_query(vectors, static, asked, memory=self.memory)
            for static in (approximate, exact)
        ]
        return approximate if seconds[0] < seconds[1] else exact

    def _like(self, index: type[Any]) -> Any:
        names = set(index._get_param_names())
        return index(**{name: v for name, v in self.get_params().items() if name in names})
