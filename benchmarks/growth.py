"""What 1,000 new items cost beside catalogues of four sizes, up to a million.

    python benchmarks/growth.py

All of `add_items`: featurizing, embedding, the index; and the first answer afterwards, which must
show them. What it took before the catalogue could grow in place is there for comparison: embedding
all items, and copying their vectors together.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from _common import write_result
from _vectors import trained_model, trained_vectors, with_catalogue
from threadpoolctl import threadpool_limits

from embrec.datasets import make_shop
from embrec.featurizers._blocks import transform_feature_blocks
from embrec.index import ExactIndex, FaissIndex
from embrec.recommenders.network import embed
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog

SIZES = (2_400, 25_000, 170_000, 1_000_000)
INDEXES = {"exact": ExactIndex, "faiss": lambda: FaissIndex(random_state=0)}
N_NEW = 1000
REPEATS = 7


def features_of(n: int, like: Any) -> Any:
    """Repeat rows of features until there are n."""
    rows = np.resize(np.arange(like.shape[0]), n)
    return sp.csr_array(like[rows])


def measure(model: Any, items: Any) -> dict[str, float]:
    """Time `add_items` of a thousand, several times."""
    times, answers = [], []
    for i in range(REPEATS + 1):
        new = items.assign(item=[f"new-{i}-{j}" for j in range(N_NEW)])
        started = time.perf_counter()
        model.add_items(new)
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
        found, _ = model.recommend([["item-0"]], k=10)
        answers.append(time.perf_counter() - started)
        if None in found:
            raise AssertionError("fewer than ten came back")
        shown, _ = model.recommend([[]], k=1, include=[f"new-{i}-0"])
        if shown[0, 0] != f"new-{i}-0":
            raise AssertionError("a new item is not found")
        model.index_.wait()
    return {
        "add_ms": 1000 * float(np.median(times[1:])),
        "answer_ms": 1000 * float(np.median(answers[1:])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".vectors"), help="keeps what is made")
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained = trained_model(options.folder)
    items = make_shop(n_items=N_NEW, n_users=1, random_state=3).items
    content = items.drop(columns="item")
    table: dict[int, dict[str, Any]] = {}
    for n in SIZES:
        vectors, _ = trained_vectors(n, options.folder)
        features = features_of(n, trained.catalog_.blocks[0])
        row: dict[str, Any] = {}
        for name, make in INDEXES.items():
            model = with_catalogue(trained, make().fit(vectors))
            catalog = ItemCatalog(model.catalog_.ids.ids, [features])
            model.catalog_ = LiveCatalog(catalog, model.index_)
            with threadpool_limits(1):
                row[name] = measure(model, items)
        with threadpool_limits(1):
            started = time.perf_counter()
            transform_feature_blocks(trained.featurizer_, content)
            row["featurizing_ms"] = 1000 * (time.perf_counter() - started)
            started = time.perf_counter()
            embed(trained.network_, [features], np.full(n, -1))
            row["embedding_all_ms"] = 1000 * (time.perf_counter() - started)
        table[n] = row
        print(f"{n:9,}", row, flush=True)
    write_result("growth", {"table": table})


if __name__ == "__main__":
    main()
