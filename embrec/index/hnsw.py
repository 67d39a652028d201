"""Approximate search with usearch: a navigable small-world graph in a file."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs

from embrec._utils.compat import Interval, StrOptions
from embrec._utils.optional import import_optional
from embrec.index.approximate import RECALL_AT, ApproximateIndex
from embrec.index.backend_file import FileBackend
from embrec.index.background import check_ending
from embrec.scoring.products import SCORE_MEMORY

#: Vectors that are handed over at once: a fraction of a second's work.
ADDED_TOGETHER = 2048


class HnswBackend(FileBackend):
    """A graph of usearch.

    Its `effort` is ``ef``, the number of candidates that a query keeps.
    """

    @classmethod
    def build(
        cls, vectors: np.ndarray, *, precision: str, n_links: int, ef_build: int, n_threads: int
    ) -> "HnswBackend":
        """Build the graph."""
        library = _library()
        longer = with_equal_lengths(vectors)
        graph = library.Index(
            ndim=longer.shape[1],
            metric="ip",
            dtype=precision,
            connectivity=n_links,
            expansion_add=ef_build,
        )
        for start in range(0, len(longer), ADDED_TOGETHER):
            check_ending()  # its threads would abort the process
            part = slice(start, start + ADDED_TOGETHER)
            graph.add(np.arange(len(longer))[part], longer[part], threads=n_threads)
        return cls.in_temporary_file(lambda path: graph.save(str(path)), {})

    def _open(self) -> None:
        self._graph = _library().Index.restore(str(self.path), view=True)

    @property
    def efforts(self) -> Sequence[int]:
        """Numbers of candidates."""
        most = len(self._graph)
        return np.unique(np.minimum(RECALL_AT * 1.3 ** np.arange(24), most).astype(int)).tolist()

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` places for each query: (n_queries, n), -1 where there are no more."""
        if self._graph.expansion_search != self.effort:
            self._graph.expansion_search = self.effort
        padded = np.pad(queries, ((0, 0), (0, 1)))
        found = np.full((len(queries), n), -1, dtype=np.int64)
        matches = self._graph.search(padded, n, threads=1)
        keys = np.atleast_2d(matches.keys)
        # a single query has one match after another, and no counts
        counts = np.array(getattr(matches, "counts", [keys.shape[1]]))
        there = np.arange(keys.shape[1]) < counts[:, None]
        found[:, : keys.shape[1]][there] = keys[there]
        return found


def with_equal_lengths(vectors: np.ndarray) -> np.ndarray:
    """Add a number to each vector, so that the nearest have the largest inner products.

    Graphs need distances that are near where two things are near a third, and inner products are
    none (Bachrach et al., "Speeding up the Xbox recommender system", RecSys, 2014).

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    ndarray of shape (n, d + 1), float32
        All as long as the longest; a query has 0 there.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    missing = np.sqrt(np.maximum(squares.max(initial=0) - squares, 0))
    return np.concatenate([vectors, missing[:, None]], axis=1)


def _library() -> Any:
    return import_optional("usearch.index", extra="hnsw", purpose="HnswIndex")


class HnswIndex(ApproximateIndex):
    """Approximate top-k search with a hierarchical navigable small-world graph [1]_, by usearch.

    Builds more slowly than `AnnoyIndex`, and often answers faster. The graph lies in a file that is
    mapped into memory, so that processes which load one saved model share it. Needs the extra
    ``hnsw``.

    Parameters
    ----------
    n_neighbors : int, default=10
        How many neighbours ``kneighbors`` and ``transform`` return.
    metric : {"dot", "angular"}, default="dot"
        Inner product, or cosine.
    mode : {"connectivity", "distance"}, default="distance"
        What ``transform`` returns.
    n_links : int, default=16
        Neighbours of a node in the graph; twice as many in its lowest layer.
    ef_build : int, default=128
        Candidates that are kept when a node is added.
    ef : int or None, default=None
        Candidates that a query keeps. None takes the fewest that reach `min_recall`.
    precision : {"f32", "bf16", "f16", "i8"}, default="bf16"
        Of the graph's own copy of the vectors. What is found is scored in float32.
    min_recall : float, default=0.95
        Share of the 50 best that is to be found.
    rebuild_fraction : float, default=0.05
        Share of changes from which it is built anew, in the background.
    memory : int, default=64 MiB
        Bytes of scores held at a time where all vectors are scored.
    n_jobs : int or None, default=None
        Threads that build the graph; -1 is one per CPU. The graph depends on it.
    random_state : int, RandomState or None, default=None
        Of the sample that recall is measured with.

    Attributes
    ----------
    recall_ : float
        Share of the 50 best that was found for a sample of queries.
    recall_p10_ : float
        The share that 9 of 10 of these queries reached or exceeded.
    effort_ : int or None
        The ``ef`` that is in use; None for few vectors, all of which are scored.
    n_samples_fit_ : int
        Number of rows, removed ones included.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``, if they were all strings.

    References
    ----------
    .. [1] Y. Malkov and D. Yashunin, "Efficient and robust approximate nearest neighbor search
       using hierarchical navigable small world graphs", TPAMI, 2020.
    """

    _effort = "ef"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ApproximateIndex._parameter_constraints,
        "n_links": [Interval(Integral, 2, None, closed="left")],
        "ef_build": [Interval(Integral, 1, None, closed="left")],
        "ef": [Interval(Integral, 1, None, closed="left"), None],
        "precision": [StrOptions({"f32", "bf16", "f16", "i8"})],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        metric: str = "dot",
        mode: str = "distance",
        n_links: int = 16,
        ef_build: int = 128,
        ef: int | None = None,
        precision: str = "bf16",
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
        self.n_links = n_links
        self.ef_build = ef_build
        self.ef = ef
        self.precision = precision
        self.n_jobs = n_jobs

    def check(self) -> None:
        """Raise if `fit` would not begin; see `BaseIndex.check`."""
        super().check()
        _library()

    def _make(self, vectors: np.ndarray, seed: int) -> HnswBackend:
        return HnswBackend.build(
            vectors,
            precision=self.precision,
            n_links=self.n_links,
            ef_build=self.ef_build,
            n_threads=effective_n_jobs(self.n_jobs),
        )
