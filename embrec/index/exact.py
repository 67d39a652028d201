"""Exact search."""

from typing import Any, ClassVar

import numpy as np

from embrec._utils.compat import StrOptions
from embrec.index.base import BaseIndex
from embrec.index.protocol import StaticSearch
from embrec.index.quantized import QuantizedSearch, is_available, suits
from embrec.index.timing import N_TIMED, seconds_per_query
from embrec.scoring.products import SCORE_MEMORY

#: From so many numbers on, codes of 8 bits may be faster than float32.
MIN_NUMBERS = 2**21


class ExactIndex(BaseIndex):
    """Exact top-k search, in blocks of bounded memory.

    Parameters
    ----------
    n_neighbors : int, default=10
        How many neighbours ``kneighbors`` and ``transform`` return.
    metric : {"dot", "angular"}, default="dot"
        Inner product, or cosine.
    mode : {"connectivity", "distance"}, default="distance"
        What ``transform`` returns.
    precision : {"auto", "float32", "int8"}, default="auto"
        With "int8" a copy of the vectors in 8 bits per number is read first; what could be among
        the best by the largest error of these, is then scored in float32. The answers are those of
        "float32" (of vectors that score exactly alike others may come back), for a quarter more
        memory and, on many vectors, several times as fast. "auto" tries which is faster here. So
        large or small that 8 bits cannot be trusted, vectors are scored in float32.
    rebuild_fraction : float, default=0.25
        Share of changes from which the vectors are copied together anew, in the background.
    memory : int, default=64 MiB
        Bytes of scores held at a time, whatever the number of queries and vectors.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of rows, removed ones included.
    n_features_in_ : int
        Length of the vectors.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``, if they were all strings.
    recall_ : float
        1.0.

    See Also
    --------
    AnnoyIndex : Approximate search.
    AutoIndex : Whichever is faster.

    Notes
    -----
    Vectors may be CSR, or matrices side by side; ``precision`` then says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from embrec.index import ExactIndex
    >>> index = ExactIndex(metric="angular").fit(np.eye(3))
    >>> distances, rows = index.kneighbors([[1.0, 0.5, 0.0]], n_neighbors=2)
    >>> rows
    array([[0, 1]])
    >>> index.add([[1.0, 0.4, 0.0]])
    array([3])
    >>> index.kneighbors([[1.0, 0.5, 0.0]], n_neighbors=2, return_distance=False)
    array([[3, 0]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseIndex._parameter_constraints,
        "precision": [StrOptions({"auto", "float32", "int8"})],
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        metric: str = "dot",
        mode: str = "distance",
        precision: str = "auto",
        rebuild_fraction: float = 0.25,
        memory: int = SCORE_MEMORY,
    ) -> None:
        super().__init__(
            n_neighbors,
            metric=metric,
            mode=mode,
            rebuild_fraction=rebuild_fraction,
            memory=memory,
        )
        self.precision = precision

    def _build(
        self, vectors: Any, rows: np.ndarray, queries: np.ndarray | None
    ) -> StaticSearch | None:
        if not isinstance(vectors, np.ndarray) or self.precision == "float32":
            return None
        if self.precision == "auto" and vectors.size < MIN_NUMBERS:
            return None
        if not is_available():
            if self.precision == "auto":
                return None
            raise RuntimeError(
                "precision='int8' needs a torch that multiplies integers of 8 bits on this CPU; "
                "use 'auto' or 'float32'."
            )
        if not suits(vectors):
            return None
        quantized = QuantizedSearch(vectors)
        if self.precision == "int8":
            return quantized
        asked = vectors[:: max(1, len(vectors) // N_TIMED)] if queries is None else queries
        # the answers are the same, so that noise does no harm
        seconds = [
            seconds_per_query(vectors, static, asked, memory=self.memory)
            for static in (quantized, None)
        ]
        return quantized if seconds[0] < seconds[1] else None
