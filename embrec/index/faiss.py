"""Approximate search with Faiss: vectors in cells, of which a query looks into some."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from embrec._utils.compat import Interval
from embrec._utils.optional import import_optional
from embrec.index.approximate import RECALL_AT, ApproximateIndex
from embrec.index.backend_file import FileBackend
from embrec.scoring.products import SCORE_MEMORY

#: Vectors per cell that the cells are found with; Faiss warns of fewer than 39.
TRAINED_PER_CELL = 64


class FaissBackend(FileBackend):
    """Cells of Faiss.

    Its `effort` is ``nprobe``, the number of cells that a query looks into.
    """

    @classmethod
    def build(cls, vectors: np.ndarray, *, n_cells: int, codes: str, seed: int) -> "FaissBackend":
        """Find cells, and put the vectors into them."""
        library = _library()
        cells = library.index_factory(
            vectors.shape[1], f"IVF{n_cells},{codes}", library.METRIC_INNER_PRODUCT
        )
        cells.cp.seed = seed
        n_trained = min(len(vectors), TRAINED_PER_CELL * n_cells)
        rng = np.random.RandomState(seed)
        cells.train(vectors[np.sort(rng.choice(len(vectors), n_trained, replace=False))])
        cells.add(vectors)
        return cls.in_temporary_file(lambda path: library.write_index(cells, str(path)), {})

    def _open(self) -> None:
        library = _library()
        flags = library.IO_FLAG_MMAP | library.IO_FLAG_READ_ONLY
        self._cells = library.read_index(str(self.path), flags)
        # a query would start 32 threads to read ahead, which takes milliseconds
        library.downcast_InvertedLists(self._cells.invlists).prefetch_nthread = 0

    @property
    def efforts(self) -> Sequence[int]:
        """Numbers of cells, the last of which are all."""
        most = self._cells.nlist
        return np.unique(np.minimum(1.5 ** np.arange(40), most).astype(int)).tolist()

    def search(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Find about ``n`` places for each query: (n_queries, n), -1 where there are no more."""
        # for more than recall was measured with, more cells; by the call, as threads differ in n
        effort = min(int(self.effort * max(1.0, n / RECALL_AT)), self._cells.nlist)
        settings = _library().SearchParametersIVF(nprobe=effort)
        places: np.ndarray = self._cells.search(queries, n, params=settings)[1]
        return places


def _library() -> Any:
    return import_optional("faiss", extra="faiss", purpose="FaissIndex")


class FaissIndex(ApproximateIndex):
    """Approximate top-k search with an inverted file of Faiss [1]_.

    Vectors are put into cells around centres, and rounded; a query looks into the cells whose
    centres have the largest inner products with it. The file is mapped into memory, so that
    processes which load one saved model share it. Needs the extra ``faiss``.

    Parameters
    ----------
    n_neighbors : int, default=10
        How many neighbours ``kneighbors`` and ``transform`` return.
    metric : {"dot", "angular"}, default="dot"
        Inner product, or cosine.
    mode : {"connectivity", "distance"}, default="distance"
        What ``transform`` returns.
    n_cells : int or None, default=None
        None is twice the square root of the number of vectors.
    codes : str, default="SQ8"
        How Faiss keeps the vectors: "SQ8" for 8 bits per number, "SQfp16", "Flat", "PQ32" and the
        like. What is found is scored in float32.
    n_probe : int or None, default=None
        Cells that a query looks into. None takes the fewest that reach `min_recall`.
    min_recall : float, default=0.95
        Share of the 50 best that is to be found.
    rebuild_fraction : float, default=0.05
        Share of changes from which it is built anew, in the background.
    memory : int, default=64 MiB
        Bytes of scores held at a time where all vectors are scored.
    random_state : int, RandomState or None, default=None
        Of the cells, and of the sample that recall is measured with.

    Attributes
    ----------
    recall_ : float
        Share of the 50 best that was found for a sample of queries.
    recall_p10_ : float
        The share that 9 of 10 of these queries reached or exceeded.
    effort_ : int or None
        The ``n_probe`` that is in use; None for few vectors, all of which are scored.
    n_samples_fit_ : int
        Number of rows, removed ones included.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``, if they were all strings.

    References
    ----------
    .. [1] M. Douze et al., "The Faiss library", 2024.
    """

    _effort = "n_probe"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ApproximateIndex._parameter_constraints,
        "n_cells": [Interval(Integral, 1, None, closed="left"), None],
        "codes": [str],
        "n_probe": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        metric: str = "dot",
        mode: str = "distance",
        n_cells: int | None = None,
        codes: str = "SQ8",
        n_probe: int | None = None,
        min_recall: float = 0.95,
        rebuild_fraction: float = 0.05,
        memory: int = SCORE_MEMORY,
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
        self.n_cells = n_cells
        self.codes = codes
        self.n_probe = n_probe

    def check(self) -> None:
        """Raise if `fit` would not begin; see `BaseIndex.check`."""
        super().check()
        _library()

    def _make(self, vectors: np.ndarray, seed: int) -> FaissBackend:
        n_cells = self.n_cells or int(2 * len(vectors) ** 0.5)
        # fewer vectors per cell than Faiss can find centres for
        n_cells = max(1, min(n_cells, len(vectors) // 39))
        return FaissBackend.build(vectors, n_cells=n_cells, codes=self.codes, seed=seed)
