"""Models and visitors to evaluate."""

import pandas as pd
import pytest

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    PopularityRecommender,
    SessionNeighborsRecommender,
)
from embrec.components import ItemTowers

TITLES = TfidfItemFeaturizer(columns=["title"])


NEW = pd.DataFrame({"item": ["cold"], "title": ["camera lamp photo"]})


@pytest.fixture(scope="session")
def models(shop_log, shop_items):
    """Do not change them. The item "cold" came after training; one was removed."""
    kinds = {
        "embrec": EmbRecEstimator(TITLES, item_model=ItemTowers(16), max_epochs=4, random_state=0),
        "content": ContentNeighborsRecommender(TITLES),
        "sessions": SessionNeighborsRecommender(),
        "popular": PopularityRecommender(),
    }
    return {
        name: model.fit(shop_log, items=shop_items).add_items(NEW).remove_items(["desk-0"])
        for name, model in kinds.items()
    }


@pytest.fixture(scope="session")
def test_part(shop_log):
    """Sequences of several lengths; some end with the cold item."""
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()
    cut = [s[: 1 + i % 4] for i, s in enumerate(sequences)]
    cut = [s for s in cut if s[-1] != "desk-0"]
    return [*cut, ["photo-0", "cold"], ["photo-1", "photo-2", "cold"]]
