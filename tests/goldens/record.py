"""What trained recommenders were before the trunk was rebuilt: to be the same bit by bit afterwards."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import make_union

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import GRU4RecRecommender, TransRecRecommender
from embrec.components import (
    Adagrad,
    Adam,
    BPRMax,
    EarlyStopping,
    FixedItems,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)
from embrec.datasets import make_shop

FILE = Path(__file__).parent / "goldens.json"
SHOP = make_shop(n_users=150, n_items=200, random_state=0)
LOG, ITEMS = SHOP.interactions, SHOP.items


def sha(array):
    array = np.ascontiguousarray(array)
    return hashlib.sha256(
        repr((array.shape, str(array.dtype))).encode() + array.tobytes()
    ).hexdigest()[:16]


def of_weights(model):
    """A hash per parameter, whatever its name."""
    return sorted(sha(p.detach().numpy()) for p in model.network_.parameters())


def titles():
    return TfidfItemFeaturizer(columns=["title"])


def union():
    return make_union(titles(), TfidfItemFeaturizer(columns=["description"], max_features=50))


def figures(log):
    names = ("epoch", "loss", "valid_hit_rate", "valid_mrr")
    return [[float(r[n]).hex() if n in r else None for n in names] for r in log]


def record(model, fit, again):
    fit(model)
    found = {
        "weights": of_weights(model),
        "log": figures(model.training_log_),
        "best": model.best_epoch_,
    }
    some = LOG[LOG["user"].isin(LOG["user"].unique()[:40])]
    ids, scores = model.recommend(some, k=7)
    found["recommend"] = [hashlib.sha256(repr(ids.tolist()).encode()).hexdigest()[:16], sha(scores)]
    ranks = model.rank_targets(some)
    found["ranks"] = [sha(ranks.ranks), sha(ranks.n_candidates)]
    similar = model.similar_items(ITEMS["item"].tolist()[:5], k=4)
    found["similar"] = [
        hashlib.sha256(repr(similar[0].tolist()).encode()).hexdigest()[:16],
        sha(similar[1]),
    ]
    if not isinstance(model, TransRecRecommender):
        session = model.start_session(ITEMS["item"].tolist()[:3])
        session.add(ITEMS["item"].tolist()[10])
        ids, scores = session.recommend(6)
        found["session"] = [ids.tolist(), sha(scores)]
    model.add_items(ITEMS.head(2).assign(item=["new-1", "new-2"]))
    found["vectors"] = sha(model.index_.vectors)
    if isinstance(model, EmbRecEstimator):
        found["transform"] = sha(model.transform(some))
    model.partial_fit(LOG.tail(200))
    found["again"] = of_weights(model)
    return found


def fit_on(**more):
    return lambda model: model.fit(LOG, items=ITEMS, **more)


def main(settings):
    torch.set_num_threads(1)
    return {name: record(model, fit, None) for name, (model, fit) in settings().items()}


def settings():
    """The settings that 0.1 was recorded with, in parts."""
    gru = GRUEncoder(20)

    def rec(featurizer=None, item_model=None, **changes):
        base = {
            "item_model": ItemTowers(16, 24) if item_model is None else item_model,
            "encoder": gru,
            "batch_size": 16,
            "max_epochs": 4,
            "random_state": 3,
            "precision": "float32",
        }
        return EmbRecEstimator(featurizer or titles(), **{**base, **changes})

    def lists(model):
        model.fit(LOG.groupby("user", sort=False)["item"].agg(list).tolist(), items=ITEMS)

    run = {"max_epochs": 4, "random_state": 5}
    valid = fit_on(X_val=LOG.head(300))
    ids = IdEmbeddings(0.2, bound=0.5, shrinkage=3.0)
    recipe = {"alpha": 0.5, "in_batch": True}
    steep = {"max_grad_norm": 0.5, "warmup_steps": 5}
    default = EmbRecEstimator(titles(), max_epochs=2, random_state=0, precision="float32")
    return {
        "embrec": (rec(), fit_on()),
        "embrec default": (default, fit_on()),
        "embrec bpr": (rec(loss="bpr", negatives=SampledNegatives(16, alpha=0.5)), fit_on()),
        "embrec bpr_max adagrad": (
            rec(loss=BPRMax(0.5), optimizer=Adagrad(0.05, momentum=0.2)),
            fit_on(),
        ),
        "embrec cosine": (
            rec(None, FixedItems(16), loss="cosine", optimizer=Adam(0.01), precision="auto"),
            fit_on(),
        ),
        "embrec ids": (
            rec(
                None,
                ItemTowers(16, 24, ids=ids, bias=ItemBias(3.0)),
                negatives=SampledNegatives(24, **recipe),
            ),
            fit_on(),
        ),
        "embrec ids adagrad": (
            rec(
                None,
                ItemTowers(16, 24, ids=IdEmbeddings()),
                negatives=SampledNegatives(24, logq=False),
                optimizer=Adagrad(0.05),
            ),
            fit_on(),
        ),
        "embrec bias": (
            rec(None, ItemTowers(16, 24, bias=True), ema_decay=0.0, early_stopping=False),
            fit_on(),
        ),
        "embrec two layers": (
            rec(
                None,
                ItemTowers(16, 24, dropout=0.1),
                encoder=GRUEncoder(20, n_layers=2, residual=False, dropout=0.2, input_dropout=0.1),
            ),
            fit_on(),
        ),
        "embrec union": (
            rec(union(), optimizer=Adam(weight_decay=0.01, schedule="cosine", **steep)),
            valid,
        ),
        "gru4rec": (GRU4RecRecommender(16, **run), fit_on()),
        "gru4rec all": (
            GRU4RecRecommender(16, negatives="all", optimizer=Adam(0.003), **run),
            fit_on(),
        ),
        "gru4rec bpr_max": (
            GRU4RecRecommender(
                16, loss=BPRMax(0.5), negatives=SampledNegatives(20, **recipe), **run
            ),
            fit_on(),
        ),
        "gru4rec bpr": (
            GRU4RecRecommender(16, loss="bpr", negatives=SampledNegatives(20, alpha=0.0), **run),
            lists,
        ),
        "gru4rec two layers": (
            GRU4RecRecommender(
                16,
                n_layers=2,
                embedding_dropout=0.3,
                negatives=SampledNegatives(30, **recipe),
                **run,
            ),
            fit_on(),
        ),
        "gru4rec ema": (
            GRU4RecRecommender(
                16,
                ema_decay=0.99,
                negatives=SampledNegatives(30, logq=False, **recipe),
                early_stopping=False,
                **run,
            ),
            valid,
        ),
        "transrec": (TransRecRecommender(8, **run), fit_on()),
        "transrec l2": (TransRecRecommender(8, l2=0.0, **run), fit_on()),
        "transrec few": (TransRecRecommender(8, n_negatives=5, batch_size=8, **run), fit_on()),
        "transrec nobody": (TransRecRecommender(8, **run), lists),
        "transrec ema": (
            TransRecRecommender(8, ema_decay=0.99, optimizer=Adam(0.01), **run),
            fit_on(),
        ),
        "transrec valid": (
            TransRecRecommender(8, early_stopping=EarlyStopping(patience=1), **run),
            valid,
        ),
    }


if __name__ == "__main__":
    found = main(settings)
    if "--check" in sys.argv:
        wanted = json.loads(FILE.read_text())
        for name, expected in wanted.items():
            bad = [k for k in expected if found[name].get(k) != expected[k]]
            print("ok " if not bad else "BAD", name, bad)
    else:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
