"""Trains RecTools' SASRec, in the Python that has RecTools: see rectools_sasrec.py.

    python benchmarks/_rectools_worker.py split.json way.json

A line of JSON per epoch: epoch, seconds of training so far, and the figures of both parts.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _top_lists import Patience, figures_of
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

K = 50


class Watch(Callback):
    """Counts seconds from the start of an epoch to its end; what RecTools does around is free."""

    seconds = 0.0

    def on_train_epoch_start(self, trainer, module):
        Watch.started = time.perf_counter()

    def on_train_epoch_end(self, trainer, module):
        Watch.seconds += time.perf_counter() - Watch.started


def make_trainer():
    return Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[Watch()],
    )


def dataset_of(sequences: list[list[int]]) -> Dataset:
    """Make a log whose times are places: the order is that of the sequences."""
    lengths = [len(sequence) for sequence in sequences]
    log = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(len(sequences)), lengths),
            "item_id": np.concatenate(sequences),
            "weight": 1.0,
            "datetime": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(np.concatenate([np.arange(n) for n in lengths]), unit="s"),
        }
    )
    return Dataset.construct(log)


def top_lists(model: SASRecModel, dataset: Dataset, n: int) -> np.ndarray:
    """Ask for the best K of each user; no list at all for whom RecTools drops."""
    found = model.recommend(
        users=dataset.user_id_map.external_ids, dataset=dataset, k=K, filter_viewed=True
    )
    if not np.isfinite(found["score"]).all():
        raise SystemExit("RecTools scored items with NaN: these figures would mean nothing.")
    top = np.full((n, K), -1)
    top[found["user_id"], found["rank"] - 1] = found["item_id"]
    return top


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    split, way = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
    seed_everything(way["seed"])
    model = SASRecModel(
        session_max_len=50,
        get_trainer_func=make_trainer,
        recommend_torch_device="cpu",
        **way["parameters"],
    )
    train = dataset_of(split["train"])
    parts = {
        name: (dataset_of(part["histories"]), np.array(part["targets"]))
        for name, part in split["parts"].items()
    }
    patience = Patience(way["patience"], way["limit"])
    for epoch in range(1, way["max_epochs"] + 1):
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        row = {"epoch": epoch, "seconds": Watch.seconds}
        for name, (histories, targets) in parts.items():
            row[name] = figures_of(top_lists(model, histories, len(targets)), targets)
        print(json.dumps(row), flush=True)
        if patience.is_over(row["valid"]["ndcg@10"], Watch.seconds):
            break


if __name__ == "__main__":
    main()
