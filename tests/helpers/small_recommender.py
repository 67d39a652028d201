"""A recommender that is trained in a moment, and a very small shop."""

import pandas as pd

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers

ITEMS = pd.DataFrame(
    {
        "item": [f"{topic}-{i}" for topic in ("photo", "desk") for i in range(5)],
        "title": [f"{name} {i}" for name in ("camera lens", "desk lamp") for i in range(5)],
    }
)
LOG = pd.DataFrame(
    [
        (f"u{user}", f"{('photo', 'desk')[user % 2]}-{(user + step) % 5}", step)
        for user in range(10)
        for step in range(3)
    ],
    columns=["user", "item", "timestamp"],
)


def fit_small(log, items, **changes):
    """Two epochs of eight dimensions, from titles."""
    parts = {"item_model": ItemTowers(8), "encoder": GRUEncoder(8)}
    options = {"max_epochs": 2, "random_state": 0, **parts, **changes}
    return EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), **options).fit(log, items=items)
