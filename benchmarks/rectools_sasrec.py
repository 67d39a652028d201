"""Against RecTools' SASRec of the same width and depth: time to the same figure, and figures.

    python -m venv rectools
    rectools/bin/pip install "rectools[torch]==0.19.0" "numpy<2" "pyarrow<20" torch==2.13.0
    OMP_NUM_THREADS=1 python benchmarks/rectools_sasrec.py --rectools-python rectools/bin/python

RecTools wants numpy < 2, so it has a Python of its own: 3.11, with numpy 1.26.4, pandas 2.3.3,
pyarrow 19.0.1, pytorch-lightning 2.5.2 and the torch of the other side. All run one after the other,
on one thread each: attention of width 128 with two heads over the last 50 items.

Both read the same training log in the same order. After each epoch the last item of each validation
and test sequence is looked for among the best 50 items, given the items before it: of the items that
training has seen, without those of the history (a history with other items is not asked for). One plain function counts, on both sides. Training
stops after some epochs whose validation NDCG@10 is no better, on both sides, or after --limit seconds.
Seconds are those of training steps alone; embrec's begin with the featurizer's. The test figure is that
of the epoch that is best in validation. RecTools knows items by their ids; so does embrec under "ids". "text and ids" has the items' own
vectors and biases beside what their text says.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _common import write_result
from _splits import load
from _top_lists import Patience, figures_of
from sklearn.preprocessing import OneHotEncoder

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import IdEmbeddings, ItemTowers, SelfAttentionEncoder
from embrec.data.ids import IdIndex
from embrec.data.ragged import Ragged
from embrec.featurizers._blocks import fit_feature_blocks
from embrec.network import to_feature_tensors
from embrec.network.inference import embed_items, encode_queries
from embrec.training import Callback

K = 50
#: RecTools' own defaults but for width, depth, heads and length; its three kinds of losses.
RECTOOLS: dict[str, dict[str, Any]] = {
    "softmax": {"loss": "softmax"},
    "gBCE, 256 negatives": {"loss": "gBCE", "n_negatives": 256, "gbce_t": 0.75},
    "sampled softmax, 256 negatives": {"loss": "sampled_softmax", "n_negatives": 256},
}
EMBREC = ("text", "ids", "text and ids")


def split_of(parts: tuple[Any, ...], ids: IdIndex) -> dict[str, Any]:
    """Turn logs into lists of rows of the catalogue, in the order that embrec reads them in."""

    def sequences(log: pd.DataFrame) -> list[list[int]]:
        rows = pd.Series(ids.rows(log["item"].to_numpy().astype(object)), index=log.index)
        ordered = log.assign(row=rows).sort_values("timestamp", kind="stable")
        return ordered.groupby("user", sort=True)["row"].apply(list).tolist()

    train, valid, test = (sequences(part) for part in parts)
    known = np.unique(np.concatenate(train))
    asked = {}
    for name, part in (("valid", valid), ("test", test)):
        # RecTools reads no item that training lacks, so that nobody reads one here
        histories = [np.intersect1d(s[:-1], known).size == len(set(s[:-1])) for s in part]
        kept = [s for s, whole in zip(part, histories, strict=True) if whole]
        asked[name] = {"histories": [s[:-1] for s in kept], "targets": [s[-1] for s in kept]}
    return {"train": train, "parts": asked, "known": known.tolist()}


class Measure(Callback):
    """Asks for the best items of both parts after each epoch, outside of what is timed."""

    def __init__(
        self,
        split: dict[str, Any],
        features: Any,
        patience: Patience,
        seconds: float,
        *,
        n_items: int,
        has_own: bool,
    ) -> None:
        self.features, self.patience, self.seconds = features, patience, seconds
        self.known = torch.tensor(split["known"])
        self.parts = split["parts"]
        # the network numbers what training has seen in the order of the catalogue
        self.own = None
        if has_own:
            self.own = torch.full((n_items,), -1)
            self.own[self.known] = torch.arange(len(self.known))
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, progress: Any) -> bool:
        self.seconds += progress.record["seconds"]
        items = embed_items(progress.network, self.features, self.own)
        row: dict[str, Any] = {"epoch": progress.epoch, "seconds": self.seconds}
        for name, part in self.parts.items():
            top = self.top_lists(progress.network, items, part["histories"])
            row[name] = figures_of(top, np.array(part["targets"]))
        self.rows.append(row)
        print(f"    {told(row)}", flush=True)
        return self.patience.is_over(row["valid"]["ndcg@10"], self.seconds)

    @torch.inference_mode()
    def top_lists(self, network: Any, items: torch.Tensor, histories: list[list[int]]) -> Any:
        lengths = np.array([len(history) for history in histories])
        rows = np.concatenate(histories).astype(np.int32)
        queries = encode_queries(network, items, Ragged.from_lengths(rows, lengths))
        scores = queries @ items.T
        unknown = torch.ones(len(items), dtype=torch.bool)
        unknown[self.known] = False
        scores[:, unknown] = -torch.inf
        users = torch.from_numpy(np.repeat(np.arange(len(histories)), lengths))
        scores[users, torch.from_numpy(rows).long()] = -torch.inf
        return scores.topk(K, dim=1).indices.numpy()


def told(row: dict[str, Any]) -> str:
    return (
        f"epoch {row['epoch']:3}  {row['seconds']:7.1f} s  valid NDCG@10 "
        f"{row['valid']['ndcg@10']:.4f}  test {row['test']['ndcg@10']:.4f}"
    )


def run_embrec(
    way: str, parts: tuple[Any, ...], split: dict[str, Any], options: argparse.Namespace
) -> list[dict[str, Any]]:
    train, items, columns = parts[0], parts[3], parts[4]
    featurizer: Any = TfidfItemFeaturizer(columns=columns)
    if way == "ids":
        items = pd.DataFrame({"item": items["item"], "id": items["item"]})
        featurizer = OneHotEncoder(dtype=np.float32)
    started = time.perf_counter()
    _, blocks = fit_feature_blocks(featurizer, items.drop(columns="item"))
    seconds = time.perf_counter() - started
    features = to_feature_tensors(blocks, torch.device("cpu"))
    patience = Patience(options.patience, options.limit)
    measure = Measure(
        split, features, patience, seconds, n_items=len(items), has_own=way == "text and ids"
    )
    EmbRecEstimator(
        featurizer,
        item_model=ItemTowers(ids=IdEmbeddings(), bias=True) if measure.own is not None else None,
        encoder=SelfAttentionEncoder(n_layers=options.blocks),
        early_stopping=False,
        max_epochs=options.max_epochs,
        callbacks=[measure],
        random_state=options.seed,
    ).fit(train, items=items)
    return measure.rows


def run_rectools(way: str, split_file: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the worker, and read its lines as they come."""
    width = {"n_factors": 128, "n_heads": 2, "n_blocks": options.blocks}
    settings = {
        "parameters": {**width, **RECTOOLS[way]},
        "seed": options.seed,
        "patience": options.patience,
        "limit": options.limit,
        "max_epochs": options.max_epochs,
    }
    way_file = split_file.with_name("way.json")
    way_file.write_text(json.dumps(settings))
    worker = Path(__file__).with_name("_rectools_worker.py")
    rows = []
    with subprocess.Popen(
        [options.rectools_python, worker, split_file, way_file],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=split_file.parent,
    ) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                rows.append(json.loads(line))
                print(f"    {told(rows[-1])}", flush=True)
    if process.returncode:
        raise SystemExit(f"The worker ended with {process.returncode}; its words are above.")
    return rows


def summary(rows: list[dict[str, Any]], limit: float) -> dict[str, Any]:
    best = max(rows, key=lambda row: row["valid"]["ndcg@10"])
    return {
        "best_epoch": best["epoch"],
        "seconds_to_best": best["seconds"],
        "seconds_per_epoch": float(np.median(np.diff([0.0, *(row["seconds"] for row in rows)]))),
        "valid": best["valid"],
        "test": best["test"],
        "out_of_time": rows[-1]["seconds"] >= limit,
    }


def popularity(split: dict[str, Any], n_items: int) -> dict[str, Any]:
    """What everybody takes: figures that mean something are better."""
    counts = np.bincount(np.concatenate(split["train"]), minlength=n_items)
    figures = {}
    for name, part in split["parts"].items():
        scores = np.tile(counts.astype(float), (len(part["targets"]), 1))
        for row, history in zip(scores, part["histories"], strict=True):
            row[history] = -1
        top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        figures[name] = figures_of(top, np.array(part["targets"]))
    return figures


def compare(ways: dict[str, Any]) -> dict[str, Any]:
    """Say how long both sides take to RecTools' best validation NDCG@10.

    Where embrec's never gets there, to the best one of embrec's instead.
    """

    def seconds_to(name: str, goal: float) -> float:
        return next(r["seconds"] for r in ways[name]["epochs"] if r["valid"]["ndcg@10"] >= goal)

    table = {}
    for name in (name for name in ways if name.startswith("RecTools")):
        for own in (own for own in ways if own.startswith("embrec")):
            bests = {side: ways[side]["valid"]["ndcg@10"] for side in (name, own)}
            goal = min(bests.values())
            theirs, ours = seconds_to(name, goal), seconds_to(own, goal)
            table[f"{own} to {name}"] = {
                "goal": goal,
                "reaches_rectools_best": bests[own] >= bests[name],
                "rectools_seconds": theirs,
                "embrec_seconds": ours,
                "times_shorter": theirs / ours,
            }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", default="amazon2014_office_5core")
    parser.add_argument("--rectools-python", required=True)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds of training of a way")
    parser.add_argument("--max-epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="*", default=list(RECTOOLS), choices=list(RECTOOLS))
    parser.add_argument("--own", nargs="*", default=list(EMBREC), choices=EMBREC)
    parser.add_argument("--result", default="rectools_sasrec", help="name of the file of figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = load(options.folder, None, "interactions.parquet", "leave-last-two-out")
    ids = IdIndex(parts[3]["item"].to_numpy().astype(object))
    split = split_of(parts[:3], ids)
    data = {name: len(part["targets"]) for name, part in split["parts"].items()}
    for name, part in split["parts"].items():
        data[f"{name}, target unknown"] = int((~np.isin(part["targets"], split["known"])).sum())
        data[f"{name}, history unknown"] = len(parts[1]["user"].unique()) - data[name]
    data |= {"items": len(split["known"]), "events": sum(map(len, split["train"]))}
    ways: dict[str, Any] = {}
    popular = popularity(split, len(ids))
    print(data, popular, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        split_file = Path(folder) / "split.json"
        split_file.write_text(json.dumps(split))
        runs = [
            (f"embrec, {way}", lambda w=way: run_embrec(w, parts, split, options))
            for way in options.own
        ]
        runs += [
            (f"RecTools, {way}", lambda w=way: run_rectools(w, split_file, options))
            for way in options.ways
        ]
        for name, run in runs:
            print(name, flush=True)
            rows = run()
            ways[name] = {**summary(rows, options.limit), "epochs": rows}
    comparison = compare(ways)
    for name, row in comparison.items():
        print(name, row)
    asked = {"folder": options.folder, "blocks": options.blocks, "seed": options.seed}
    figures = {**asked, "data": data, "popularity": popular, "comparison": comparison}
    write_result(options.result, {**figures, "ways": ways})


if __name__ == "__main__":
    main()
