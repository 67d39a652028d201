"""Visitors whom training never saw, by how many items they have touched (thesis Figure 9b).

    python benchmarks/user_cold.py [DATA ...] [--jobs 2]

A tenth of the users is held out (`ColdUserSplit`). Each of their items but the first is a target,
after those before it: HitRate@50 by the length of the history, 1 to 16, all items ranked. Settings
are the first ones of `_models.py`; early stopping uses a tenth of the training users. Intervals are
bootstrapped over targets (95 %). The controls give the model the last item alone, or the history
in random order.
"""

import argparse
from typing import Any

import numpy as np
import torch
from _common import write_result
from _models import FIRST, make_model, settings_of
from _splits import load
from joblib import Parallel, delayed

from embrec.evaluation import evaluate
from embrec.evaluation.resampling import bootstrap_interval

DATA = {
    "amazon2014_office_5core": "interactions.parquet",
    "amazon2014_games_thesis": "interactions_thesis.parquet",
}
LONGEST = 16
CONTROLS = ("all", "last", "shuffled")


def curve(queries: Any) -> list[dict[str, float]]:
    """HitRate@50 by the length of the history, with intervals."""
    rows = []
    for length in range(1, LONGEST + 1):
        hits = queries.loc[queries["context_length"] == length, ["hit_rate@50"]].to_numpy()
        low, high = bootstrap_interval(hits, 0.95, 1000, 0)
        rows.append(
            {
                "length": length,
                "n": len(hits),
                "value": float(hits.mean()),
                "low": float(low[0]),
                "high": float(high[0]),
            }
        )
    return rows


def run(name: str, model: str, epochs: int) -> tuple[str, str, dict[str, Any]]:
    """Fit one model, and draw its curves."""
    torch.set_num_threads(1)
    train, valid, test, items, columns = load(name, None, DATA[name], "cold-users")
    [setting], _ = settings_of(model, 1, len(items), 0)
    fitted = make_model(model, setting, columns, epochs, 0).fit(train, items=items, X_val=valid)
    curves = {}
    for history in CONTROLS:
        queries = evaluate(
            fitted,
            test,
            metrics="hit_rate@50",
            every_step=True,
            max_context=LONGEST,
            history=history,
        ).queries
        curves[history] = {
            "by_length": curve(queries),
            "mean": float(np.mean(queries["hit_rate@50"])),
            "n": len(queries),
        }
    print(name, model, {k: round(v["mean"], 4) for k, v in curves.items()}, flush=True)
    return name, model, curves


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="*", default=list(DATA))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    found = Parallel(n_jobs=options.jobs)(
        delayed(run)(name, model, options.epochs)
        for name in options.data
        for model in reversed(FIRST)
    )
    for name in options.data:
        curves = {model: c for data, model, c in reversed(found) if data == name}
        write_result(f"user_cold_{name}", {"data": name, "curves": curves})


if __name__ == "__main__":
    main()
