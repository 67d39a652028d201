"""Item and query vectors to search among: of a trained model, and drawn."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from _common import AS_BEFORE

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop
from embrec.featurizers._blocks import transform_feature_blocks
from embrec.recommenders.network import embed
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog

D = 128
N_QUERIES = 2000
#: The shop that the model is trained in, and the visitors that ask.
SHOP = {"n_items": 25_000, "n_users": 15_000}


def trained_model(folder: Path) -> EmbRecEstimator:
    """Train in a generated shop; the model is kept in `folder`, and read from there."""
    if not (folder / "model").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shop = make_shop(**SHOP, random_state=0)
        model = EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title", "description"]),
            max_epochs=3,
            early_stopping=False,
            index="exact",
            random_state=0,
            **AS_BEFORE,
        )
        model.fit(shop.interactions, items=shop.items)
        np.save(folder / "queries.npy", model.transform(shop.interactions)[:N_QUERIES])
        model.save(folder / "model")
    return EmbRecEstimator.load(folder / "model")


def trained_vectors(n: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embed the items of a larger shop, and the next items of some visitors of the first."""
    model = trained_model(folder)
    path = folder / f"items_{n}.npy"
    if not path.exists():
        items = make_shop(n_items=n, n_users=1, random_state=1).items.drop(columns="item")
        vectors = np.empty((n, D), dtype=np.float32)
        for start in range(0, n, 50_000):
            blocks = transform_feature_blocks(model.featurizer_, items[start : start + 50_000])
            rows = slice(start, start + blocks[0].shape[0])
            vectors[rows] = embed(model.network_, blocks, np.full(blocks[0].shape[0], -1))
        np.save(path, vectors)
    return np.load(path), np.load(folder / "queries.npy")


def drawn_vectors(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors in overlapping clusters, of lengths that differ, and queries among them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(50, n // 200), D), dtype=np.float32)
    vectors = centres[rng.integers(0, len(centres), n)]
    vectors += 0.6 * rng.standard_normal((n, D), dtype=np.float32)
    vectors *= (0.7 + 0.3 * rng.lognormal(0, 0.4, (n, 1))).astype(np.float32)
    queries = 0.7 * vectors[rng.integers(0, n, N_QUERIES)]
    return vectors, queries + 0.7 * rng.standard_normal((N_QUERIES, D), dtype=np.float32)


def with_catalogue(model: EmbRecEstimator, index: Any) -> EmbRecEstimator:
    """Copy a model, with the vectors of an index for its catalogue: "item-0" and so on.

    Which leaves out featurizing a million items.
    """
    other = copy.copy(model)
    ids = np.array([f"item-{i}" for i in range(len(index))], dtype=object)
    other.catalog_ = LiveCatalog(ItemCatalog(ids, []), index)
    return other
