"""Items that training never saw, against items that it did.

    python benchmarks/cold_items.py [DATA ...] [--draws 5] [--choosing 2] [--jobs 2]

A tenth of the items leaves the catalogue and the log before training (`ColdItemSplit`) and comes
back with `add_items`. All items are ranked, warm and cold. The visitors whose last event is one of
the cold items are tested, and, apart from them, all others. Early stopping sees warm items only.

A model that learned how popular items are expects little of new ones, and rightly so where any item
may come next; ``popularity_discount`` takes that back, at the cost of the warm. How much of it, and
how many last items content neighbours read, is chosen without the events that are tested: each
visitor's last one is cut off, and other cold items are drawn. What is chosen has the best harmonic
mean of HitRate@50 on warm and on cold targets (Chao et al., "An empirical study and analysis of
generalized zero-shot learning", ECCV 2016). Content neighbours get the same choice. Intervals are
bootstrapped over visitors, each with what happened in all draws (95 %).
"""

import argparse
import itertools
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import data_folder, write_result
from joblib import Parallel, delayed

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.components import IdEmbeddings, ItemTowers
from embrec.datasets import load_parquet_pair, thesis_filter
from embrec.evaluation import Evaluation, evaluate
from embrec.evaluation.resampling import bootstrap_interval
from embrec.model_selection import ColdItemSplit, LeaveLastOut

METRICS = ["auc", "hit_rate@50", "hit_rate@10"]
COLUMNS = {
    "amazon2014_office_5core": ["title", "description", "brand", "categories"],
    "ml1m_posters": ["title", "description", "categories", "brand", "actors"],
}
LAST_ITEMS = (1, 2, 3, None)
#: Scores of EmbRec are logits, those of content neighbours cosines.
DISCOUNTS = {
    "PopRec": (0.0,),
    "Content neighbours": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2),
    "EmbRec": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    "EmbRec, ids": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
}
#: Draws that settings are chosen on have seeds from here on.
CHOOSING = 1000


def load(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load a log, filtered as in the thesis if that was not done, and its items."""
    data = load_parquet_pair(data_folder(name))
    log = data.interactions
    if name == "ml1m_posters":
        log = thesis_filter(log)
    items = data.items[data.items["item"].isin(log["item"].unique())]
    return log, items[["item", *COLUMNS[name]]].fillna("")


def variants(name: str) -> list[tuple[str, Any]]:
    """Name every model that is fitted, as (model, n_last)."""
    of_content = [("Content neighbours", n) for n in LAST_ITEMS]
    return [("PopRec", None), *of_content, ("EmbRec", None), ("EmbRec, ids", None)]


def make(model: str, n_last: int | None, columns: list[str], seed: int) -> Any:
    featurizer = TfidfItemFeaturizer(columns=columns)
    if model == "PopRec":
        return PopularityRecommender()
    if model == "Content neighbours":
        return ContentNeighborsRecommender(featurizer, n_last=n_last)
    items = ItemTowers(ids=IdEmbeddings(), bias=True) if "ids" in model else None
    return EmbRecEstimator(featurizer, item_model=items, index="exact", random_state=seed)


def run(
    name: str, seed: int, model: str, n_last: int | None, discounts: Any, *, choosing: bool
) -> dict[str, Any]:
    """Draw cold items, train without them, add them, rank all: figures of each visitor."""
    torch.set_num_threads(1)
    log, items = load(name)
    if choosing:
        log = without_last(log)
        items = items[items["item"].isin(log["item"].unique())]
    splitter = ColdItemSplit(test_size=0.1, random_state=seed)
    train_rows, test_rows = next(splitter.split(log))
    [drawn] = splitter.cold_items(log)
    is_cold = items["item"].isin(drawn)
    fitted = make(model, n_last, COLUMNS[name], seed).fit(
        log.iloc[train_rows], items=items[~is_cold]
    )
    fitted.add_items(items[is_cold])
    cold_test = log.iloc[test_rows]
    others = log[~log["user"].isin(cold_test["user"])]
    figures = {
        (kind, discount): by_user(
            evaluate(fitted, part, metrics=METRICS, popularity_discount=discount), part
        )
        for kind, part in (("cold", cold_test), ("warm", others))
        for discount in discounts
    }
    print(
        f"{name} draw {seed} {model} {n_last}: {len(cold_test['user'].unique())} cold", flush=True
    )
    return {"model": model, "n_last": n_last, "seed": seed, "figures": figures}


def without_last(log: pd.DataFrame) -> pd.DataFrame:
    """Cut each user's last event off."""
    train_rows, _ = next(LeaveLastOut().split(log))
    kept = log.iloc[train_rows]
    return kept[kept["user"].map(kept["user"].value_counts()) > 1]


def by_user(found: Evaluation, part: pd.DataFrame) -> pd.DataFrame:
    """Figures of each visitor, by name."""
    users = part["user"].unique()[found.queries["sequence"].to_numpy()]
    return found.queries[METRICS].set_index(pd.Index(users, name="user"))


def choose(runs: list[dict[str, Any]], model: str, discounts: Any) -> tuple[Any, Any, list[Any]]:
    """Choose n_last without a discount, and both, by the harmonic mean of HitRate@50."""
    tried = []
    for n_last, discount in itertools.product(
        {run["n_last"] for run in runs if run["model"] == model}, discounts
    ):
        mine = [r["figures"] for r in runs if r["model"] == model and r["n_last"] == n_last]
        cold, warm = (
            float(np.mean([f[kind, discount]["hit_rate@50"].mean() for f in mine]))
            for kind in ("cold", "warm")
        )
        mean = 2 * cold * warm / (cold + warm) if cold + warm else 0.0
        tried.append(
            {"n_last": n_last, "discount": discount, "cold": cold, "warm": warm, "h": mean}
        )
    best = max(tried, key=lambda row: row["h"])
    plain = max((t for t in tried if t["discount"] == 0), key=lambda row: row["h"])
    return plain["n_last"], best, tried


def pooled(runs: list[dict[str, Any]], key: tuple[str, float]) -> pd.DataFrame:
    """Join the visitors of all draws."""
    return pd.concat([run["figures"][key] for run in sorted(runs, key=lambda r: r["seed"])])


def with_intervals(frame: pd.DataFrame) -> dict[str, Any]:
    """Mean figures and their intervals; a visitor is drawn with all that is theirs."""
    low, high = bootstrap_interval(frame.to_numpy(), 0.95, 1000, 0, frame.index.to_numpy())
    return {
        metric: {"value": float(frame[metric].mean()), "low": float(a), "high": float(b)}
        for metric, a, b in zip(frame.columns, low, high, strict=True)
    }


def table_of(name: str, options: Any) -> dict[str, Any]:
    """Choose on some draws, and report others."""
    parallel = Parallel(n_jobs=options.jobs)
    choosing = parallel(
        delayed(run)(name, CHOOSING + seed, model, n_last, DISCOUNTS[model], choosing=True)
        for seed in range(options.choosing)
        for model, n_last in reversed(variants(name))
    )
    chosen = {model: choose(choosing, model, DISCOUNTS[model]) for model in DISCOUNTS}
    wanted = {
        (model, n_last, discount)
        for model, (plain, best, _) in chosen.items()
        for n_last, discount in ((plain, 0.0), (best["n_last"], best["discount"]))
    }
    runs = parallel(
        delayed(run)(name, seed, *fitted, [w[2] for w in wanted if w[:2] == fitted], choosing=False)
        for seed in range(options.draws)
        for fitted in sorted({w[:2] for w in wanted}, key=str, reverse=True)
    )
    rows, frames = {}, {}
    for model, n_last, discount in sorted(
        wanted, key=lambda w: (list(DISCOUNTS).index(w[0]), w[2])
    ):
        mine = [r for r in runs if (r["model"], r["n_last"]) == (model, n_last)]
        label = model + (f", discount {discount}" if discount else "")
        frames[label] = {kind: pooled(mine, (kind, discount)) for kind in ("cold", "warm")}
        rows[label] = {kind: with_intervals(frame) for kind, frame in frames[label].items()} | {
            "n_last": n_last,
            "discount": discount,
            "n": {kind: len(frame) for kind, frame in frames[label].items()},
            "visitors": {kind: frame.index.nunique() for kind, frame in frames[label].items()},
        }
    n_items = len(load(name)[1])
    return {
        "items": n_items,
        "chance": {"auc": 0.5, "hit_rate@50": 50 / n_items, "hit_rate@10": 10 / n_items},
        "table": rows,
        "differences": differences(frames),
        "tried": {model: tried for model, (_, _, tried) in chosen.items()},
        "draws": options.draws,
        "choosing": options.choosing,
    }


def differences(frames: dict[str, dict[str, pd.DataFrame]]) -> list[dict[str, Any]]:
    """Compare EmbRec with content neighbours on the same visitors."""
    ours = [label for label in frames if "EmbRec" in label]
    others = [label for label in frames if "Content" in label]
    return [
        {
            "model": one,
            "against": other,
            "targets": kind,
            **with_intervals(less(frames[one][kind], frames[other][kind])),
        }
        for one, other, kind in itertools.product(ours, others, ("cold", "warm"))
    ]


def less(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Subtract the figures of the same visitors in the same draws, row by row."""
    assert one.index.equals(other.index)
    return pd.DataFrame(one.to_numpy() - other.to_numpy(), one.index, one.columns)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="*", default=list(COLUMNS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--choosing", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for name in options.data:
        found = table_of(name, options)
        for label, row in found["table"].items():
            print(label, {k: round(row[k]["hit_rate@50"]["value"], 4) for k in ("cold", "warm")})
        write_result(f"cold_items_{name}", {"data": name, **found})


if __name__ == "__main__":
    main()
