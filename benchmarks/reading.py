"""What reading a history costs: attention against the GRU, one beside the other.

    OMP_NUM_THREADS=1 python benchmarks/reading.py

Both have their defaults and towers of width 128, on one generated shop, on one thread. Every
measurement is taken of one and then of the other, again and again, so that whatever else the machine
does hits both; figures are medians, and ratios are attention to GRU. A click is a session's step after
so many items, and the ten items that answer it. Memory is the growth of the peak in one training step
(64 sequences of 50 events), each in a process of its own.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _common import peak_mib, reset_peak, rss_mib, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import (
    Adam,
    CrossEntropy,
    Encoder,
    GRUEncoder,
    ItemTowers,
    SelfAttentionEncoder,
)
from embrec.data.ragged import Ragged
from embrec.datasets import make_shop
from embrec.network import SequenceNetwork, to_feature_tensors
from embrec.network.device import score_precision
from embrec.network.packing import pack
from embrec.training.objective import Objective
from embrec.training.optimization import Optimization

ENCODERS: dict[str, Callable[[], Encoder]] = {"GRU": GRUEncoder, "attention": SelfAttentionEncoder}
LENGTHS = (1, 10, 50, 200)
N_ITEMS, DIM, BATCH, N_HISTORIES = 2000, 128, 64, 1000
CPU = torch.device("cpu")


def estimator(name: str, n_epochs: int, seed: int) -> EmbRecEstimator:
    return EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title", "description"]),
        item_model=ItemTowers(DIM, DIM),
        encoder=ENCODERS[name](),
        batch_size=BATCH,
        max_epochs=n_epochs,
        early_stopping=False,
        random_state=seed,
    )


def train(shop: Any, rounds: int) -> tuple[dict[str, EmbRecEstimator], dict[str, float]]:
    """Train both in turns: the last models, and events per second without first epochs."""
    models = {}
    found: dict[str, list[float]] = {name: [] for name in ENCODERS}
    for seed in range(rounds):
        for name in ENCODERS:
            models[name] = estimator(name, 4, seed).fit(shop.interactions, items=shop.items)
            log = models[name].training_log_[1:]
            found[name] += [record["events_per_second"] for record in log]
        print({name: np.round(values).tolist() for name, values in found.items()}, flush=True)
    return models, {name: float(np.median(values)) for name, values in found.items()}


def in_turns(calls: dict[str, list[Callable[[], Any]]]) -> dict[str, float]:
    """Time calls, one of each encoder at a time: median milliseconds; the first ones warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for pair in zip(*calls.values(), strict=True):
        for name, call in zip(calls, pair, strict=True):
            started = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - started))
    warm = len(next(iter(times.values()))) // 10
    return {name: float(np.median(values[warm:])) for name, values in times.items()}


def read(models: dict[str, EmbRecEstimator], ids: np.ndarray, n_clicks: int) -> dict[str, Any]:
    """Time clicks, steps alone and batches of histories, and weigh sessions, at each length."""
    rng = np.random.default_rng(0)
    figures = {}
    for length in LENGTHS:
        drawn = [rng.choice(ids, length + 2, replace=False).tolist() for _ in range(N_HISTORIES)]
        histories = [row[:length] for row in drawn]
        sessions = {
            name: [model.start_session(history) for history in histories[:n_clicks]]
            for name, model in models.items()
        }
        sizes = {
            name: len(of[0].to_bytes()) - len(of[0].to_bytes(with_state=False))
            for name, of in sessions.items()
        }
        numbered = {name: list(zip(of, drawn, strict=False)) for name, of in sessions.items()}
        row = {
            "step_ms": in_turns(
                {n: [lambda s=s, d=d: s.add(d[-2]) for s, d in of] for n, of in numbered.items()}
            ),
            "click_ms": in_turns(
                {
                    n: [lambda s=s, d=d: s.add(d[-1]).recommend(10) for s, d in of]
                    for n, of in numbered.items()
                }
            ),
            "recommend_1000_ms": in_turns(
                {n: [lambda m=m, h=histories: m.recommend(h, k=10)] * 10 for n, m in models.items()}
            ),
            "state_bytes": sizes,
        }
        figures[str(length)] = {name: with_ratio(values) for name, values in row.items()}
        print(length, figures[str(length)], flush=True)
    return figures


def with_ratio(values: dict[str, float]) -> dict[str, float]:
    return {**values, "attention/GRU": values["attention"] / values["GRU"]}


def step_mib(name: str) -> float:
    """Take training steps, and say by how much the first ones' peak is above what was there."""
    torch.set_num_threads(1)
    shop = make_shop(10, N_ITEMS, random_state=0)
    featurizer = TfidfItemFeaturizer(columns=["title", "description"])
    matrix = featurizer.fit_transform(shop.items)
    features = to_feature_tensors([matrix], CPU)
    network = SequenceNetwork(
        ItemTowers(DIM, DIM)._build((matrix.shape[1],), 0), ENCODERS[name]()._build(DIM)
    ).train()
    rows = np.random.default_rng(0).integers(0, N_ITEMS, BATCH * 50).astype(np.int32)
    sequences = Ragged.from_lengths(rows, np.full(BATCH, 50))
    batch = pack(sequences, with_targets=True, device=CPU)
    loss = CrossEntropy()._build(precision=score_precision("auto", CPU))
    objective = Objective(loss, None, features, None)
    optimization = Optimization(network, Adam(), 10)
    rng = np.random.RandomState(0)
    reset_peak()
    before = rss_mib()
    for _ in range(3):
        optimization.step(objective(network, batch, rng))
    return peak_mib() - before


def memory(rounds: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[float]] = {name: [] for name in ENCODERS}
    for _ in range(rounds):
        for name in ENCODERS:
            with context.Pool(1, maxtasksperchild=1) as pool:
                found[name].append(pool.apply(step_mib, (name,)))
    return {name: float(np.median(values)) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shop = make_shop(options.users, N_ITEMS, random_state=0)
    figures: dict[str, Any] = {"step_mib": with_ratio(memory(options.rounds))}
    print(figures, flush=True)
    models, speed = train(shop, options.rounds)
    figures["events_per_second"] = with_ratio(speed)
    figures["lengths"] = read(models, shop.items["item"].to_numpy(), options.clicks)
    print({name: figures[name] for name in ("events_per_second", "step_mib")})
    asked = {"users": options.users, "items": N_ITEMS, "events": len(shop.interactions)}
    write_result("reading", {**asked, **figures})


if __name__ == "__main__":
    main()
