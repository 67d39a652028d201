"""Any sequence of changes and queries of a recommender agrees with a dict of ids and contents."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers
from embrec.index import AnnoyIndex, ExactIndex, approximate, fetching

TITLES = [
    "camera photo",
    "memory card photo",
    "fountain pen desk",
    "wool socks trail",
    "lens photo",
]
NEW = [f"new-{i}" for i in range(12)]
K = st.integers(1, 12)


@pytest.fixture(scope="module")
def fitted(shop_log, shop_items):
    """Return models, by index, and the vector of each title."""
    models = {
        name: EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title"]),
            item_model=ItemTowers(6),
            encoder=GRUEncoder(6),
            max_epochs=2,
            index=index,
            random_state=0,
        ).fit(shop_log, items=shop_items)
        for name, index in {
            "exact": ExactIndex(memory=256),
            "annoy": AnnoyIndex(n_trees=4, search_k=10_000, random_state=0),
        }.items()
    }
    return models


class LivingShop(RuleBasedStateMachine):
    """What users call, by ids."""

    model: EmbRecEstimator

    @initialize()
    def start(self):
        self.rec = pickle.loads(pickle.dumps(self.model))
        ids = self.rec.catalog_.ids.ids.tolist()
        self.vectors = dict(zip(ids, self.rec.item_embeddings(ids), strict=True))
        of_titles = pickle.loads(pickle.dumps(self.model))
        of_titles.add_items(pd.DataFrame({"item": TITLES, "title": TITLES}))
        self.of_title = dict(zip(TITLES, of_titles.item_embeddings(TITLES), strict=True))
        self.gone = set()
        self.rec.index_._min_changes = 3  # builds anew all the time

    def write(self, ids, data):
        titles = [data.draw(st.sampled_from(TITLES)) for _ in ids]
        self.vectors |= {i: self.of_title[t] for i, t in zip(ids, titles, strict=True)}
        self.gone -= set(ids)
        return pd.DataFrame({"item": ids, "title": titles})

    @property
    def there(self):
        return sorted(set(self.vectors) - self.gone)

    def some(self, data, ids, **options):
        return data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1, **options))

    @precondition(lambda self: set(NEW) - set(self.there))
    @rule(data=st.data())
    def add(self, data):
        ids = self.some(data, sorted(set(NEW) - set(self.there)))
        self.rec.add_items(self.write(ids, data))

    @rule(data=st.data())
    def update(self, data):
        self.rec.update_items(self.write(self.some(data, self.there), data))

    @rule(data=st.data())
    def add_from_a_feed(self, data):
        ids = self.some(data, sorted({*NEW, *self.vectors}))
        self.rec.add_items(self.write(ids, data), exist_ok=True)

    @precondition(lambda self: len(self.there) > 1)
    @rule(data=st.data())
    def remove(self, data):
        ids = self.some(data, self.there, max_size=len(self.there) - 1)
        self.rec.remove_items(ids)
        self.gone |= set(ids)

    @rule(data=st.data())
    def remove_from_a_feed(self, data):
        self.rec.remove_items(["nobody", *self.gone], missing_ok=True)

    @rule()
    def wait(self):
        self.rec.index_.wait()

    @rule()
    def copy(self):
        self.rec = pickle.loads(pickle.dumps(self.rec))
        self.rec.index_._min_changes = 3

    @rule(data=st.data(), k=K, exclude_seen=st.booleans(), session=st.booleans())
    def recommend(self, data, k, exclude_seen, session):
        history = data.draw(st.lists(st.sampled_from(sorted(self.vectors)), max_size=5))
        include = data.draw(st.none() | st.lists(st.sampled_from(sorted(self.vectors)), min_size=1))
        exclude = data.draw(
            st.none() | st.lists(st.sampled_from([*sorted(self.vectors), "nobody"]))
        )
        rules = {"exclude_seen": exclude_seen, "include": include, "exclude": exclude}
        if session:
            ids, scores = self.rec.start_session(history).recommend(k, **rules)
        else:
            ids, scores = (row[0] for row in self.rec.recommend([history], k=k, **rules))
        query = self.rec.transform([history])[0].astype(np.float64)
        may = {
            i
            for i in self.there
            if (include is None or i in include)
            and i not in (exclude or ())
            and not (exclude_seen and i in history)
        }
        truth = {i: float(query @ self.vectors[i]) for i in may}
        n = min(k, len(truth))
        assert ids[n:].tolist() == [None] * (k - n)
        found = ids[:n].tolist()
        assert len(set(found)) == n
        assert set(found) <= may
        best = sorted(truth.values(), reverse=True)[:n]
        np.testing.assert_allclose(scores[:n], best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose([truth[i] for i in found], best, rtol=1e-4, atol=1e-5)

    @rule(data=st.data(), k=K)
    def similar(self, data, k):
        item = data.draw(st.sampled_from(self.there))
        ids, scores = (row[0] for row in self.rec.similar_items([item], k=k))
        unit = {i: v / np.linalg.norm(v) for i, v in self.vectors.items()}
        others = sorted(
            (float(unit[item] @ unit[i]) for i in self.there if i != item), reverse=True
        )
        n = min(k, len(others))
        np.testing.assert_allclose(scores[:n], others[:n], atol=1e-5)
        assert item not in ids[:n].tolist()
        assert set(ids[:n].tolist()) <= set(self.there)

    @invariant()
    def vectors_are_those_of_the_titles(self):
        if hasattr(self, "rec"):
            np.testing.assert_allclose(
                self.rec.item_embeddings(self.there),
                np.stack([self.vectors[i] for i in self.there]),
                atol=1e-5,
            )


@pytest.mark.parametrize("index", ["exact", "annoy"])
def test_agrees_with_brute_force(fitted, index, monkeypatch):
    monkeypatch.setattr(fetching, "FETCHED_SHARE", 1.0)
    monkeypatch.setattr(approximate, "MIN_VECTORS", 1)

    class Machine(LivingShop):
        model = fitted[index]

    if index == "annoy":
        Machine.model.index_.rebuild()
        assert Machine.model.index_.snapshot.static is not None
    case = Machine.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
    case("runTest").runTest()
