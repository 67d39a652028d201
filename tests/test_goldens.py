"""Training losses that embrec 0.1 recorded, whatever was rebuilt since.

While the trunk was rebuilt, weights, answers and logs of 22 settings were compared bit by bit. What
is kept are the losses per epoch of nine of them, with room for what processors round otherwise.
Scores were not scaled then.
"""

import json
from pathlib import Path

import pytest
from sklearn.pipeline import make_union

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import GRU4RecRecommender, TransRecRecommender
from embrec.components import (
    Adagrad,
    Adam,
    BPRMax,
    FixedItems,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)
from embrec.datasets import make_shop
from embrec.network import items

RECORDED = json.loads((Path(__file__).parent / "fixtures" / "losses_of_0.1.json").read_text())
TITLES = TfidfItemFeaturizer(columns=["title"])
WORDS = TfidfItemFeaturizer(columns=["description"], max_features=50)
RUN = {"max_epochs": 4, "random_state": 5}


def make(featurizer=TITLES, **changes):
    parts = {"item_model": ItemTowers(16, 24), "encoder": GRUEncoder(20), **changes}
    run = {"batch_size": 16, "max_epochs": 4, "random_state": 3, "precision": "float32"}
    return EmbRecEstimator(featurizer, **{**run, **parts})


def settings():
    own = ItemTowers(
        16, 24, ids=IdEmbeddings(0.2, bound=0.5, shrinkage=3.0), bias=ItemBias(shrinkage=3.0)
    )
    steep = Adam(weight_decay=0.01, schedule="cosine", max_grad_norm=0.5, warmup_steps=5)
    deep = GRUEncoder(20, n_layers=2, residual=False, dropout=0.2, input_dropout=0.1)
    few = SampledNegatives(20, alpha=0.5, in_batch=True)
    return {
        "embrec": make(),
        "embrec bpr_max adagrad": make(loss=BPRMax(0.5), optimizer=Adagrad(0.05, momentum=0.2)),
        "embrec cosine": make(
            loss="cosine", item_model=FixedItems(16), optimizer=Adam(0.01), precision="auto"
        ),
        "embrec ids": make(
            item_model=own, negatives=SampledNegatives(24, alpha=0.5, in_batch=True)
        ),
        "embrec two layers": make(item_model=ItemTowers(16, 24, dropout=0.1), encoder=deep),
        "embrec union": make(make_union(TITLES, WORDS), optimizer=steep),
        "gru4rec": GRU4RecRecommender(16, **RUN),
        "gru4rec bpr_max": GRU4RecRecommender(16, loss=BPRMax(0.5), negatives=few, **RUN),
        "transrec": TransRecRecommender(8, **RUN),
    }


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_users=150, n_items=200, random_state=0)


def test_all_are_there():
    assert settings().keys() == RECORDED.keys()


@pytest.mark.parametrize("name", RECORDED)
def test_losses_are_those_that_were_recorded(name, shop, monkeypatch):
    monkeypatch.setattr(items, "SCALE", 1.0)
    X_val = shop.interactions.head(300) if name == "embrec union" else None
    model = settings()[name].fit(shop.interactions, items=shop.items, X_val=X_val)
    found = [record["loss"] for record in model.training_log_]
    assert found == pytest.approx(RECORDED[name]["losses"], rel=1e-3)
