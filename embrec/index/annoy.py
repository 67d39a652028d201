"""Approximate search with Annoy: trees in a file that worker processes share."""

import time
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs

from embrec._utils.compat import Interval
from embrec._utils.optional import import_optional
from embrec.index.approximate import RECALL_AT, ApproximateIndex
from embrec.index.backend_file import FileBackend
from embrec.index.background import check_ending
from embrec.scoring.products import SCORE_MEMORY

#: Vectors that are handed over before other threads get their turn.
HANDED_OVER = 256
#: Seconds of their turn.
PAUSE = 1e-4


class AnnoyBackend(FileBackend):
    """Trees of Annoy.

    Its `effort` is ``search_k``, the number of nodes that a query looks at.
    """

    @classmethod
    def build(
        cls, vectors: np.ndarray, *, metric: str, n_trees: int, n_jobs: int, seed: int
    ) -> "AnnoyBackend":
        """Build trees; while it takes its time other threads may run."""
        forest = _forest(vectors.shape[1], metric)
        forest.set_seed(seed)
        for start in range(0, len(vectors), HANDED_OVER):
            # Annoy takes one vector at a time
            for place, vector in enumerate(vectors[start : start + HANDED_OVER], start):
                forest.add_item(place, vector)
            time.sleep(PAUSE)
            check_ending()
        forest.build(n_trees, n_jobs=n_jobs)
        settings = {"n_features": vectors.shape[1], "metric": metric, "n_trees": n_trees}
        return cls.in_temporary_file(lambda path: forest.save(str(path)), settings)

    def _open(self) -> None:
        self._forest = _forest(self.settings["n_features"], self.settings["metric"])
        self._forest.load(str(self.path))

    @property
    def efforts(self) -> Sequence[int]:
        """Numbers of nodes, the last of which are all there are."""
        n = self._forest.get_n_items()
        most = n * self.settings["n_trees"]
        steps = int(np.ceil(np.log(max(most / 100, 1)) / np.log(1.5))) + 1
        return np.unique(np.minimum(100 * 1.5 ** np.arange(steps + 1), most).astype(int)).tolist()

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` places for each query: (n_queries, n), -1 where there are no more."""
        # for more than recall was measured with, more nodes
        effort = int(self.effort * max(1.0, n / RECALL_AT))
        found = np.full((len(queries), n), -1, dtype=np.int64)
        for row, query in zip(found, queries.tolist(), strict=True):
            places = self._forest.get_nns_by_vector(query, n, search_k=effort)
            row[: len(places)] = places
        return found


def _library() -> Any:
    return import_optional("annoy", extra="annoy", purpose="AnnoyIndex")


def _forest(n_features: int, metric: str) -> Any:
    return _library().AnnoyIndex(n_features, metric)


class AnnoyIndex(ApproximateIndex):
    """Approximate top-k search with trees of random hyperplanes [1]_.

    The trees lie in a file that is mapped into memory, so that processes which load one saved model
    share it. Annoy itself cannot add or remove; what changes is searched beside it, exactly, and
    the trees are built anew in the background once that is much.

    Parameters
    ----------
    n_neighbors : int, default=10
        How many neighbours ``kneighbors`` and ``transform`` return.
    metric : {"dot", "angular"}, default="dot"
        Inner product, or cosine.
    mode : {"connectivity", "distance"}, default="distance"
        What ``transform`` returns.
    n_trees : int, default=20
        More trees find more, and take more memory and time to build.
    search_k : int or None, default=None
        How many nodes a query looks at. None takes the fewest that reach `min_recall`.
    min_recall : float, default=0.95
        Share of the 50 best that is to be found.
    rebuild_fraction : float, default=0.05
        Share of changes from which it is built anew, in the background.
    memory : int, default=64 MiB
        Bytes of scores held at a time where all vectors are scored.
    n_jobs : int or None, default=None
        Threads that build trees; -1 is one per CPU. The trees depend on it.
    random_state : int, RandomState or None, default=None
        Of the trees, and of the sample that recall is measured with.

    Attributes
    ----------
    recall_ : float
        Share of the 50 best that was found for a sample of queries.
    recall_p10_ : float
        The share that 9 of 10 of these queries reached or exceeded.
    effort_ : int or None
        The ``search_k`` that is in use; None for few vectors, all of which are scored.
    n_samples_fit_ : int
        Number of rows, removed ones included.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``, if they were all strings.

    References
    ----------
    .. [1] E. Bernhardsson, "Annoy: Approximate nearest neighbors in C++/Python", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from embrec.index import AnnoyIndex
    >>> vectors = np.random.default_rng(0).normal(size=(2000, 16))
    >>> index = AnnoyIndex(random_state=0).fit(vectors)
    >>> bool(index.recall_ >= 0.95)
    True
    >>> distances, rows = index.kneighbors(vectors[:3], n_neighbors=5)
    >>> rows.shape
    (3, 5)
    """

    _effort = "search_k"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ApproximateIndex._parameter_constraints,
        "n_trees": [Interval(Integral, 1, None, closed="left")],
        "search_k": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        metric: str = "dot",
        mode: str = "distance",
        n_trees: int = 20,
        search_k: int | None = None,
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
            min_recall=min_recall,
            rebuild_fraction=rebuild_fraction,
            memory=memory,
            random_state=random_state,
        )
        self.n_trees = n_trees
        self.search_k = search_k
        self.n_jobs = n_jobs

    def check(self) -> None:
        """Raise if `fit` would not begin; see `BaseIndex.check`."""
        super().check()
        _library()

    def _make(self, vectors: np.ndarray, seed: int) -> AnnoyBackend:
        return AnnoyBackend.build(
            vectors,
            metric=self.metric,
            n_trees=self.n_trees,
            n_jobs=effective_n_jobs(self.n_jobs),
            seed=seed,
        )
