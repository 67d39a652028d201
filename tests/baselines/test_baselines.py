"""Popularity and content neighbours, against loops; and a figure of the thesis."""

import copy
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from embrec import TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.datasets import load_parquet_pair
from embrec.metrics import ranking_scorer
from embrec.model_selection import leave_last_out_split

NEW = pd.DataFrame({"item": ["photo-new"], "title": ["camera photo"], "price": [1.0]})
ITEM_B = pd.DataFrame({"item": ["b"]})
TITLES = TfidfItemFeaturizer(columns=["title"])
MODELS = {
    "popularity": PopularityRecommender(),
    "content": ContentNeighborsRecommender(TITLES),
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


# ---- what they compute


def test_the_thesis_figure_on_games(data_folder):
    """Table 2: PopRec on Games, AUC .7495 and HitRate@50 5.17 %, all items ranked."""
    folder = data_folder / "amazon2014_games_thesis"
    log = load_parquet_pair(folder, interactions="interactions_thesis.parquet").interactions
    items = pd.DataFrame({"item": log["item"].unique()})
    train, _, test = leave_last_out_split(log)
    found = ranking_scorer(["auc", "hit_rate@50"])(
        PopularityRecommender().fit(train, items=items), test
    )
    assert len(items) == 23_558
    assert found["auc"] == pytest.approx(0.7495, abs=0.0005)
    assert found["hit_rate@50"] == pytest.approx(0.0517, abs=0.0005)


def test_popularity_counts(shop_log, fitted_models):
    ids, scores = fitted_models["popularity"].recommend([[], ["photo-0"]], k=15, exclude_seen=False)
    counts = Counter(shop_log["item"])
    assert scores[0].tolist() == [counts[i] for i in ids[0]]
    assert scores[0].tolist() == sorted(counts.values(), reverse=True)
    assert ids[0].tolist() == ids[1].tolist()
    assert fitted_models["popularity"].counts_.sum() == len(shop_log)


def test_popularity_without_a_catalogue_knows_the_items_of_the_log():
    model = PopularityRecommender().fit([[3, 1], [1, 2], [1]])
    assert model.recommend([[]], k=3)[0][0, 0] == 1
    assert model.catalog_.ids.ids.tolist() == [3, 1, 2]


def test_popularity_needs_items_from_somewhere():
    model = PopularityRecommender()
    with pytest.raises(ValueError, match="X holds no interaction; pass items="):
        model.fit([[], []])
    assert not hasattr(model, "catalog_")
    ids, scores = model.fit([[], []], items=ITEM_B).recommend([["b"], []], k=1)
    assert ids.tolist() == [[None], ["b"]]
    assert scores.tolist() == [[-np.inf], [0]]


def test_popularity_goes_on_counting():
    model = PopularityRecommender().partial_fit([["a", "b"], ["a"]])
    model.remove_items(["b"])
    model.partial_fit([["c", "c", "c"], ["b"]], items=pd.DataFrame({"item": ["c"]}))
    assert model.counts_.tolist() == [2, 2, 3]
    assert model.recommend([[]], k=3)[0].tolist() == [["c", "a", None]]
    with pytest.raises(ValueError, match="not in the catalogue"):
        model.partial_fit([["a", "nobody"]], items=pd.DataFrame({"item": ["d"]}))
    assert len(model.catalog_) == 3


def test_popularity_outlives_changes_of_the_catalogue():
    """A new title does not make an item less popular, nor does a week out of stock."""
    model = PopularityRecommender().fit([["a", "b"], ["b", "c"], ["b"]])
    model.update_items(ITEM_B)
    assert model.recommend([[]], k=1, exclude_seen=False)[1].tolist() == [[3]]
    model.remove_items(["b"])
    assert model.predict([[]])[0] != "b"
    model.add_items(pd.DataFrame({"item": ["new", "b"]}))
    ids, scores = model.recommend([[]], k=4)
    assert (ids[0, 0], ids[0, 3]) == ("b", "new")
    assert scores.tolist() == [[3, 1, 1, 0]]
    assert model.counts_.tolist() == [1, 3, 1]  # what was added since has none
    assert model.training_counts(np.arange(4)).tolist() == [1, 3, 1, 0]
    assert model.catalog_.ids.ids.tolist() == ["a", "b", "c", "new"]


def test_partial_fit_brings_removed_items_back_if_it_is_given_them():
    model = PopularityRecommender().fit([["a", "b"], ["b", "c"], ["b"]]).remove_items(["b"])
    model.partial_fit([["a"]])
    assert "b" not in model.recommend([[]], k=3)[0]
    model.partial_fit([["a", "b"]], items=ITEM_B)
    assert model.recommend([[]], k=3)[0].tolist() == [["b", "a", "c"]]
    assert model.counts_.tolist() == [3, 4, 1]


def test_popularity_counts_stay_exact():
    """Adding one at a time must not stop where float32 runs out of integers."""
    model = PopularityRecommender().fit([["a", "b"]])
    model.counts_[0] = 2**24
    for _ in range(3):
        model.partial_fit([["a"]])
    assert model.counts_.dtype == np.int64
    assert model.counts_.tolist() == [2**24 + 3, 1]
    model.update_items(pd.DataFrame({"item": ["a"]}))
    assert model.counts_.tolist() == [2**24 + 3, 1]


LOGS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=3)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["count", "add", "update", "remove"]), LOGS, st.integers(0, 9)),
    max_size=8,
)


@settings(deadline=None)
@given(LOGS, CHANGES)
def test_popularity_against_a_counter(first, changes):
    catalogue = list(range(5))
    log = [[item % 5 for item in row] for row in first]
    model = PopularityRecommender().fit(log, items=pd.DataFrame({"item": catalogue}))
    counts, gone = Counter({item: 0 for item in catalogue}), set()
    counts.update(item for row in log for item in row)
    for change, rows, item in changes:
        table = pd.DataFrame({"item": [item]})
        if change == "count":
            known = [[i for i in row if i in counts] for row in rows]
            model.partial_fit(known)
            counts.update(i for row in known for i in row)
        elif change == "add" and (item not in counts or item in gone):
            model.add_items(table)
            counts[item] += 0
            gone.discard(item)
        elif change == "update" and item in counts and item not in gone:
            model.update_items(table)
        elif change == "remove" and item in counts and item not in gone:
            model.remove_items([item])
            gone.add(item)
    ids, scores = model.recommend([[]], k=12)
    left = {item: count for item, count in counts.items() if item not in gone}
    assert {i for i in ids[0] if i is not None} == set(left)
    assert scores[0, : len(left)].tolist() == sorted(left.values(), reverse=True)
    found = model.training_counts(np.arange(len(model.catalog_))).tolist()
    assert dict(zip(model.catalog_.ids.ids.tolist(), found, strict=True)) == counts
    np.testing.assert_array_equal(model.counts_, found[: len(model.counts_)])


def test_content_takes_new_items_in_by_partial_fit(shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES)
    with pytest.raises(ValueError, match="first call of partial_fit needs items="):
        model.partial_fit(shop_log)
    model.partial_fit(shop_log, items=shop_items)
    assert model.partial_fit(shop_log) is model
    moved = shop_items[shop_items["item"] == "desk-0"].assign(title="camera photo")
    model.remove_items(["desk-0"])
    model.partial_fit([["photo-0", "photo-new"]], items=pd.concat([NEW, moved]))
    expected = ContentNeighborsRecommender(TITLES).fit(shop_log, items=shop_items)
    expected.add_items(NEW).update_items(moved)
    for found, other in zip(
        model.recommend([["photo-0"]], k=15), expected.recommend([["photo-0"]], k=15), strict=True
    ):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("n_last", [None, 1, 2])
def test_content_scores_are_mean_cosines(n_last, shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES, n_last=n_last).fit(shop_log, items=shop_items)
    text = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(shop_items["title"])
    history = ["photo-0", "desk-1", "desk-2"]
    rows = [shop_items["item"].tolist().index(i) for i in history[-(n_last or 3) :]]
    expected = pd.Series(cosine_similarity(text, text[rows]).mean(axis=1), index=shop_items["item"])
    ids, scores = model.recommend([history], k=12)
    np.testing.assert_allclose(scores[0], expected[ids[0]], atol=1e-6)
    assert not set(history) & set(ids[0])


def test_content_of_several_kinds_counts_alike(shop_log, shop_items):
    price = make_pipeline(FunctionTransformer(lambda items: np.log(items[["price"]].to_numpy())))
    model = ContentNeighborsRecommender(make_union(TITLES, price)).fit(shop_log, items=shop_items)
    text = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(shop_items["title"])
    expected = (cosine_similarity(text) + 1) / 2  # prices all point one way
    ids, scores = model.recommend([["photo-0"]], k=15, exclude_seen=False)
    by_id = pd.Series(expected[0], index=shop_items["item"])
    np.testing.assert_allclose(scores[0], by_id[ids[0]], atol=1e-6)
    model.add_items(NEW.assign(price=5.0))
    assert model.predict([["photo-0"]])[0] == "photo-new"


# ---- what they share


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
