"""The main job, end to end: ``python -m embrec.demo [--data FOLDER]``.

Trains on a log and a catalogue, compares with two baselines on held-out last events, recommends to
one visitor, and adds items that training never saw.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from embrec import EmbRecEstimator, TfidfItemFeaturizer, Whole
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.datasets import load_parquet_pair, make_shop
from embrec.metrics import hit_rate_at_k, ranking_scorer
from embrec.model_selection import leave_last_out_split
from embrec.recommenders.base import BaseRecommender

METRICS = ("auc", "hit_rate@10", "hit_rate@50", "ndcg@10")
#: Share of the items that are kept from training and added after it.
NEW_ITEMS = 0.05


@dataclass(frozen=True)
class DemoData:
    """A log and a catalogue, some items of which are kept for later.

    Parameters
    ----------
    log : DataFrame
        All interactions.
    items : DataFrame
        All items.
    is_new : ndarray of shape (n_items,), bool
        The items that training is not to see.
    """

    log: pd.DataFrame
    items: pd.DataFrame
    is_new: np.ndarray

    @property
    def known_log(self) -> pd.DataFrame:
        """The log without the new items."""
        return self.log[~self.log["item"].isin(self.new_items["item"])]

    @property
    def known_items(self) -> pd.DataFrame:
        """The catalogue as it is before the new items come."""
        return self.items[~self.is_new]

    @property
    def new_items(self) -> pd.DataFrame:
        """The items that come later."""
        return self.items[self.is_new]


def load(folder: str | None, seed: int) -> DemoData:
    """Read a folder of Parquet files, or generate a shop."""
    if folder is None:
        data: Any = make_shop(random_state=seed)
        source = "the generated shop (embrec.datasets.make_shop)"
    else:
        data = load_parquet_pair(folder)
        source = folder
    log, items = data.interactions, data.items
    if "timestamp" in log.columns:
        log = log.sort_values("timestamp", kind="stable")
    rng = np.random.default_rng(seed)
    is_new = np.zeros(len(items), dtype=bool)
    is_new[rng.choice(len(items), size=max(1, round(NEW_ITEMS * len(items))), replace=False)] = True
    print(
        f"Loaded {source}: {len(log):,} interactions of {log['user'].nunique():,} visitors with "
        f"{len(items):,} items.\nColumns of the log: {', '.join(log.columns)}. "
        f"Columns of the catalogue: {', '.join(items.columns)}.\n"
        f"{is_new.sum()} items are kept from training, to be added after it.\n"
    )
    return DemoData(log, items, is_new)


def text_columns(items: pd.DataFrame) -> list[str]:
    """Choose the columns that hold words; not addresses of pictures, and not numbers."""
    text = items.select_dtypes(include=["object", "string"]).columns
    return [c for c in text if c != "item" and not c.endswith(("_url", "_path"))]


def fit_all(data: DemoData, seed: int) -> tuple[dict[str, BaseRecommender], pd.DataFrame]:
    """Fit the model and the baselines; return them and the test part of the known log."""
    train, valid, test = leave_last_out_split(data.known_log)
    columns = text_columns(data.items)
    models: dict[str, Any] = {
        "popularity": PopularityRecommender(),
        "content neighbours": ContentNeighborsRecommender(TfidfItemFeaturizer(columns=columns)),
        "EmbRec": EmbRecEstimator(
            TfidfItemFeaturizer(columns=columns), random_state=seed, verbose=1
        ),
    }
    print(f"Training on {len(train):,} interactions; items are known by {', '.join(columns)}.")
    started = time.perf_counter()
    for model in models.values():
        model.fit(train, items=Whole(data.known_items), X_val=valid)
    print(f"Trained in {time.perf_counter() - started:.0f} s.\n")
    return models, test


def print_table(models: dict[str, BaseRecommender], test: pd.DataFrame) -> None:
    """Compare models on each visitor's held-out last event."""
    scorer = ranking_scorer(METRICS)
    print(f"Held-out last events of {test['user'].nunique():,} visitors, all items ranked:")
    print(f"{'':20}{'AUC':>10}{'HitRate@10':>12}{'HitRate@50':>12}{'NDCG@10':>10}")
    for name, model in models.items():
        figures = scorer(model, test)
        auc, hit10, hit50, ndcg = (figures[metric] for metric in METRICS)
        print(f"{name:20}{auc:10.3f}{hit10:12.1%}{hit50:12.1%}{ndcg:10.4f}")
    print()


def print_recommendations(model: BaseRecommender, data: DemoData, test: pd.DataFrame) -> None:
    """Show what one visitor touched and what is recommended next."""
    titles = data.items.set_index("item")[text_columns(data.items)[0]]
    history = test.loc[test["user"] == test["user"].iloc[0], "item"].tolist()
    print("A visitor touched:")
    for item in history[-5:]:
        print(f"    {item:10} {_short(titles[item])}")
    print("and is recommended:")
    ids, scores = model.recommend([history], k=5)
    for item, score in zip(ids[0], scores[0], strict=True):
        print(f"    {item:10} {_short(titles[item]):70} {score:6.2f}")
    print()


def _short(title: object) -> str:
    text = str(title)
    return text if len(text) <= 70 else text[:67] + "..."


def print_new_items(models: dict[str, BaseRecommender], data: DemoData) -> None:
    """Add the new items, and rank them for the visitors who took one next."""
    model, content = models["EmbRec"], models["content neighbours"]
    started = time.perf_counter()
    model.add_items(data.new_items)
    took = time.perf_counter() - started
    content.add_items(data.new_items)
    print(f"Added {len(data.new_items)} items that training never saw, in {1000 * took:.0f} ms.")
    last = leave_last_out_split(data.log)[2].groupby("user", sort=False)["item"].last()
    is_target = last.isin(data.new_items["item"])
    if not is_target.any():
        print("No visitor took one of them last, so there is nothing to compare with.")
        return
    visitors = last.index[is_target]
    theirs = data.log[data.log["user"].isin(visitors)]
    ranks, n_items = model.rank_targets(theirs)
    content_hits = hit_rate_at_k(content.rank_targets(theirs).ranks, 50)
    print(
        f"{len(visitors)} visitors took one of them next. Of {n_items[0]:,} items it was ranked "
        f"{np.median(ranks) + 1:.0f} in the median;\namong the first 50 for "
        f"{hit_rate_at_k(ranks, 50):.1%} of the visitors (content neighbours {content_hits:.1%}, "
        f"chance {50 / n_items[0]:.1%})."
    )
    favourite = last[is_target].mode().iloc[0]
    title = data.items.set_index("item")[text_columns(data.items)[0]][favourite]
    targets = theirs.groupby("user", sort=False)["item"].last()
    mine = ranks[(targets == favourite).to_numpy()]
    shown = ", ".join(f"{rank + 1:.0f}" for rank in np.sort(mine)[:10])
    more = f" (and {len(mine) - 10} more)" if len(mine) > 10 else ""
    print(
        f"For example {favourite}, {_short(title)!r}: ranked {shown}{more} for those who took it "
        f"next; {np.median(mine) + 1:.0f} in the median."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="python -m embrec.demo", description=__doc__)
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="folder with interactions.parquet (user, item, timestamp) and items.parquet (item, "
        "title, ...); without it a shop is generated",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    options = parser.parse_args(arguments)
    data = load(options.data, options.seed)
    models, test = fit_all(data, options.seed)
    print_table(models, test)
    print_recommendations(models["EmbRec"], data, test)
    print_new_items(models, data)


if __name__ == "__main__":
    main()
