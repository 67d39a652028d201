"""How long a search takes here."""

import time

import numpy as np

from embrec.index.filters import Filter
from embrec.index.protocol import StaticSearch
from embrec.index.rows import RowStore
from embrec.index.searching import search

#: Queries that are timed, one at a time.
N_TIMED = 16
#: Answers to each.
K = 10


def seconds_per_query(
    vectors: np.ndarray, static: StaticSearch | None, queries: np.ndarray, *, memory: int
) -> float:
    """Time single queries: the median of some.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
    static : StaticSearch or None
        None scores all vectors.
    queries : ndarray of shape (n_queries, d), float32
    memory : int
        Bytes of scores held at a time.

    Returns
    -------
    float
    """
    snapshot = RowStore(vectors, static=static).snapshot
    timed = queries[:: max(1, len(queries) // N_TIMED)][:N_TIMED]
    seconds = []
    for query in timed:
        started = time.perf_counter()
        search(snapshot, query[None], K, Filter(), memory=memory, exactly=False)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))
