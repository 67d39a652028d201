"""Items that training never saw, on Amazon 2014 Office 5-core.

    python benchmarks/cold_items.py [--seeds 5]

A tenth of the items leaves the catalogue and the log before training (`ColdItemSplit`), and comes
back with `add_items`. The test is on the visitors whose last event is one of these items: it is
ranked among all items, warm and cold. Early stopping sees warm items only.
"""

import argparse

import numpy as np
from _common import load_office, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.metrics import auc, hit_rate_at_k
from embrec.model_selection import ColdItemSplit

COLUMNS = ["title", "description", "brand", "categories"]
MODELS = {
    "popularity": lambda seed: PopularityRecommender(),
    **{
        f"content, n_last={n}": lambda seed, n=n: ContentNeighborsRecommender(
            TfidfItemFeaturizer(columns=COLUMNS), n_last=n
        )
        for n in (1, 2, None)
    },
    "EmbRec": lambda seed: EmbRecEstimator(TfidfItemFeaturizer(columns=COLUMNS), random_state=seed),
}


def run(data, seed: int) -> dict[str, dict[str, float]]:
    """Draw cold items, train without them, add them, rank them."""
    log, items = data.interactions, data.items
    splitter = ColdItemSplit(test_size=0.1, random_state=seed)
    train_rows, test_rows = next(splitter.split(log))
    train, test = log.iloc[train_rows], log.iloc[test_rows]
    [drawn] = splitter.cold_items(log)
    is_cold = items["item"].isin(drawn)
    figures = {}
    for name, make in MODELS.items():
        model = make(seed).fit(train, items=items[~is_cold])
        model.add_items(items[is_cold])
        ranks, n_items = model.rank_targets(test)
        figures[name] = {
            "auc": auc(ranks, n_items),
            "hit_rate@50": hit_rate_at_k(ranks, 50),
            "hit_rate@10": hit_rate_at_k(ranks, 10),
        }
    n = len(items)
    figures["chance"] = {"auc": 0.5, "hit_rate@50": 50 / n, "hit_rate@10": 10 / n}
    print(f"seed {seed}: {int(is_cold.sum())} cold items, {len(ranks)} test visitors", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    data = load_office()
    runs = [run(data, seed) for seed in range(seeds)]
    print(f"\n{'mean (std) over seeds':24}{'AUC':>18}{'HitRate@50':>18}{'HitRate@10':>18}")
    table = {}
    for name in runs[0]:
        values = {m: [r[name][m] for r in runs] for m in runs[0][name]}
        table[name] = {m: {"mean": np.mean(v), "std": np.std(v)} for m, v in values.items()}
        shown = "".join(f"{np.mean(v):10.4f} ({np.std(v):.4f})" for v in values.values())
        print(f"{name:24}{shown}")
    write_result("cold_items", {"table": table, "runs": runs})


if __name__ == "__main__":
    main()
