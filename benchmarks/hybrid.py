"""Content alone against content and a vector of the item's own, on warm items and on cold ones.

    python benchmarks/hybrid.py [--seeds 3] [--games-seeds 1] [--rows ...] [--name hybrid]

Office: the thesis' split, and cold items as in cold_items.py, with default parameters. Games: the
same, with the titles that 48 % of the items have, and settings that were chosen on the validation
part for ids alone. Of its cold items those with a title are tested: of the others nothing is known.
They are ranked among all items, and among those with a title: content alone cannot tell the others
apart, so they are no competition to it.
"""

import argparse

import numpy as np
import pandas as pd
from _common import AS_BEFORE, data_folder, load_office, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import Adam, EarlyStopping, GRUEncoder, IdEmbeddings, ItemTowers
from embrec.metrics import auc, hit_rate_at_k, ndcg_at_k
from embrec.model_selection import ColdItemSplit, leave_last_out_split

OFFICE = ["title", "description", "brand", "categories"]
WAYS = {
    "content": {},
    "content + ids": {"item_model": ItemTowers(ids=IdEmbeddings())},
    "content + ids + bias": {"item_model": ItemTowers(ids=IdEmbeddings(), bias=True)},
}
#: As chosen for ids alone, see games_ids.py.
GAMES = {
    "batch_size": 128,
    "optimizer": Adam(3e-3),
    "encoder": GRUEncoder(input_dropout=0.2),
    "early_stopping": EarlyStopping(patience=2),
}


def figures_of(model, test) -> dict[str, np.ndarray]:
    """Rank once, and tell the figures of each visitor."""
    ranks, n_items = model.rank_targets(test)
    return {
        "hit_rate@50": hit_rate_at_k(ranks, 50, average=False),
        "ndcg@10": ndcg_at_k(ranks, 10, average=False),
        "auc": auc(ranks, n_items, average=False),
    }


def load_games():
    """The thesis' log, and the title of each of its items: empty for half of them."""
    folder = data_folder("amazon2014_games_thesis")
    log = pd.read_parquet(folder / "interactions_thesis.parquet")
    items = pd.read_parquet(folder / "items.parquet")[["item", "title"]]
    return log, items[items["item"].isin(log["item"].unique())].fillna({"title": ""})


def new_model(columns, seed: int, **parameters) -> EmbRecEstimator:
    featurizer = TfidfItemFeaturizer(columns=columns)
    return EmbRecEstimator(featurizer, random_state=seed, **AS_BEFORE, **parameters)


def warm(model, log, items) -> dict[str, float]:
    """The split of the thesis, stopped on its validation part."""
    train, valid, test = leave_last_out_split(log)
    return figures_of(model.fit(train, items=items, X_val=valid), test)


def cold(model, log, items, seed: int, testable=None) -> dict[str, float]:
    """A tenth of the items are unknown until training is over."""
    splitter = ColdItemSplit(test_size=0.1, random_state=seed)
    train_rows, test_rows = next(splitter.split(log))
    [drawn] = splitter.cold_items(log)
    is_cold = items["item"].isin(drawn)
    model.fit(log.iloc[train_rows], items=items[~is_cold])
    model.add_items(items[is_cold])
    test = log.iloc[test_rows]
    if testable is not None:
        last = test.sort_values("timestamp", kind="stable").groupby("user")["item"].last()
        test = test[test["user"].isin(last.index[last.isin(testable)])]
    found = figures_of(model, test)
    if testable is not None:
        model.remove_items(items.loc[~items["item"].isin(testable), "item"].tolist())
        found |= {f"{k}, among titled": v for k, v in figures_of(model, test).items()}
    return found


def office_warm(seed: int, changes) -> dict[str, float]:
    data = load_office()
    return warm(new_model(OFFICE, seed, **changes), data.interactions, data.items)


def office_cold(seed: int, changes) -> dict[str, float]:
    data = load_office()
    return cold(new_model(OFFICE, seed, **changes), data.interactions, data.items, seed)


def games_warm(seed: int, changes) -> dict[str, float]:
    return warm(new_model(["title"], seed, **GAMES, **changes), *load_games())


def games_cold(seed: int, changes) -> dict[str, float]:
    log, items = load_games()
    titled = items.loc[items["title"] != "", "item"]
    return cold(new_model(["title"], seed, **GAMES, **changes), log, items, seed, titled)


ROWS = {
    "Office, warm": office_warm,
    "Office, cold": office_cold,
    "Games, warm": games_warm,
    "Games, cold": games_cold,
}


def summary(runs, plain_runs, same_visitors: bool) -> dict[str, dict[str, float]]:
    """Means over seeds, and the difference from content alone with its standard error.

    Visitors are compared with themselves. Where all seeds test the same ones, a visitor's mean over
    seeds counts as one.
    """
    rows = {}
    for metric in runs[0]:
        each = [float(run[metric].mean()) for run in runs]
        pairs = [run[metric] - plain[metric] for run, plain in zip(runs, plain_runs, strict=True)]
        differences = np.mean(pairs, axis=0) if same_visitors else np.concatenate(pairs)
        rows[metric] = {
            "mean": float(np.mean(each)),
            "each": each,
            "gain": float(differences.mean()),
            "gain_se": float(differences.std() / len(differences) ** 0.5),
            "n": len(differences),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--games-seeds", type=int, default=1)
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=ROWS)
    parser.add_argument("--name", default="hybrid")
    options = parser.parse_args()
    table, seeds = {}, {}
    for name in options.rows:
        run, n = ROWS[name], options.games_seeds if "Games" in name else options.seeds
        table[name], seeds[name] = {}, n
        plain = None
        for way, changes in WAYS.items():
            if "Games" in name and "bias" in way:
                continue  # hours on a small machine
            runs = [run(seed, changes) for seed in range(n)]
            plain = plain or runs
            table[name][way] = summary(runs, plain, same_visitors="warm" in name)
            shown = {
                m: f"{v['mean']:.4f} ({v['gain']:+.4f}, SE {v['gain_se']:.4f})"
                for m, v in table[name][way].items()
            }
            print(f"{name:14} {way:20} {shown}", flush=True)
    write_result(options.name, {"table": table, "seeds": seeds})


if __name__ == "__main__":
    main()
