"""Amazon 2014 Office 5-core: EmbRec with default parameters against two baselines.

    python benchmarks/office.py [--seeds 5]

Split of the thesis: train on seq[:-2], stop on predicting seq[-2], test on predicting seq[-1]. All
items are ranked, the visitor's own among them. Nothing is chosen by the test part: the number of
last items that content neighbours read is chosen on the validation part.
"""

import argparse
import time

import numpy as np
from _common import load_office, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.metrics import hit_rate_at_k, ranking_scorer
from embrec.model_selection import leave_last_out_split

COLUMNS = ["title", "description", "brand", "categories"]
METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10")
SCORER = ranking_scorer(METRICS)


def fit_content_neighbors(train, valid, items):
    """Choose how many of the last items count, on the validation part."""
    candidates = [
        ContentNeighborsRecommender(TfidfItemFeaturizer(columns=COLUMNS), n_last=n).fit(
            train, items=items
        )
        for n in (1, 2, 3, 5, 10, None)
    ]
    return max(candidates, key=lambda model: model.score(valid))


def standard_error(model, test) -> float:
    """Measure how far chance among visitors moves the hit rate at 50."""
    hits = hit_rate_at_k(model.rank_targets(test).ranks, 50, average=False)
    return float(hits.std() / np.sqrt(len(hits)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    data = load_office()
    train, valid, test = leave_last_out_split(data.interactions)
    print(f"{'':28}" + "".join(f"{name:>13}" for name in METRICS) + f"{'seconds':>10}")
    rows = {}

    def report(name: str, figures: dict[str, float], seconds: float) -> None:
        shown = "".join(f"{figures[metric]:13.4f}" for metric in METRICS)
        print(f"{name:28}{shown}{seconds:10.1f}", flush=True)
        rows[name] = {**figures, "seconds": seconds}

    started = time.perf_counter()
    popularity = PopularityRecommender().fit(train, items=data.items)
    report("popularity", SCORER(popularity, test), time.perf_counter() - started)
    started = time.perf_counter()
    content = fit_content_neighbors(train, valid, data.items)
    report(
        f"content, n_last={content.n_last}", SCORER(content, test), time.perf_counter() - started
    )
    runs = []
    for seed in range(seeds):
        started = time.perf_counter()
        model = EmbRecEstimator(TfidfItemFeaturizer(columns=COLUMNS), random_state=seed)
        model.fit(train, items=data.items, X_val=valid)
        seconds = time.perf_counter() - started
        figures = {**SCORER(model, test), "seconds": seconds}
        runs.append(
            {**figures, "validation": SCORER(model, valid), "best_epoch": model.best_epoch_}
        )
        report(f"EmbRec, seed {seed}, epoch {model.best_epoch_}", figures, seconds)
    mean = {name: float(np.mean([run[name] for run in runs])) for name in (*METRICS, "seconds")}
    report(f"EmbRec, mean of {seeds}", mean, mean["seconds"])
    error = standard_error(model, test)
    print(f"standard error of hit_rate@50 over visitors: {error:.4f}")
    write_result("office", {"table": rows, "runs": runs, "hit_rate@50_standard_error": error})


if __name__ == "__main__":
    main()
