"""Logs made ready in a Pipeline, in front of a recommender and alone."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import PopularityRecommender, SessionNeighborsRecommender
from embrec.components import GRUEncoder, ItemTowers
from embrec.datasets import load_parquet_pair, thesis_filter
from embrec.metrics import ranking_scorer
from embrec.model_selection import LeaveLastOut
from embrec.preprocessing import DropRare, DropRepeats, KeepLast, SessionSplitter

SCORER = ranking_scorer(["hit_rate@5"])


@pytest.fixture(scope="module")
def long_log(shop_log):
    """Visitors of three sessions each, with clicks logged twice and an item that is rare."""
    log = shop_log.copy()
    number = log["user"].str[1:].astype(int)
    log["timestamp"] += 1000 * (number % 3)
    log["user"] = "v" + (number // 3).astype(str)
    twice = pd.concat([log, log[::5]]).sort_values(["user", "timestamp"], kind="stable")
    rare = twice[:1].assign(item="trail-4", timestamp=-1000)
    return pd.concat([twice[twice["item"] != "trail-4"], rare], ignore_index=True)


def cleaning():
    return [
        ("sessions", SessionSplitter(gap=100)),
        ("repeats", DropRepeats()),
        ("rare", DropRare(min_item_events=2, min_user_events=2, how="core")),
        ("last", KeepLast(n=3)),
    ]


@pytest.mark.filterwarnings("ignore:.* users in X, such as 'v0/0', have no event")
@pytest.mark.parametrize("routing", [False, True], ids=["plain", "routing"])
def test_a_pipeline_is_its_steps_one_after_the_other(long_log, shop_items, routing):
    left = long_log
    for _, step in cleaning():
        left = step.fit_transform(left)
    by_hand = PopularityRecommender().fit(left, items=shop_items)
    pipeline = Pipeline([*cleaning(), ("rec", PopularityRecommender())])
    with sklearn.config_context(enable_metadata_routing=routing):
        pipeline.fit(long_log, **{"items" if routing else "rec__items": shop_items})
    pd.testing.assert_frame_equal(Pipeline(cleaning()).fit_transform(long_log), left)
    asked = pipeline[:-1].transform(long_log)
    assert 0 < len(left) < len(long_log)
    assert left["user"].value_counts().max() == 3
    # one answer per session
    assert len(pipeline.predict(long_log)) == asked["user"].nunique() > long_log["user"].nunique()
    np.testing.assert_array_equal(pipeline.predict(long_log), by_hand.predict(asked))
    # whoever comes with one click is answered, though fit drops users of one
    once = long_log[3:4]
    assert len(pipeline.predict(once)) == 1
    loaded = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(loaded.predict(long_log), by_hand.predict(asked))


def test_the_summaries_of_a_pipeline_are_one_table(long_log):
    cleaned = Pipeline(cleaning()).fit(long_log)
    table = pd.concat({name: step.summary_ for name, step in cleaned.steps}, names=["step"])
    events = table.xs("events", level=1)
    assert events.index.tolist() == ["sessions", "repeats", "rare", "last"]
    # what comes out of one goes into the next
    for quantity in ("events", "users", "items"):
        rows = table.xs(quantity, level=1)
        assert rows["after"].tolist()[:-1] == rows["before"].tolist()[1:]
    assert events["before"].iloc[0] == len(long_log)


def test_validation_logs_are_made_ready_as_well(long_log, shop_items):
    some = long_log[long_log["user"] < "v2"]
    with sklearn.config_context(enable_metadata_routing=True):
        model = EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title"]),
            item_model=ItemTowers(8),
            encoder=GRUEncoder(8),
            max_epochs=1,
            random_state=0,
        )
        pipeline = Pipeline(
            [("sessions", SessionSplitter(gap=100)), ("repeats", DropRepeats()), ("rec", model)],
            transform_input=["X_val"],
        )
        pipeline.fit(long_log, items=shop_items, X_val=some)
    ready = pipeline[:-1].transform(long_log)
    by_hand = clone(model).fit(ready, items=shop_items, X_val=pipeline[:-1].transform(some))
    raw = clone(model).fit(ready, items=shop_items, X_val=some)
    figures, expected, others = (
        [{k: v for k, v in epoch.items() if "second" not in k} for epoch in one.training_log_]
        for one in (pipeline[-1], by_hand, raw)
    )
    assert figures == expected != others


def test_tuning_goes_through_the_transformers(long_log, shop_items):
    pipeline = make_pipeline(
        SessionSplitter(gap=100), DropRepeats(), KeepLast(), SessionNeighborsRecommender()
    )
    search = GridSearchCV(
        pipeline,
        {"keeplast__n": [2, 4], "sessionsplitter__gap": [100, 5000]},
        cv=LeaveLastOut(),
        scoring=SCORER,
        refit="hit_rate@5",
        error_score="raise",
    ).fit(long_log, sessionneighborsrecommender__items=shop_items)
    assert len(set(search.cv_results_["mean_test_hit_rate@5"])) > 1
    scores = cross_validate(
        clone(search.best_estimator_),
        long_log,
        params={"sessionneighborsrecommender__items": shop_items},
        cv=LeaveLastOut(),
        scoring=SCORER,
        error_score="raise",
    )
    assert scores["test_hit_rate@5"].tolist() == [search.best_score_]


def test_the_filter_of_the_thesis_is_a_pipeline(data_folder):
    log = load_parquet_pair(data_folder / "amazon2014_office_5core").interactions
    steps = make_pipeline(DropRare(), KeepLast(), DropRare(min_item_events=0, min_user_events=3))
    left = steps.fit_transform(log)
    assert len(left) == 52_891
    pd.testing.assert_frame_equal(left, thesis_filter(log))
