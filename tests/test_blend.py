"""Recommenders that are blended, against scores that are added up by hand."""

import copy
import itertools
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder
from small_recommender import ITEMS, LOG, fit_small

from embrec import BlendRecommender, InteractionStore, TfidfItemFeaturizer, Whole
from embrec.baselines import (
    ContentNeighborsRecommender,
    PopularityRecommender,
    SessionNeighborsRecommender,
)
from embrec.evaluation import evaluate
from embrec.model_selection import LeaveLastOut
from embrec.scoring.candidates import Candidates
from embrec.scoring.log_linear import log_linear_weights
from embrec.serving.blended import check_same_ids
from embrec.testing import check_recommender

TITLES = TfidfItemFeaturizer(columns=["title"])
NEW = pd.DataFrame({"item": ["photo-9", "desk-9"], "title": ["camera lens 9", "desk lamp 9"]})
WEIGHTS = [0.5, 2.0, 3.0]


def parts():
    return [
        ("net", clone(fit_small(LOG, ITEMS))),
        ("near", SessionNeighborsRecommender()),
        ("content", ContentNeighborsRecommender(TITLES)),
    ]


@pytest.fixture(scope="module")
def fixed():
    return BlendRecommender(parts(), weights=WEIGHTS).fit(LOG, items=ITEMS)


def by_hand(model, histories):
    """Weighted sums of what each recommender says of all items: (n, n_items)."""
    total = 0
    for weight, each in zip(model.weights_, model.recommenders_.values(), strict=True):
        ids, scores = each.recommend(histories, k=len(each.catalog_), exclude_seen=False)
        total = total + weight * np.array(
            [
                pd.Series(values, row).reindex(model.catalog_.ids.ids).to_numpy()
                for row, values in zip(ids, scores, strict=True)
            ]
        )
    return total


HISTORIES = [["photo-0"], ["desk-1", "photo-2", "desk-1"], []]


def assert_sums(model, histories=HISTORIES):
    wanted = by_hand(model, histories)
    n_there = int(model.index_.active.sum())
    ids, scores = model.recommend(histories, k=n_there, exclude_seen=False)
    rows = [model.catalog_.ids.rows(row.astype(object)) for row in ids]
    assert_allclose(scores, np.take_along_axis(wanted, np.array(rows), 1), rtol=1e-5, atol=1e-5)
    assert (np.diff(scores) <= 0).all()


def test_scores_are_weighted_sums(fixed):
    assert_array_equal(fixed.weights_, WEIGHTS)
    assert_sums(fixed)


def test_the_catalogue_changes_in_all_of_them():
    model = BlendRecommender(parts(), weights=WEIGHTS).fit(LOG, items=ITEMS)
    model.add_items(NEW)
    assert_sums(model, [*HISTORIES, ["photo-9", "photo-1"]])
    assert "photo-9" in model.recommend([["photo-0"]], k=9)[0]
    model.update_items(NEW.assign(title=["desk lamp 9", "camera lens 9"]))
    assert_sums(model, [*HISTORIES, ["photo-9"]])
    model.remove_items(["photo-9", "photo-1"])
    found = model.recommend([["photo-0"]], k=12)[0]
    assert not {"photo-9", "photo-1"} & {*found.ravel()}
    assert (
        {len(each.catalog_) for each in model.recommenders_.values()}
        == {len(model.catalog_)}
        == {12}
    )
    with pytest.raises(ValueError, match="in the catalogue already"):
        model.add_items(NEW[1:])
    with pytest.raises(ValueError, match="title"):  # by one of them; nothing has changed
        model.add_items(pd.DataFrame({"item": ["photo-10"]}))
    assert (
        {len(each.catalog_) for each in model.recommenders_.values()}
        == {len(model.catalog_)}
        == {12}
    )


def test_ranks_filters_and_reranking(fixed):
    ranks = fixed.rank_targets(LOG, exclude_seen=True)
    shown = fixed.recommend(
        LOG.groupby("user", sort=False)["item"].agg(lambda s: list(s)[:-1]).tolist(), k=10
    )[0]
    targets = LOG.groupby("user", sort=False)["item"].last()
    places = [row.tolist().index(t) for row, t in zip(shown, targets, strict=True)]
    assert_array_equal(ranks.ranks, places)
    found = fixed.recommend([["photo-0"]], k=2, include=["desk-0", "desk-2", "photo-1"])[0]
    assert {*found[0]} <= {"desk-0", "desk-2", "photo-1"}
    assert fixed.recommend([["photo-0"]], k=3, diversity=0.9)[0].shape == (1, 3)
    assert fixed.recommend([["photo-0"]], popularity_discount=0.5)[1][0, 0] != shown[0][0]
    assert fixed.predict([["photo-0"]]) == fixed.recommend([["photo-0"]], k=1)[0][:, 0]
    by_first = fixed.recommenders_["net"].similar_items(["photo-0"], k=4)
    assert_array_equal(fixed.similar_items(["photo-0"], k=4)[0], by_first[0])
    figures = evaluate(fixed, LOG, metrics=("hit_rate@3",)).queries["hit_rate@3"]
    assert_array_equal(figures, fixed.rank_targets(LOG).ranks < 3)


def test_weights_are_learned_from_what_comes_next():
    # who had these goes on with what popularity says, not with what is alike
    rng = np.random.default_rng(0)
    log = [[f"photo-{rng.integers(5)}", "desk-0" if rng.random() < 0.8 else "desk-1"]
           for _ in range(80)]  # fmt: skip
    both = [("content", ContentNeighborsRecommender(TITLES)), ("pop", PopularityRecommender())]
    model = BlendRecommender(both).fit(log[:60], items=ITEMS, X_val=log[60:])
    assert model.weights_[0] == 0
    assert model.weights_[1] > 0
    alone = model.recommenders_["pop"]
    assert_array_equal(alone.recommend([["photo-0"]])[0], model.recommend([["photo-0"]])[0])


def by_ids(model, log, *, with_events=False, with_seen=False):
    """Weights by what the recommenders say of a log's histories."""
    sequences = model.read_sequences(log, with_events=with_events)
    targets = model.catalog_.ids.rows(sequences.last())
    rows = model.encode(sequences.drop_last())
    scores = [(r.query_vectors(rows), r.index_.vectors) for r in model.recommenders_.values()]
    seen = None if with_seen else Candidates(excluded=(rows,))
    return log_linear_weights(scores, targets, seen)


def test_what_was_seen_is_no_candidate_in_learning():
    both = [("near", SessionNeighborsRecommender()), ("pop", PopularityRecommender())]
    model = BlendRecommender(both).fit(LOG, items=ITEMS, X_val=Whole(LOG))
    assert_allclose(model.weights_, by_ids(model, LOG))
    assert (abs(model.weights_ - by_ids(model, LOG, with_seen=True)) > 0.1).any()


@pytest.mark.filterwarnings("ignore:None of")
def test_without_a_validation_part_last_events_are_held_out():
    log = [list("ab"), list("ac"), list("bd"), ["e"]]
    model = BlendRecommender([("pop", PopularityRecommender())]).fit(log)
    counts = model.recommenders_["pop"].training_counts(model.catalog_.ids.rows(np.array(list("abcde"), object)))  # fmt: skip # noqa: E501
    assert model.catalog_.ids.ids.tolist() == list("abcde")
    assert counts.sum() == 6  # of three visitors who have two events, one
    with pytest.raises(ValueError, match="Nobody has two events"):
        BlendRecommender([("pop", PopularityRecommender())]).fit([["a"], ["b"]])


def test_logs_on_disk_need_a_validation_part(tmp_path):
    store = InteractionStore.from_tables(LOG, tmp_path / "s")
    with pytest.raises(TypeError, match="held out of an InteractionStore; pass X_val"):
        BlendRecommender(parts()).fit(store, items=ITEMS)
    model = BlendRecommender(parts()).fit(store, items=ITEMS, X_val=LOG)
    assert_sums(model)


def test_it_learns_on():
    model = BlendRecommender(parts(), weights=WEIGHTS).fit(LOG, items=ITEMS)
    before = model.recommend(HISTORIES, k=5)
    other = copy.copy(model)
    other.remove_items(["desk-4"])
    other.partial_fit([["photo-9", "photo-0"], ["photo-9", "photo-1"]], items=NEW)
    assert_sums(other, [*HISTORIES, ["photo-9"]])
    assert "desk-4" not in other.recommend([["desk-3"]], k=12)[0]
    assert_array_equal(model.recommend(HISTORIES, k=5)[0], before[0])
    assert_array_equal(model.recommend(HISTORIES, k=5)[1], before[1])


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
def test_popularity_that_falls_steeply():
    # of scores far from the target's, a variance is lost in float32
    counts = np.maximum(1, 3000 // np.arange(1, 2001))
    events = np.repeat(np.arange(2000), counts)
    np.random.default_rng(0).shuffle(events)
    log = [row.tolist() for row in np.array_split(events, len(events) // 5)]
    popular = PopularityRecommender()
    model = BlendRecommender([("one", popular), ("same", popular)]).fit(log)
    assert model.weights_[0] == pytest.approx(model.weights_[1], rel=1e-3)
    assert model.weights_[0] > 0


@pytest.mark.filterwarnings("ignore:None of")
def test_as_many_items_as_sequences():
    log = [list("ab"), list("bc"), list("cd"), list("de"), list("ea")]
    both = [("near", SessionNeighborsRecommender()), ("pop", PopularityRecommender())]
    items = Whole(pd.DataFrame({"item": list("abcde")}))
    for beside in ({}, {"items": items}, {"items": items, "X_val": Whole(log)}):
        assert len(BlendRecommender(both).fit(log, **beside).catalog_) == 5
    with pytest.raises(ValueError, match="X_val has exactly as many rows as X"):
        BlendRecommender(both).fit(log, X_val=log)


def test_changes_while_it_learns_on_wait_for_it():
    model = BlendRecommender([("pop", PopularityRecommender())], weights=[1]).fit([["a", "b"]])
    with model.catalog_.turn(training=True):
        thread = threading.Thread(target=model.partial_fit, args=([["a", "b"]],))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
    thread.join()
    assert model.training_counts(np.arange(2)).tolist() == [2, 2]


class InDoubles(PopularityRecommender):
    """Asks in float64."""

    def query_vectors(self, histories):
        return super().query_vectors(histories).astype(np.float64)


class ByColumns(SessionNeighborsRecommender):
    """Asks in float64, column after column."""

    def query_vectors(self, histories):
        return super().query_vectors(histories).astype(np.float64).tocsc()


def test_queries_of_any_floats():
    model = BlendRecommender([("pop", InDoubles()), ("near", ByColumns())])
    assert_sums(model.fit(LOG, items=ITEMS))


def test_sessions_are_histories(fixed):
    batch = fixed.start_sessions([["photo-0"], [], ["desk-1", "photo-2"]])
    batch.add(["photo-3", "desk-0"], at=[0, 1])
    for one, other in zip(batch.recommend(4), fixed.recommend(batch.histories, 4), strict=True):
        assert_array_equal(one, other)
    again = fixed.resume_session(batch[0].to_bytes()).add("desk-2")
    for one, other in zip(again.recommend(4), fixed.recommend([again.history], 4), strict=True):
        assert_array_equal(one, other[0])
    assert again.history == ["photo-0", "photo-3", "desk-2"]
    with pytest.raises(ValueError, match="reads items alone, and got an event"):
        again.add("desk-2", event={"kind": "buy"})
    with pytest.raises(ValueError, match="belongs to another model"):
        fixed.recommenders_["net"].resume_session(again.to_bytes())
    restarted = fixed.resume_session(
        fixed.recommenders_["net"].start_session(["photo-0"]).to_bytes(), restart=True
    )
    assert restarted.history == ["photo-0"]


def test_sessions_without_what_events_say_are_refused():
    kinds = OneHotEncoder(handle_unknown="ignore")
    reading = clone(fit_small(LOG, ITEMS)).set_params(
        event_featurizer=make_column_transformer((kinds, ["kind"])), max_epochs=30
    )
    log = LOG.assign(kind=["view", "buy", "view"] * 10)
    model = BlendRecommender([("net", reading), ("pop", PopularityRecommender())], weights=[1, 1])
    model.fit(log, items=ITEMS)
    some = log[log["user"] == "u0"]
    told, untold = model.recommend(some, k=5), model.recommend([some["item"].tolist()], k=5)
    assert (told[1] != untold[1]).any()
    assert_allclose(
        told[1], np.sort(model.recommenders_["net"].recommend(some, k=5)[1] + 3)[:, ::-1], rtol=1e-5
    )
    learned = clone(model).set_params(weights=None).fit(log, items=ITEMS, X_val=Whole(log))
    assert (learned.weights_ != by_ids(learned, log)).any()
    assert_allclose(learned.weights_, by_ids(learned, log, with_events=True))
    with pytest.raises(ValueError, match=r"keep items alone, and \['net'\] read what a log says"):
        model.start_session(["photo-0"])


def test_copies(fixed):
    again = pickle.loads(pickle.dumps(fixed))
    for one, other in zip(again.recommend(HISTORIES), fixed.recommend(HISTORIES), strict=True):
        assert_array_equal(one, other)
    again.add_items(NEW)
    assert len(fixed.catalog_) == 10


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_saved(fixed, tmp_path, mmap_mode):
    fixed.save(tmp_path / "m")
    again = BlendRecommender.load(tmp_path / "m", mmap_mode=mmap_mode)
    for one, other in zip(again.recommend(HISTORIES), fixed.recommend(HISTORIES), strict=True):
        assert_array_equal(one, other)
    assert again.get_params()["near__n_neighbors"] == 100
    assert again.weights == WEIGHTS
    again.add_items(NEW)
    again.remove_items(["desk-0"])
    again.save(tmp_path / "m")
    last = BlendRecommender.load(tmp_path / "m")
    assert_sums(last, [*HISTORIES, ["photo-9"]])
    assert "desk-0" not in last.recommend([["desk-1"]], k=20)[0]
    last.partial_fit([["photo-9", "desk-1"]])


def test_what_was_saved_is_checked(fixed, tmp_path):
    fixed.save(tmp_path / "m")
    (path,) = (tmp_path / "m").rglob("1/arrays.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"damaged: v-.*1.arrays.safetensors is not what was"):
        BlendRecommender.load(tmp_path / "m")
    with pytest.raises(ValueError, match=r"holds a BlendRecommender, not a PopularityRecommender"):
        PopularityRecommender.load(tmp_path / "m")


class OwnRecommender(PopularityRecommender):
    """Of the user's own."""


def test_own_recommenders_are_kept_with_pickle(tmp_path):
    model = BlendRecommender([("own", OwnRecommender())], weights=[1]).fit([["a", "b"]])
    with pytest.raises(ValueError, match="'own' is a OwnRecommender, .* joblib.dump"):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_copies_while_items_come_and_go():
    model = BlendRecommender(
        [("near", SessionNeighborsRecommender()), ("pop", PopularityRecommender())], weights=[1, 1]
    ).fit(LOG)
    is_over = threading.Event()

    def change():
        for number in itertools.count():
            if is_over.is_set():
                return
            model.add_items(pd.DataFrame({"item": [f"x{number}"]}))
            model.remove_items([f"x{number}"])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20):
            opened = pickle.loads(pickle.dumps(model))
            for copied in (copy.copy(model), copy.deepcopy(model), opened):
                check_same_ids(copied.catalog_.parts)
    finally:
        is_over.set()
        thread.join()


def test_parameters_that_are_set_after_fit(tmp_path):
    model = BlendRecommender(parts(), weights=WEIGHTS).fit(LOG, items=ITEMS)
    before = model.recommend(HISTORIES)
    model.set_params(recommenders=parts()[1:], weights=[1, 1])
    model.save(tmp_path / "m")
    loaded = BlendRecommender.load(tmp_path / "m")
    for each in (model, copy.copy(model), pickle.loads(pickle.dumps(model)), loaded):
        for one, other in zip(each.recommend(HISTORIES), before, strict=True):
            assert_array_equal(one, other)


def test_what_says_nothing_is_warned_of():
    both = [("pop", PopularityRecommender()), ("near", SessionNeighborsRecommender())]
    log = [["a", "b"]] * 50 + [["c", "d"]]
    with pytest.warns(UserWarning, match=r"None of \['pop', 'near'\] tells which items come next"):
        BlendRecommender(both).fit(log, X_val=[["a", "d"], ["b", "c"], ["a", "c"]])


@pytest.mark.parametrize(
    ("X_val", "message"),
    [
        ([["photo-0", "new"]], "in X_val are not in the catalogue"),
        ([["new", "photo-0"]], "in X_val are not in the catalogue"),
        ([], "X_val is empty"),
        ([[]], "1 of 1 sequences are empty .* no last item"),
    ],
)
def test_validation_parts_are_looked_at_before_training(X_val, message, monkeypatch):
    monkeypatch.setattr(PopularityRecommender, "fit", None)
    with pytest.raises(ValueError, match=message):
        BlendRecommender([("pop", PopularityRecommender())]).fit(LOG, X_val=X_val)


def test_parameters_by_name():
    model = BlendRecommender(parts())
    assert model.get_params()["near__n_neighbors"] == 100
    model.set_params(near__n_neighbors=7, content=PopularityRecommender())
    assert clone(model).recommenders[1][1].n_neighbors == 7
    assert isinstance(model.get_params()["content"], PopularityRecommender)
    with pytest.raises(ValueError, match="nearer"):
        model.set_params(nearer=3)


def test_a_search_over_it():
    both = [
        ("near", SessionNeighborsRecommender()),
        ("content", ContentNeighborsRecommender(TITLES)),
    ]
    grid = {"near__n_neighbors": [1, 50], "weights": [None, [1, 1]]}
    search = GridSearchCV(BlendRecommender(both), grid, cv=LeaveLastOut())
    search.fit(LOG, items=Whole(ITEMS))
    assert {*search.best_params_} == {*grid}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("recommenders", "options", "error", "message"),
    [
        ([], {}, ValueError, "got an empty one"),
        ([PopularityRecommender()], {}, TypeError, r"list of \(name, recommender\); got Popul"),
        ([("a", 3)], {}, TypeError, r"of embrec, none a blend itself; got \('a', 3\)"),
        ([("a", BlendRecommender([]))], {}, TypeError, "none a blend itself"),
        ([("a", PopularityRecommender())] * 2, {}, ValueError, "need distinct names"),
        ([("a__b", PopularityRecommender())], {}, ValueError, "names without '__'"),
        (
            [("a", PopularityRecommender()), ("b", PopularityRecommender(item_col="sku"))],
            {},
            ValueError,
            r"must have the same item_col; got \{'a': 'item', 'b': 'sku'\}",
        ),
        ([("a", PopularityRecommender())], {"weights": [1, 2]}, ValueError, "one number per"),
        ([("a", PopularityRecommender())], {"weights": [-1]}, ValueError, "from 0 to"),
        ([("a", PopularityRecommender())], {"weights": [np.nan]}, ValueError, "from 0 to 1e\\+09"),
        ([("a", PopularityRecommender())], {"weights": [10**40]}, ValueError, "from 0 to"),
        ([("a", PopularityRecommender())], {"weights": [0]}, ValueError, "not all 0"),
        ([("a", PopularityRecommender())], {"weights": [[2]]}, ValueError, "one number per"),
        ([(1, PopularityRecommender())], {}, TypeError, "Names of recommenders must be strings"),
        ([("a", PopularityRecommender())], {"weights": "auto"}, ValueError, "weights"),
    ],
)
def test_what_cannot_be_blended(recommenders, options, error, message):
    with pytest.raises(error, match=message):
        BlendRecommender(recommenders, **options).fit([["a", "b"], ["b", "c"]])


def test_it_is_a_recommender_as_any_other():
    both = [
        ("near", SessionNeighborsRecommender()),
        ("content", ContentNeighborsRecommender(TITLES)),
    ]
    check_recommender(BlendRecommender(both))
