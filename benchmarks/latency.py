"""What a click and a new item cost in a service, on one core.

    python benchmarks/latency.py

On the Office catalogue and, with made-up vectors of the same width, on larger ones: the p50 and p99
of one session step and of a step with its top 10; and what adding 100 items costs, of which how
much is featurizing. The ratio that matters: adding 100 items against embedding the catalogue.
"""

import time

import numpy as np
import scipy.sparse as sp
import torch
from _common import load_office, median_seconds, write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.catalog import ItemCatalog
from embrec.estimator import _embed
from embrec.featurizers._blocks import transform_feature_blocks
from embrec.index import ExactIndex
from embrec.model_selection import leave_last_out_split
from embrec.network import Dropout, EmbRecNetwork, NetworkSize

COLUMNS = ["title", "description", "brand", "categories"]


def quantiles(function, n: int) -> dict[str, float]:
    """Time n calls, in milliseconds."""
    for _ in range(20):
        function()
    times = np.empty(n)
    for i in range(n):
        started = time.perf_counter()
        function()
        times[i] = 1000 * (time.perf_counter() - started)
    return {"p50_ms": float(np.median(times)), "p99_ms": float(np.quantile(times, 0.99))}


def click_costs(model, items, rng) -> dict[str, dict[str, float]]:
    """Cost of a session's step, of its answer, and of both with the batch method."""
    ids = items["item"].to_numpy()
    long_ago = ids[rng.integers(0, len(ids), 1000)].tolist()

    session = model.start_session(ids[:3])

    def click(session):
        return lambda: session.add(ids[rng.integers(len(ids))])

    def fresh_click_and_top_10():
        model.start_session().add(ids[rng.integers(len(ids))]).recommend(10)

    return {
        "add, after 3 items": quantiles(click(model.start_session(ids[:3])), 500),
        "add, after 1000 items": quantiles(click(model.start_session(long_ago)), 500),
        "recommend 10": quantiles(lambda: session.recommend(10), 500),
        "start, add one, recommend 10": quantiles(fresh_click_and_top_10, 500),
        "recommend([history of 10])": quantiles(lambda: model.recommend([ids[:10]]), 300),
    }


def growth_costs(model, items) -> dict[str, float]:
    """Cost of 100 new items, and of embedding the catalogue again."""
    new = items.tail(100).copy()

    def add(round_number=[0]):  # noqa: B006
        round_number[0] += 1
        new["item"] = [f"new-{round_number[0]}-{i}" for i in range(100)]
        model.add_items(new)

    content = new[["title", "description", "brand", "categories"]]
    blocks = model.catalog_.blocks
    return {
        "add_items_100_ms": 1000 * median_seconds(add, 11),
        "of_which_featurizing_ms": 1000
        * median_seconds(lambda: transform_feature_blocks(model.featurizer_, content), 11),
        "embed_whole_catalogue_ms": 1000
        * median_seconds(lambda: _embed(model.network_, blocks), 11),
    }


def growth_at_sizes(rng) -> dict[int, dict[str, float]]:
    """Adding 100 items to catalogues of several sizes, without featurizing, against embedding all."""
    costs = {}
    for n in (2_400, 25_000, 170_000):
        features = sp.random(n + 100, 5000, 0.02, format="csr", rng=rng).astype(np.float32)
        old, new = features[:n], features[n:]
        network = EmbRecNetwork(NetworkSize((5000,)), Dropout())
        catalog = ItemCatalog(np.arange(n), [old])
        index = ExactIndex().fit(_embed(network, [old]))

        def add(catalog=catalog, index=index, network=network, new=new):
            ids = len(catalog) + np.arange(100)
            catalog.write(ids, [new])
            index.add(_embed(network, [new]))

        add_ms = 1000 * median_seconds(add, 11)
        embed_ms = 1000 * median_seconds(lambda n=network, b=old: _embed(n, [b]), 3)
        costs[n] = {"add_ms": add_ms, "embed_ms": embed_ms, "ratio": embed_ms / add_ms}
    return costs


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    data = load_office()
    train, valid, _ = leave_last_out_split(data.interactions)
    model = EmbRecEstimator(TfidfItemFeaturizer(columns=COLUMNS), max_epochs=1, random_state=0)
    model.fit(train, items=data.items, X_val=valid)
    clicks = click_costs(model, data.items, rng)
    print(f"Office, {len(data.items):,} items, one thread")
    for name, cost in clicks.items():
        print(f"    {name:32} p50 {cost['p50_ms']:7.3f} ms   p99 {cost['p99_ms']:7.3f} ms")
    growth = growth_costs(model, data.items)
    ratio = growth["embed_whole_catalogue_ms"] / (
        growth["add_items_100_ms"] - growth["of_which_featurizing_ms"]
    )
    for name, value in growth.items():
        print(f"    {name:32} {value:8.2f}")
    print(f"    embedding the catalogue / adding 100 items without featurizing: {ratio:.1f}")
    sizes = growth_at_sizes(rng)
    for n, cost in sizes.items():
        shown = ", ".join(f"{key} {value:.2f}" for key, value in cost.items())
        print(f"    100 new items beside {n:,}: {shown}")
    office = {"click": clicks, "growth": growth, "ratio": ratio}
    write_result("latency", {"office": office, "sizes": sizes})


if __name__ == "__main__":
    main()
