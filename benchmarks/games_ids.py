"""Thesis' Games, ids only: time to its GRU4Rec row, and how many negatives it takes (Figure 13).

    python benchmarks/games_ids.py [--ways full ...] [--epochs 15] [--name games_ids]

Items are known by their id alone, one-hot through the tower, as the thesis' GRU4Rec has them. Split
of the thesis: train on seq[:-2], stop on predicting seq[-2], test on predicting seq[-1], all items
ranked. Every way is trained with the same settings, which were chosen on the validation part with
all negatives. The test part is evaluated after each epoch to tell when the thesis' row is reached;
nothing is chosen by it. Training time alone is counted.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from _common import AS_BEFORE, data_folder, write_result
from sklearn.preprocessing import OneHotEncoder

from embrec import EmbRecEstimator
from embrec.components import Adam, EarlyStopping, GRUEncoder, SampledNegatives
from embrec.data.ids import IdIndex
from embrec.data.interactions import encode, read_sequences
from embrec.metrics import TargetRanks, ranking_scorer
from embrec.model_selection import leave_last_out_split
from embrec.network import to_feature_tensors
from embrec.network.inference import embed_items, encode_queries
from embrec.scoring.ranks import rank_targets
from embrec.training import Callback

METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10")
SCORER = ranking_scorer(METRICS)
#: The row of GRU4Rec in the thesis' Table 2.
THESIS = {"hit_rate@50": 0.1583, "auc": 0.8683}
SETTINGS = {
    "batch_size": 128,
    "optimizer": Adam(3e-3),
    "encoder": GRUEncoder(input_dropout=0.2),
    "early_stopping": EarlyStopping(patience=3),
    "random_state": 0,
}
WAYS = {
    "full": {},
    "8192 logQ": {"negatives": SampledNegatives(8192)},
    "8192 plain": {"negatives": SampledNegatives(8192, logq=False)},
    "2048 logQ": {"negatives": SampledNegatives(2048)},
    "2048 plain": {"negatives": SampledNegatives(2048, logq=False)},
    "2048 uniform": {"negatives": SampledNegatives(2048, alpha=0.0)},
}


class TestEveryEpoch(Callback):
    """Evaluates the test part after each epoch, outside of what is timed."""

    def __init__(self, histories, targets, features):
        self.histories, self.targets, self.features = histories, targets, features
        self.rows = []
        self.seconds = 0.0

    def on_epoch_end(self, progress):
        network = progress.network
        self.seconds += progress.record["seconds"]
        items = embed_items(network, self.features)
        ranks = TargetRanks(
            *rank_targets(encode_queries(network, items, self.histories), items, self.targets)
        )
        hits = float(np.mean(ranks.ranks < 50))
        auc = float(np.mean(1 - ranks.ranks / (ranks.n_candidates - 1)))
        self.rows.append({"seconds": self.seconds, "hit_rate@50": hits, "auc": auc})
        print(
            f"    epoch {progress.epoch:2}  {self.seconds:7.1f} s  valid "
            f"{progress.record['valid_hit_rate']:.4f}  test HR@50 {hits:.4f}  AUC {auc:.4f}",
            flush=True,
        )


def load():
    """The log, and items that have nothing but an id."""
    folder = data_folder("amazon2014_games_thesis")
    log = pd.read_parquet(folder / "interactions_thesis.parquet")
    ids = np.sort(log["item"].unique())
    return log, pd.DataFrame({"item": ids, "id": ids})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--name", default="games_ids")
    options = parser.parse_args()
    log, items = load()
    train, valid, test = leave_last_out_split(log)
    table = {}
    for way in options.ways:
        print(way, flush=True)
        watch = watch_test(test, items)
        model = EmbRecEstimator(
            OneHotEncoder(dtype=np.float32),
            max_epochs=options.epochs,
            callbacks=[watch],
            **AS_BEFORE,
            **SETTINGS,
            **WAYS[way],
        )
        model.fit(train, items=items, X_val=valid)
        reached = [
            i for i, row in enumerate(watch.rows) if all(row[k] >= v for k, v in THESIS.items())
        ]
        seconds = [record["seconds"] for record in model.training_log_]
        table[way] = {
            "test": SCORER(model, test),
            "valid": SCORER(model, valid),
            "best_epoch": model.best_epoch_,
            "n_epochs": len(seconds),
            "seconds_per_epoch": float(np.median(seconds)),
            "seconds_to_best": float(np.sum(seconds[: model.best_epoch_])),
            "seconds_to_thesis": watch.rows[reached[0]]["seconds"] if reached else None,
            "epochs_to_thesis": reached[0] + 1 if reached else None,
            "events_per_second": float(
                np.median([r["events_per_second"] for r in model.training_log_])
            ),
            "epochs": watch.rows,
        }
        print({k: v for k, v in table[way].items() if k != "epochs"}, flush=True)
    settings = {name: str(value) for name, value in SETTINGS.items()}
    write_result(options.name, {"settings": settings, "thesis": THESIS, "ways": table})


def watch_test(test, items) -> TestEveryEpoch:
    """Code the test part as the estimator will."""
    sequences = encode(read_sequences(test)[0], IdIndex(items["item"].to_numpy()))
    features = OneHotEncoder(dtype=np.float32).fit_transform(items[["id"]])
    features = to_feature_tensors([features], torch.device("cpu"))
    return TestEveryEpoch(sequences.drop_last(), sequences.last(), features)


if __name__ == "__main__":
    main()
