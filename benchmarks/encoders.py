"""What reads a history, and what scores an item: encoders and similarities side by side.

    python benchmarks/encoders.py amazon2014_office_5core [--seeds 3] [--ways GRU attention]
    python benchmarks/encoders.py amazon2014_games_thesis --interactions interactions_thesis.parquet \
        --all-ranked --result encoders_games
    python benchmarks/encoders.py ml1m_posters --last 50 --result encoders_movielens

Validation part of the thesis' split, which early stopping has watched, and the test part; items that
a visitor has seen are left out, or with --all-ranked they are not. Every model has the defaults.
--last: rare users and items are dropped as in the thesis, and so many events of a user are kept.
"""

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from _common import write_result
from _splits import load
from scipy.stats import t
from sklearn.preprocessing import OneHotEncoder

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import EnsembleEncoder, IdEmbeddings, ItemTowers, SelfAttentionEncoder
from embrec.evaluation import evaluate

METRICS = ("hit_rate@10", "hit_rate@50", "ndcg@10")
#: What ways of this end in their names know of items: which one it is.
IDS = ", ids"
WAYS: dict[str, dict[str, Any]] = {
    "GRU": {},
    "attention": {"encoder": "attention"},
    "attention, two blocks": {"encoder": SelfAttentionEncoder(n_layers=2)},
    "GRU and attention": {"encoder": EnsembleEncoder()},
    "GRU, ids": {},
    "attention, ids": {"encoder": "attention"},
    "GRU, content and ids": {"item_model": ItemTowers(ids=IdEmbeddings(), bias=True)},
    "attention, content and ids": {
        "encoder": "attention",
        "item_model": ItemTowers(ids=IdEmbeddings(), bias=True),
    },
    "GRU, smooth NDCG": {"loss": "smooth_ndcg"},
    "GRU, cosine": {"item_model": ItemTowers(similarity="cosine")},
    "GRU, distance": {"item_model": ItemTowers(similarity="euclidean")},
    "attention, cosine": {
        "encoder": "attention",
        "item_model": ItemTowers(similarity="cosine"),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--interactions", default="interactions.parquet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--all-ranked", action="store_true")
    parser.add_argument("--last", type=int, help="events of a user that are kept; all by default")
    parser.add_argument("--result", default="encoders", help="name of the file of figures")
    options = parser.parse_args()
    parts = load(
        options.folder,
        None,
        options.interactions,
        "leave-last-two-out",
        n_events=options.last,
    )
    train, valid, test, items, columns = parts
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in options.ways}
    asked = {k: vars(options)[k] for k in ("folder", "all_ranked", "last")}
    for seed in range(options.seeds):
        for name in options.ways:
            featurizer, known = TfidfItemFeaturizer(columns=columns), items
            if name.endswith(IDS):
                featurizer = OneHotEncoder(dtype=np.float32)
                known = pd.DataFrame({"item": items["item"], "id": items["item"]})
            started = time.perf_counter()
            model = EmbRecEstimator(featurizer, random_state=seed, **WAYS[name])
            model.fit(train, items=known, X_val=valid)
            run = {
                "best_epoch": model.best_epoch_,
                "seconds": time.perf_counter() - started,
                "valid": figures(model, valid, options.all_ranked),
                "test": figures(model, test, options.all_ranked),
            }
            runs[name].append(run)
            print(name, seed, run, flush=True)
            # After each fit, since all of them take hours on large logs.
            write_result(options.result, {**asked, "means_of_test": means_of(runs), "runs": runs})


def means_of(runs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, list[float]]]:
    """Mean and interval of each figure of the test part, for ways that have run."""
    return {
        name: {m: mean_and_interval([run["test"][m] for run in of_way]) for m in METRICS}
        for name, of_way in runs.items()
        if of_way
    }


def mean_and_interval(values: list[float]) -> list[float]:
    """Mean over seeds, and half the width of its 95 % interval (Student's t)."""
    n = len(values)
    spread = np.std(values, ddof=1) / n**0.5 * t.ppf(0.975, n - 1) if n > 1 else np.nan
    return [float(np.mean(values)), float(spread)]


def figures(model: EmbRecEstimator, part: Any, all_ranked: bool) -> dict[str, float]:
    found = evaluate(model, part, metrics=METRICS, exclude_seen=not all_ranked)
    return {m: float(found.queries[m].mean()) for m in METRICS}


if __name__ == "__main__":
    main()
