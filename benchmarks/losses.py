"""The four losses on Amazon 2014 Office 5-core (the thesis' Figure 12), and two precisions.

    python benchmarks/losses.py [--seeds 3] [--other-seeds 1]

Split of the thesis, all items ranked. What differs from the defaults was chosen on the validation
part, for each loss: learning rates .001 and .003, BPR-max's regularisation 1 and .1. The figures are
of the validation part, as the thesis' are, and of the test part.
"""

import argparse
import time

import numpy as np
from _common import AS_BEFORE, load_office, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import Adam, BPRMax, FixedItems
from embrec.metrics import hit_rate_at_k, ranking_scorer
from embrec.model_selection import leave_last_out_split

COLUMNS = ["title", "description", "brand", "categories"]
METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10")
SCORER = ranking_scorer(METRICS)
WAYS = {
    "cross-entropy": {},
    "cross-entropy, float32": {"precision": "float32"},
    "BPR-max": {"loss": BPRMax(1.0)},
    "BPR": {"loss": "bpr", "optimizer": Adam(3e-3)},
    "cosine": {"loss": "cosine", "item_model": FixedItems(250)},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--other-seeds", type=int, default=1, help="of the other losses")
    options = parser.parse_args()
    data = load_office()
    train, valid, test = leave_last_out_split(data.interactions)
    table = {}
    for name, changes in WAYS.items():
        runs = []
        n_seeds = options.seeds if name.startswith("cross") else options.other_seeds
        for seed in range(n_seeds):
            started = time.perf_counter()
            model = EmbRecEstimator(
                TfidfItemFeaturizer(columns=COLUMNS), random_state=seed, **AS_BEFORE, **changes
            ).fit(train, items=data.items, X_val=valid)
            runs.append(
                {
                    "valid": SCORER(model, valid),
                    "test": SCORER(model, test),
                    "best_epoch": model.best_epoch_,
                    "seconds": time.perf_counter() - started,
                }
            )
            print(name, seed, runs[-1], flush=True)
        table[name] = {
            part: {m: float(np.mean([run[part][m] for run in runs])) for m in METRICS}
            for part in ("valid", "test")
        }
        table[name]["hit_rate@50_by_seed"] = [run["test"]["hit_rate@50"] for run in runs]
        table[name]["settings"] = {key: str(value) for key, value in changes.items()}
        table[name]["runs"] = runs
    hits = hit_rate_at_k(model.rank_targets(test).ranks, 50, average=False)
    write_result(
        "losses",
        {"table": table, "n_test": len(hits)},
    )


if __name__ == "__main__":
    main()
