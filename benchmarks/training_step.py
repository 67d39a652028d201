"""One step of training, against the same network written in plain PyTorch.

    python benchmarks/training_step.py [--sizes 2420 22154 170000 1000000]

Plain means: dense features, padded sequences, the whole matrix of scores, items embedded once for
the input and once more for the scores, Adam as it comes; with padded places scored and then
ignored, as is usual, or ("real places") left out of the scores. All take the same 512 sequences of 3,800
next items (beside more than 50,000 items 64 sequences of 475, or plain would not fit) and items of
5,000 tf-idf features, 60 of them not zero. Each measurement has a process of its own; seconds are
medians, and memory is the growth of its peak since before the features. Where plain would need more
than three quarters of this machine's memory it is not run.
"""

import argparse
import json
import multiprocessing
import os
import time

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from _common import gemm_gflops, peak_mib, reset_peak, rss_mib, write_result
from torch import nn

from embrec.components import Adam, CrossEntropy, GRUEncoder, ItemTowers, SampledNegatives
from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork, to_feature_tensors
from embrec.network.device import score_precision
from embrec.network.packing import pack
from embrec.training.objective import Objective
from embrec.training.optimization import Optimization

N_FEATURES, N_FILLED, DIM = 5000, 60, 128
CPU = torch.device("cpu")


def make_features(n_items: int) -> sp.csr_array:
    """Rows of length 1 with few entries, at places that follow Zipf's law, as words do."""
    rng = np.random.default_rng(0)
    places = (N_FEATURES ** rng.random((n_items, N_FILLED)) - 1).astype(np.int32)
    indptr = np.arange(n_items + 1, dtype=np.int32) * N_FILLED
    values = np.full(n_items * N_FILLED, N_FILLED**-0.5, dtype=np.float32)
    matrix = sp.csr_array((values, places.ravel(), indptr), shape=(n_items, N_FEATURES))
    matrix.sum_duplicates()
    return matrix


def n_sequences(n_items: int) -> int:
    """Sequences in a batch."""
    return 512 if n_items <= 50_000 else 64


def make_sequences(n_items: int) -> Ragged:
    """Sequences with 7.4 next items each, lengths as in a shop: many short, few long."""
    rng = np.random.default_rng(0)
    n = n_sequences(n_items)
    n_steps = 3800 * n // 512
    lengths = 2 + np.minimum(rng.geometric(1 / 7.1, n), 48)
    lengths[0] = 50
    while lengths.sum() - n != n_steps:
        i = rng.integers(1, n)
        lengths[i] = np.clip(lengths[i] + np.sign(n_steps + n - lengths.sum()), 2, 50)
    return Ragged.from_lengths(rng.integers(0, n_items, lengths.sum()).astype(np.int32), lengths)


class PlainNetwork(nn.Module):
    """The same network as a first version would have it."""

    def __init__(self, real_places: bool) -> None:
        super().__init__()
        self.real_places = real_places
        self.tower = nn.Sequential(nn.Linear(N_FEATURES, DIM), nn.ReLU(), nn.Linear(DIM, DIM))
        self.gru = nn.GRU(DIM, DIM, batch_first=True)
        self.output = nn.Linear(DIM, DIM)

    def forward(self, features, rows, targets):
        inputs = self.tower(features[rows])
        hidden, _ = self.gru(F.dropout(inputs, 0.5, self.training))
        predicted = self.output(F.dropout(hidden, 0.3, self.training)) + inputs
        if self.real_places:
            predicted, targets = predicted[targets >= 0], targets[targets >= 0]
        scores = predicted @ self.tower(features).T
        if self.real_places:
            return F.cross_entropy(scores, targets)
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=-1)


def plain_step(n_items: int, real_places: bool):
    features = torch.from_numpy(make_features(n_items).toarray())
    sequences = make_sequences(n_items)
    longest = int(sequences.lengths.max()) - 1
    rows = torch.zeros(len(sequences), longest, dtype=torch.int64)
    targets = torch.full((len(sequences), longest), -1)
    for i in range(len(sequences)):
        values = torch.from_numpy(sequences[i].astype(np.int64))
        rows[i, : len(values) - 1], targets[i, : len(values) - 1] = values[:-1], values[1:]
    network = PlainNetwork(real_places)
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        optimizer.zero_grad()
        network(features, rows, targets).backward()
        optimizer.step()

    return step


def embrec_step(n_items: int, precision: str, n_negatives: int | None = None):
    items = ItemTowers(DIM, DIM)._build((N_FEATURES,), 0)
    encoder = GRUEncoder(DIM, input_dropout=0.5, dropout=0.3)._build(DIM)
    network = SequenceNetwork(items, encoder).train()
    features = to_feature_tensors([make_features(n_items)], CPU)
    batch = pack(make_sequences(n_items), with_targets=True, device=CPU)
    loss = CrossEntropy()._build(precision=score_precision(precision, CPU))
    sampler = (
        None if n_negatives is None else SampledNegatives(n_negatives)._build(np.ones(n_items))
    )
    objective = Objective(loss, sampler, features, None)
    optimization = Optimization(network, Adam(), 1000)
    rng = np.random.RandomState(0)
    return lambda: optimization.step(objective(network, batch, rng))


WAYS = {
    "plain": lambda n: plain_step(n, real_places=False),
    "plain, real places": lambda n: plain_step(n, real_places=True),
    "float32": lambda n: embrec_step(n, "float32"),
    "auto": lambda n: embrec_step(n, "auto"),
    "2048 negatives": lambda n: embrec_step(n, "auto", 2048),
}


def measure(way: str, n_items: int, repeats: int) -> dict[str, float]:
    """Median seconds of a step, and MiB that features and steps take."""
    torch.manual_seed(0)
    before = rss_mib()
    reset_peak()
    step = WAYS[way](n_items)
    step()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return {"seconds": float(np.median(seconds)), "mib": peak_mib() - before}


def plain_gib(n_items: int, real_places: bool) -> float:
    """What plain needs at least: features, and scores, their softmax and their gradient."""
    n_places = n_sequences(n_items) * (3800 / 512 if real_places else 49)
    return (4 * n_items * N_FEATURES + 3 * 4 * n_places * n_items) / 2**30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[2420, 22154, 170_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    limits = {"float32": gemm_gflops(torch.float32), "bfloat16": gemm_gflops(torch.bfloat16)}
    print(f"GFLOP/s of one product of 2048 x 2048: {limits}")
    figures = {}
    context = multiprocessing.get_context("spawn")
    for n_items in options.sizes:
        row = {}
        for way in WAYS:
            needed = plain_gib(n_items, "real" in way) if "plain" in way else 0.0
            if needed > 0.75 * memory:
                row[way] = {"needs_gib": needed}
                print(f"{n_items:9,} {way:20} needs at least {needed:.0f} GiB", flush=True)
                continue
            with context.Pool(1, maxtasksperchild=1) as pool:
                row[way] = pool.apply(measure, (way, n_items, options.repeats))
            if "seconds" in row.get("plain", {}):
                row[way]["plain/this"] = row["plain"]["seconds"] / row[way]["seconds"]
            shown = "  ".join(f"{k} {v:10.3f}" for k, v in row[way].items())
            print(f"{n_items:9,} {way:20} {shown}", flush=True)
        figures[str(n_items)] = row
    write_result("training_step", {"gemm_gflops": limits, "sizes": figures})
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
