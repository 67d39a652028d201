"""Item and query vectors to search among: of a trained model, and drawn."""

from pathlib import Path

import numpy as np

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop
from embrec.estimator import _embed
from embrec.featurizers._blocks import transform_feature_blocks

D = 128
N_QUERIES = 2000
#: The shop that the model is trained in, and the visitors that ask.
SHOP = {"n_items": 25_000, "n_users": 15_000}


def trained_vectors(n: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embed the items of a generated shop, and the next items of some of its visitors.

    A model trained in a shop of 25,000 items embeds those of a larger one. The vectors are kept in
    `folder`, which saves minutes.
    """
    paths = folder / f"trained_{n}.npy", folder / "trained_queries.npy"
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        shop = make_shop(**SHOP, random_state=0)
        model = EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title", "description"]),
            max_epochs=3,
            early_stopping=False,
            random_state=0,
        )
        model.fit(shop.interactions, items=shop.items)
        np.save(paths[1], model.transform(shop.interactions)[:N_QUERIES])
        items = make_shop(n_items=n, n_users=1, random_state=1).items.drop(columns="item")
        vectors = np.empty((n, D), dtype=np.float32)
        for start in range(0, n, 50_000):
            blocks = transform_feature_blocks(model.featurizer_, items[start : start + 50_000])
            rows = slice(start, start + blocks[0].shape[0])
            vectors[rows] = _embed(model.network_, blocks, np.full(blocks[0].shape[0], -1))
        np.save(paths[0], vectors)
    return np.load(paths[0]), np.load(paths[1])


def drawn_vectors(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors in overlapping clusters, of lengths that differ, and queries among them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(50, n // 200), D), dtype=np.float32)
    vectors = centres[rng.integers(0, len(centres), n)]
    vectors += 0.6 * rng.standard_normal((n, D), dtype=np.float32)
    vectors *= (0.7 + 0.3 * rng.lognormal(0, 0.4, (n, 1))).astype(np.float32)
    queries = 0.7 * vectors[rng.integers(0, n, N_QUERIES)]
    return vectors, queries + 0.7 * rng.standard_normal((N_QUERIES, D), dtype=np.float32)
