"""What events say: ratings and times of MovieLens, and types of events in the generated shop.

    python benchmarks/event_features.py shop [--users 30000]
    python benchmarks/event_features.py ml1m_posters [--users 2000]

The shop's visitors follow a known law, so that the oracle tells what knowing the types of events (views and
purchases) is worth at most. MovieLens has the thesis' split; what a visitor has seen is left out. Every model has
the defaults.
"""

import argparse
import time
from typing import Any

from _common import write_result
from _splits import load
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_union
from sklearn.preprocessing import OneHotEncoder

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ShopOracleRecommender
from embrec.datasets import make_shop
from embrec.evaluation import evaluate
from embrec.featurizers import TimeFeaturizer

METRICS = ("hit_rate@10", "hit_rate@50", "ndcg@10")


def one_of(column: str) -> Any:
    return make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [column]))


WAYS: dict[str, Any] = {
    "items alone": None,
    "rating": one_of("rating"),
    "gap": TimeFeaturizer("gap"),
    "hour and weekday": TimeFeaturizer(["hour", "weekday"]),
    "rating and times": make_union(one_of("rating"), TimeFeaturizer()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="'shop', or the folder of a data set with ratings")
    parser.add_argument("--users", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    options = parser.parse_args()
    if options.folder == "shop":
        figures_of_shop(options.users or 30_000, options.seeds)
    else:
        figures_of_ratings(options)


def figures_of_shop(n_users: int, n_seeds: int) -> None:
    runs = []
    for seed in range(n_seeds):
        shop = make_shop(n_users, purchase_share=0.3, random_state=seed)
        train, test = shop.split()
        oracle = ShopOracleRecommender(shop).fit(train, items=shop.items)
        run: dict[str, Any] = {
            "oracle, types known": figures(oracle, test),
            "oracle, types summed out": figures(oracle, test.drop(columns="event")),
        }
        for name, featurizer in (("items alone", None), ("types read", one_of("event"))):
            run[name] = fitted(featurizer, seed, train, shop.items, None, test)
            print(seed, name, run[name], flush=True)
        of_oracle, of_model = (
            run[known]["ndcg@10"] - run[unknown]["ndcg@10"]
            for known, unknown in (
                ("oracle, types known", "oracle, types summed out"),
                ("types read", "items alone"),
            )
        )
        run["share of the oracle's gain"] = of_model / of_oracle
        print(seed, run, flush=True)
        runs.append(run)
    write_result("event_features_shop", {"n_users": n_users, "runs": runs})


def figures_of_ratings(options: argparse.Namespace) -> None:
    parts = load(options.folder, None, "interactions.parquet", "leave-last-two-out", options.users)
    train, valid, test, items, columns = parts
    runs: dict[str, list[Any]] = {name: [] for name in options.ways}
    for seed in range(options.seeds):
        for name in options.ways:
            found = fitted(WAYS[name], seed, train, items, valid, test, columns)
            runs[name].append(found)
            print(name, seed, found, flush=True)
    write_result(
        "event_features", {"folder": options.folder, "n_users": options.users, "runs": runs}
    )


def fitted(
    featurizer: Any,
    seed: int,
    train: Any,
    items: Any,
    valid: Any,
    test: Any,
    columns: Any = ("title", "description"),
) -> dict[str, Any]:
    started = time.perf_counter()
    model = EmbRecEstimator(
        TfidfItemFeaturizer(columns=list(columns)), event_featurizer=featurizer, random_state=seed
    ).fit(train, items=items, X_val=valid)
    seconds = time.perf_counter() - started
    unread = [rows["item"].tolist() for _, rows in test.groupby("user", sort=False)]
    return {
        "best_epoch": model.best_epoch_,
        "seconds": seconds,
        **figures(model, test),
        "valid": None if valid is None else figures(model, valid),
        "asked without events": figures(model, unread),
    }


def figures(model: Any, part: Any) -> dict[str, float]:
    found = evaluate(model, part, metrics=METRICS, exclude_seen=True)
    return {m: float(found.queries[m].mean()) for m in METRICS}


if __name__ == "__main__":
    main()
