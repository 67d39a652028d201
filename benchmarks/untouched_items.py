"""Items of the catalogue that nobody has touched when the model is trained, on the generated shop.

    python benchmarks/untouched_items.py [--seeds 3]

A tenth of the shop's items is launched after the training part of the log. They are in the
catalogue from the start, or come with `add_items`; either way they should be recommendable.
"""

import argparse

import numpy as np
from _common import AS_BEFORE, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop
from embrec.metrics import hit_rate_at_k

#: What no featurizer was when the published figures were made.
WORDS = TfidfItemFeaturizer(columns=["title", "description", "category", "brand", "colour"])


def run(seed: int) -> dict[str, float]:
    """Train with and without the cold items in the catalogue; rank them where they come last."""
    shop = make_shop(cold_share=0.1, random_state=seed)
    train, test = shop.split()
    is_cold = shop.items["item"].isin(shop.cold_items)
    last = test.groupby("user")["item"].last()
    test = test[test["user"].isin(last.index[last.isin(shop.cold_items)])]
    there = EmbRecEstimator(WORDS, random_state=seed, **AS_BEFORE).fit(train, items=shop.items)
    later = EmbRecEstimator(WORDS, random_state=seed, **AS_BEFORE).fit(
        train, items=shop.items[~is_cold]
    )
    later.add_items(shop.items[is_cold])
    return {
        "n": test["user"].nunique(),
        "in the catalogue from the start": hit_rate_at_k(there.rank_targets(test).ranks, 50),
        "added later": hit_rate_at_k(later.rank_targets(test).ranks, 50),
        "chance": 50 / len(shop.items),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    runs = [run(seed) for seed in range(parser.parse_args().seeds)]
    for figures in runs:
        print(figures)
    mean = {name: float(np.mean([r[name] for r in runs])) for name in runs[0]}
    print("mean", mean)
    write_result("untouched_items", {"hit_rate@50": mean, "runs": runs})


if __name__ == "__main__":
    main()
