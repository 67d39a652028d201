"""How long a search takes."""

import numpy as np

from embrec.index import timing
from embrec.index.timing import N_TIMED, K, seconds_per_query


def test_single_queries_are_timed(monkeypatch):
    asked = []
    monkeypatch.setattr(
        timing, "search", lambda snapshot, queries, k, *_, **__: asked.append((len(queries), k))
    )
    clock = iter(range(10**6))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    vectors = np.eye(5, dtype=np.float32)
    assert seconds_per_query(vectors, None, np.ones((40, 5), np.float32), memory=1000) == 1
    assert asked == [(1, K)] * N_TIMED
