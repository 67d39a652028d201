"""What all baselines promise alike."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from embrec import TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)

NEW = pd.DataFrame({"item": ["photo-new"], "title": ["camera photo"], "price": [1.0]})
TITLES = TfidfItemFeaturizer(columns=["title"])
MODELS = {
    "popularity": PopularityRecommender(),
    "content": ContentNeighborsRecommender(TITLES),
    "rules": SequentialRulesRecommender(),
    "sessions": SessionNeighborsRecommender(),
    "gru4rec": GRU4RecRecommender(8, max_epochs=3, random_state=0),
    "transrec": TransRecRecommender(8, max_epochs=3, random_state=0),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def fitted_models(shop_log, shop_items):
    return {name: clone(m).fit(shop_log, items=shop_items) for name, m in MODELS.items()}


@pytest.fixture
def own(fitted_models):
    return copy.deepcopy(fitted_models)


ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


@every_model
@settings(max_examples=40, deadline=None)
@given(
    histories=st.lists(st.lists(ITEM, max_size=5), min_size=1, max_size=3),
    k=st.integers(1, 18),
    exclude=st.none() | st.lists(ITEM, unique=True),
    include=st.none() | st.lists(ITEM, unique=True),
)
def test_recommend_keeps_its_promises(
    name, fitted_models, shop_items, histories, k, exclude, include
):
    model = fitted_models[name]
    ids, scores = model.recommend(histories, k=k, include=include, exclude=exclude)
    assert ids.shape == scores.shape == (len(histories), k)
    for row, history in enumerate(histories):
        may = {
            i
            for i in shop_items["item"]
            if i not in history and i not in (exclude or []) and (include is None or i in include)
        }
        n = min(k, len(may))
        assert len(set(ids[row, :n])) == n
        assert set(ids[row, :n]) <= may
        assert ids[row, n:].tolist() == [None] * (k - n)
        assert (np.diff(scores[row, :n]) <= 0).all()


@every_model
def test_prediction_scores_and_ranks(name, fitted_models, shop_log):
    model = fitted_models[name]
    X = [["photo-0"], []]
    np.testing.assert_array_equal(model.predict(X), model.recommend(X, k=1)[0][:, 0])
    is_last = ~shop_log["user"].duplicated(keep="last")
    apart = model.rank_targets(shop_log[~is_last], shop_log.loc[is_last, "item"].tolist())
    np.testing.assert_array_equal(apart.ranks, model.rank_targets(shop_log).ranks)
    assert model.score(shop_log) == np.mean(apart.ranks < 50)


@every_model
def test_filters_of_any_form(name, fitted_models):
    model = fitted_models[name]
    wanted = ["desk-1", "desk-2"]
    expected = model.recommend([[], []], k=2, include=wanted)[0]
    for form in (tuple(wanted), np.array(wanted), pd.Series(wanted), set(wanted), [wanted, wanted]):
        found = model.recommend([[], []], k=2, include=form)[0]
        assert [set(row) for row in found] == [set(row) for row in expected]
    assert (model.recommend([[]], k=3, include=[])[0] == None).all()  # noqa: E711
    np.testing.assert_array_equal(
        model.recommend([[]], k=3, exclude=[])[0], model.recommend([[]], k=3)[0]
    )
    assert model.recommend([["desk-0", "desk-0"]], k=20)[0][0].tolist().count(None) == 6


@every_model
def test_the_catalogue_lives(name, own):
    model = own[name].add_items(NEW)
    assert "photo-new" in model.recommend([["photo-0"]], k=16)[0]
    model.update_items(NEW.assign(title="fountain pen desk"))
    model.remove_items(["photo-0", "photo-1"])
    ids, _ = model.recommend([["photo-0"], []], k=16)
    assert not {"photo-0", "photo-1"} & set(ids.ravel())
    assert set(ids[0]) - {None} == set(ids[1]) - {None}
    if name == "content":
        assert "photo-new" in model.similar_items(["desk-0"], k=1)[0]
    model.remove_items([i for i in model.catalog_.ids.ids if i not in ("photo-0", "photo-1")])
    assert (model.recommend([[]], k=2)[0] == None).all()  # noqa: E711


BAD_CALLS = {
    "add known": lambda m: m.add_items(pd.concat([NEW, NEW.assign(item="desk-0")])),
    "add twice": lambda m: m.add_items(pd.concat([NEW, NEW])),
    "add integers": lambda m: m.add_items(NEW.assign(item=7)),
    "update unknown": lambda m: m.update_items(NEW),
    "update twice": lambda m: m.update_items(pd.concat([NEW, NEW]).assign(item="desk-0")),
    "remove unknown": lambda m: m.remove_items(["desk-0", "nobody"]),
    "update integers": lambda m: m.update_items(NEW.assign(item=7)),
    "remove one id": lambda m: m.remove_items("desk-0"),
    "remove None": lambda m: m.remove_items(["desk-0", None]),
    "remove integers": lambda m: m.remove_items([1]),
    "go on with unknown": lambda m: m.partial_fit([["desk-0", "nobody"]], items=NEW),
    "go on with integers": lambda m: m.partial_fit([["desk-0"]], items=NEW.assign(item=7)),
    "go on with nothing": lambda m: m.partial_fit([], items=NEW),
    "add what has no id": lambda m: m.add_items(pd.concat([NEW, NEW.assign(item=None)])),
    "fit with a bad parameter": lambda m: m.set_params(user_col=1).fit([["desk-0"]], items=NEW),
    "fit on unknown": lambda m: m.fit([["desk-0"]], items=NEW),
    "fit on nothing": lambda m: m.fit([], items=NEW),
}


@every_model
@pytest.mark.parametrize("call", BAD_CALLS)
def test_what_fails_changes_nothing(name, call, own):
    model = own[name]

    def state():
        vectors = model.index_.vectors
        dense = vectors.toarray() if hasattr(vectors, "toarray") else np.array(vectors)
        counts = getattr(model, "counts_", np.array([])).tolist()
        ids, active = model.catalog_.ids.ids.tolist(), model.index_.active.tolist()
        return pickle.dumps((ids, dense, active, counts))

    before = state()
    with pytest.raises((ValueError, TypeError)):
        BAD_CALLS[call](model)
    assert state() == before


BAD_PARAMETERS = {
    "popularity": {"on_unknown": "ignore"},
    "content": {"n_last": 0},
    "rules": {"decay": 1.1},
    "sessions": {"decay": "steep"},
    "gru4rec": {"optimizer": "sgd"},
    "transrec": {"n_negatives": -1},
}


@every_model
def test_parameters_are_checked_when_training_goes_on(name, own):
    model = own[name]
    before = model.recommend([["desk-0"]])[1]
    model.set_params(**BAD_PARAMETERS[name])
    with pytest.raises(ValueError, match=next(iter(BAD_PARAMETERS[name]))):
        model.partial_fit([["desk-0", "desk-1"]])
    model.set_params(**MODELS[name].get_params())
    np.testing.assert_array_equal(model.recommend([["desk-0"]])[1], before)


@every_model
def test_removing_an_id_twice_in_one_call_removes_it(name, own):
    own[name].remove_items(["desk-0", "desk-0"])
    assert "desk-0" not in own[name].recommend([[]], k=15)[0]


@every_model
def test_copies(name, fitted_models):
    model = fitted_models[name]
    again = pickle.loads(pickle.dumps(model))
    for found, expected in zip(
        again.recommend([["photo-0"]], k=5), model.recommend([["photo-0"]], k=5), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert not hasattr(clone(model), "catalog_")
