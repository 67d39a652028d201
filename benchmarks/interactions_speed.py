"""Reading a million interactions, in every form, against a loop over users.

    python benchmarks/interactions_speed.py

Seconds are medians of five. Peak memory is what Python, numpy and pandas take beyond the log itself
(tracemalloc), measured in a run of its own.
"""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from _common import median_seconds, write_result

from embrec.data.ids import IdIndex, check_ids
from embrec.data.interactions import encode, read_sequences

N_EVENTS, N_USERS, N_ITEMS = 1_000_000, 100_000, 50_000


def make_log(text_ids: bool) -> pd.DataFrame:
    """Draw a shuffled log."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, N_USERS, N_EVENTS), rng.integers(0, N_ITEMS, N_EVENTS)
    if text_ids:
        users, items = [f"user-{u:06d}" for u in users], [f"item-{i:06d}" for i in items]
    times = rng.integers(0, 10**9, N_EVENTS)
    return pd.DataFrame({"user": users, "item": items, "timestamp": times})


def loop_over_users(log: pd.DataFrame, row_of: dict) -> list[list[int]]:
    """Do the same the plain way."""
    ordered = log.sort_values(["user", "timestamp"], kind="stable")
    return [[row_of[i] for i in group] for _, group in ordered.groupby("user", sort=False)["item"]]


def peak_mib(function) -> float:
    """Measure the most memory that a call takes."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def measure(function, repeats: int) -> dict[str, float]:
    return {"seconds": median_seconds(function, repeats), "peak_mib": peak_mib(function)}


def main() -> None:
    forms = {}
    for text_ids in (True, False):
        log = make_log(text_ids)
        kind = "strings" if text_ids else "integers"
        unique = log["item"].unique()
        ids = IdIndex(check_ids(unique, what="items"))
        row_of = dict(zip(unique.tolist(), range(len(unique)), strict=True))
        lists = [group.tolist() for _, group in log.groupby("user", sort=False)["item"]]
        loop = measure(lambda log=log, row_of=row_of: loop_over_users(log, row_of), 3)
        for name, X in {
            "pandas": log,
            "polars": pl.from_pandas(log),
            "pyarrow": pa.Table.from_pandas(log),
            "lists": lists,
        }.items():
            ours = measure(lambda X=X, ids=ids: encode(read_sequences(X)[0], ids), 5)
            ours["loop/ours"] = loop["seconds"] / ours["seconds"]
            forms[f"{name}, {kind}"] = ours
        forms[f"a loop over users, {kind}"] = loop
    for name, figures in forms.items():
        print(name, figures)
    coded = encode(read_sequences(log)[0], ids)
    n_bytes = coded.values.nbytes + coded.offsets.nbytes
    print(f"stored: {n_bytes / N_EVENTS:.1f} bytes per event")
    write_result("interactions_speed", {"forms": forms, "bytes_per_event": n_bytes / N_EVENTS})


if __name__ == "__main__":
    main()
