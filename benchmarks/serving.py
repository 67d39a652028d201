"""What a click and its top 10 cost, with every index, in catalogues of four sizes; one thread.

    python benchmarks/serving.py

On item vectors of a trained model: the p50 and p99 of a session's step and the answer to it, and
clicks answered per second in batches of 256. On these and on drawn vectors: the recall at 50 of
every index against exact search, for queries that it was not tuned with, and what a search takes.
Then what the step alone takes after short and long histories, and the sizes from which on approximate
search is faster than exact search.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import write_result
from _vectors import drawn_vectors, trained_model, trained_vectors, with_catalogue
from threadpoolctl import threadpool_limits

from embrec.index import AnnoyIndex, ExactIndex, FaissIndex, HnswIndex
from embrec.index.approximate import measure_recall

SIZES = (2_400, 25_000, 170_000, 1_000_000)
SWEEP = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
INDEXES = {
    "exact, float32": lambda: ExactIndex(precision="float32"),
    "exact, int8": lambda: ExactIndex(precision="int8"),
    "annoy": lambda: AnnoyIndex(random_state=0, n_jobs=-1),
    "hnsw": lambda: HnswIndex(random_state=0, n_jobs=-1),
    "faiss": lambda: FaissIndex(random_state=0),
}
#: Queries that indexes are tuned with, and others that recall is measured with.
TUNED_WITH, MEASURED_WITH = slice(0, 256), slice(1000, 1512)
N_CLICKS = 1000
CLICKS_PER_VISITOR = 10
BATCH = 256


def timed(calls: list[Any]) -> dict[str, float]:
    """Time calls, in milliseconds; the first ones warm up."""
    times = np.empty(len(calls))
    for i, call in enumerate(calls):
        started = time.perf_counter()
        call()
        times[i] = 1000 * (time.perf_counter() - started)
    times = times[len(times) // 10 :]
    return {"p50_ms": float(np.median(times)), "p99_ms": float(np.quantile(times, 0.99))}


def clicks(model: Any) -> dict[str, float]:
    """Time clicks of visitors, each answered by ten items."""
    rng = np.random.default_rng(0)
    ids = [f"item-{i}" for i in rng.integers(0, len(model.index_), N_CLICKS)]
    visitors = [model.start_session(ids[-3:]) for _ in range(N_CLICKS // CLICKS_PER_VISITOR)]
    return timed(
        [
            lambda i=i: visitors[i // CLICKS_PER_VISITOR].add(ids[i]).recommend(10)
            for i in range(N_CLICKS)
        ]
    )


def clicks_per_second(model: Any) -> float:
    """Count clicks taken and answered per second, 256 visitors at a time."""
    rng = np.random.default_rng(1)
    histories = [
        [f"item-{i}" for i in row] for row in rng.integers(0, len(model.index_), (BATCH, 3))
    ]
    batch = model.start_sessions(histories)
    touched = [row[0] for row in histories]
    return BATCH / (timed([lambda: batch.add(touched).recommend(10)] * 21)["p50_ms"] / 1000)


def steps(model: Any) -> dict[str, float]:
    """Time steps alone: after short and long histories, and of many visitors at once."""
    rng = np.random.default_rng(2)
    ids = [f"item-{i}" for i in rng.integers(0, len(model.index_), 10_000)]
    costs = {}
    for n in (3, 100, 10_000):
        add = model.start_session(ids[:n]).add
        costs[f"after {n:,} items"] = timed([partial(add, item) for item in ids[:500]])["p50_ms"]
    for n in (256, 5_000):
        add = model.start_sessions([ids[i : i + 3] for i in range(n)]).add
        costs[f"one of {n:,} together"] = timed([partial(add, ids[:n])] * 21)["p50_ms"] / n
    return costs


def built(name: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[Any, float]:
    """Build an index with all cores, and time it."""
    started = time.perf_counter()
    index = INDEXES[name]().fit(vectors, queries=queries[TUNED_WITH])
    return index, time.perf_counter() - started


def searches(index: Any, queries: np.ndarray, n: int = 500) -> dict[str, float]:
    """Time single searches for ten."""
    return timed([lambda i=i: index.search(queries[i : i + 1], 10) for i in range(n)])


def compare(vectors: np.ndarray, queries: np.ndarray, model: Any = None) -> dict[str, Any]:
    """Measure every index over the same vectors."""
    best = ExactIndex(precision="float32").fit(vectors).search(queries[MEASURED_WITH], 50)[0]
    rows = {}
    for name in INDEXES:
        index, seconds = built(name, vectors, queries)
        with threadpool_limits(1):
            row = {
                "recall@50": measure_recall(
                    index.search(queries[MEASURED_WITH], 50)[0], best
                ).mean(),
                "recall_": index.recall_,
                "effort": getattr(index, "effort_", None),
                "build_seconds": seconds,
                "search": searches(index, queries),
            }
            if model is not None:
                serving = with_catalogue(model, index)
                row["click"] = clicks(serving)
                row["clicks_per_second"] = clicks_per_second(serving)
        rows[name] = row
        shown = row.get("click", row["search"])
        print(
            f"    {name:16} recall {row['recall@50']:.3f}   p50 {shown['p50_ms']:7.3f} ms   "
            f"p99 {shown['p99_ms']:7.3f} ms   {row.get('clicks_per_second', 0):8.0f} per s   "
            f"built in {seconds:.1f} s",
            flush=True,
        )
    return rows


def sweep(vectors: np.ndarray, queries: np.ndarray) -> dict[str, dict[int, float]]:
    """Time searches at many sizes: p50 in milliseconds."""
    found: dict[str, dict[int, float]] = {name: {} for name in INDEXES}
    for n in SWEEP:
        for name in INDEXES:
            index, _ = built(name, vectors[:n], queries)
            with threadpool_limits(1):
                found[name][n] = searches(index, queries, 300)["p50_ms"]
        print(f"    {n:9,}", {k: round(v[n], 3) for k, v in found.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".vectors"), help="keeps what is made")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = trained_model(options.folder)
    trained, drawn = {}, {}
    for n in options.sizes:
        print(f"{n:,} items, of a trained model")
        trained[n] = compare(*trained_vectors(n, options.folder), model)
        print(f"{n:,} items, drawn")
        drawn[n] = compare(*drawn_vectors(n))
    with threadpool_limits(1):
        vectors, _ = trained_vectors(25_000, options.folder)
        step_costs = steps(with_catalogue(model, ExactIndex().fit(vectors)))
    print("one step, ms", step_costs)
    print("sizes")
    found = sweep(*trained_vectors(max(SWEEP), options.folder))
    write_result(
        "serving", {"trained": trained, "drawn": drawn, "steps": step_costs, "sweep": found}
    )


if __name__ == "__main__":
    main()
