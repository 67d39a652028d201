"""Content alone against content and a vector of the item's own, on warm items and on cold ones.

    python benchmarks/hybrid.py [--seeds 3] [--games-seeds 1]

Office: the thesis' split, and cold items as in cold_items.py, with default parameters. Games: the
thesis' split, with the titles that 48 % of the items have; there an item's own vector is dropped less
and counts in full (id_dropout=.2, id_shrinkage=0), as did well on the validation part.
"""

import argparse

import numpy as np
import pandas as pd
from _common import data_folder, load_office, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.metrics import auc, hit_rate_at_k, ndcg_at_k
from embrec.model_selection import ColdItemSplit, leave_last_out_split

OFFICE = ["title", "description", "brand", "categories"]
WAYS = {"content": {}, "content + ids": {"item_ids": "delta"}}
#: As chosen for ids alone, see games_ids.py.
GAMES = {
    "batch_size": 128,
    "learning_rate": 3e-3,
    "input_dropout": 0.2,
    "patience": 2,
    "id_dropout": 0.2,
    "id_shrinkage": 0.0,
}


def figures_of(model, test) -> dict[str, float]:
    """Rank once, and tell."""
    ranks, n_items = model.rank_targets(test)
    return {
        "hit_rate@50": hit_rate_at_k(ranks, 50),
        "ndcg@10": ndcg_at_k(ranks, 10),
        "auc": auc(ranks, n_items),
    }


def office_warm(seed: int, changes) -> dict[str, float]:
    data = load_office()
    train, valid, test = leave_last_out_split(data.interactions)
    model = EmbRecEstimator(TfidfItemFeaturizer(columns=OFFICE), random_state=seed, **changes)
    return figures_of(model.fit(train, items=data.items, X_val=valid), test)


def office_cold(seed: int, changes) -> dict[str, float]:
    data = load_office()
    splitter = ColdItemSplit(test_size=0.1, random_state=seed)
    train_rows, test_rows = next(splitter.split(data.interactions))
    [drawn] = splitter.cold_items(data.interactions)
    is_cold = data.items["item"].isin(drawn)
    model = EmbRecEstimator(TfidfItemFeaturizer(columns=OFFICE), random_state=seed, **changes)
    model.fit(data.interactions.iloc[train_rows], items=data.items[~is_cold])
    model.add_items(data.items[is_cold])
    return figures_of(model, data.interactions.iloc[test_rows])


def games(seed: int, changes) -> dict[str, float]:
    folder = data_folder("amazon2014_games_thesis")
    log = pd.read_parquet(folder / "interactions_thesis.parquet")
    items = pd.read_parquet(folder / "items.parquet")[["item", "title"]]
    items = items[items["item"].isin(log["item"].unique())].fillna({"title": ""})
    train, valid, test = leave_last_out_split(log)
    model = EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]), random_state=seed, **GAMES, **changes
    )
    return figures_of(model.fit(train, items=items, X_val=valid), test)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--games-seeds", type=int, default=1)
    options = parser.parse_args()
    table, seeds = {}, {}
    for name, run, n in (
        ("Office, warm", office_warm, options.seeds),
        ("Office, cold", office_cold, options.seeds),
        ("Games", games, options.games_seeds),
    ):
        table[name], seeds[name] = {}, n
        for way, changes in WAYS.items():
            runs = [run(seed, changes) for seed in range(n)]
            table[name][way] = {
                m: {"mean": float(np.mean(v)), "std": float(np.std(v)), "each": v}
                for m, v in ((m, [r[m] for r in runs]) for m in runs[0])
            }
            shown = {m: round(v["mean"], 4) for m, v in table[name][way].items()}
            print(f"{name:14} {way:16} {shown}", flush=True)
    write_result("hybrid", {"table": table, "seeds": seeds})


if __name__ == "__main__":
    main()
