"""Training from a log on disk: resident memory as the log grows tenfold, and tenfold again.

    python benchmarks/log_on_disk.py

A log of some million events is written to Parquet, turned into an `InteractionStore` and trained
on for 200 steps, each in a process of its own. Memory is the peak of what is resident beyond what
importing takes; that of the store's building is shown apart. Both hold pages of files that were
read a moment ago. For comparison, the same log as a pandas table.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from _common import AS_BEFORE, peak_mib, reset_peak, rss_mib, write_result
from sklearn.preprocessing import FunctionTransformer

from embrec import Callback, EmbRecEstimator, InteractionStore

N_ITEMS, EVENTS_PER_USER = 20_000, 10


class StopAfter(Callback):
    """Stops after some steps."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps

    def on_step_end(self, progress) -> bool:
        return progress.step >= self.n_steps


def write_log(path: Path, n_events: int) -> None:
    """Write events of many users, in order of time, a row group at a time."""
    rng = np.random.default_rng(0)
    n_users = n_events // EVENTS_PER_USER
    schema = pa.schema([("user", pa.int64()), ("item", pa.int64()), ("timestamp", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_events, 250_000):
            n = min(250_000, n_events - start)
            columns = (
                rng.integers(0, n_users, n),
                (N_ITEMS ** rng.random(n)).astype(np.int64),
                np.arange(start, start + n),
            )
            writer.write_table(pa.table(list(columns), schema=schema))


def build(log: Path, store: Path) -> dict[str, float]:
    """Build a store."""
    before, started = rss_mib(), time.perf_counter()
    reset_peak()
    InteractionStore.from_parquet(log, store, batch_rows=250_000)
    return {"seconds": time.perf_counter() - started, "mib": peak_mib() - before}


def fit(log: Path, store: Path | None) -> dict[str, float]:
    """Train for 200 steps on what is on disk, or on the same log in memory."""
    torch.set_num_threads(1)
    items = pd.DataFrame({"item": np.arange(N_ITEMS + 1)})
    features = np.random.default_rng(0).normal(size=(N_ITEMS + 1, 32)).astype(np.float32)
    items[[f"f{i}" for i in range(32)]] = features
    model = EmbRecEstimator(
        FunctionTransformer(),
        negatives=1024,
        max_epochs=1,
        callbacks=[StopAfter(200)],
        random_state=0,
        **AS_BEFORE,
    )
    before = rss_mib()
    reset_peak()
    model.fit(pd.read_parquet(log) if store is None else InteractionStore.open(store), items=items)
    return {"mib": peak_mib() - before, "loss": model.training_log_[0]["loss"]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, nargs="+", default=[300_000, 3_000_000, 30_000_000])
    options = parser.parse_args()
    figures = {}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        log, store = Path(folder) / "log.parquet", Path(folder) / "store"
        for n_events in options.events:
            write_log(log, n_events)
            row = {}
            for name, function, arguments in (
                ("build", build, (log, store)),
                ("fit on disk", fit, (log, store)),
                ("fit in memory", fit, (log, None)),
            ):
                with context.Pool(1, maxtasksperchild=1) as pool:
                    row[name] = pool.apply(function, arguments)
                print(f"{n_events:12,} {name:16} {row[name]}", flush=True)
            figures[str(n_events)] = row
            for path in store.iterdir():
                path.unlink()
            store.rmdir()
    write_result("log_on_disk", figures)


if __name__ == "__main__":
    main()
