"""The scorer for scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from embrec.baselines import PopularityRecommender
from embrec.metrics import (
    auc,
    hit_rate_at_k,
    mrr,
    ndcg_at_k,
    ranking_scorer,
)


@pytest.fixture(scope="module")
def popular(shop_log, shop_items):
    return PopularityRecommender().fit(shop_log, items=shop_items)


def test_scorer_computes_what_its_names_say(popular, shop_log):
    names = ["auc", "mrr", "hit_rate@3", "ndcg@5"]
    found = popular.rank_targets(shop_log)
    assert ranking_scorer(names)(popular, shop_log) == {
        "auc": auc(found.ranks, found.n_candidates),
        "mrr": mrr(found.ranks),
        "hit_rate@3": hit_rate_at_k(found.ranks, 3),
        "ndcg@5": ndcg_at_k(found.ranks, 5),
    }
    assert ranking_scorer("mrr")(popular, shop_log) == mrr(found.ranks)
    assert set(ranking_scorer()(popular, shop_log)) == {"auc", "hit_rate@50"}


def test_scorer_options_reach_the_ranks(popular, shop_log):
    easy = ranking_scorer("auc", exclude_seen=True, ties="optimistic")
    found = popular.rank_targets(shop_log, exclude_seen=True, ties="optimistic")
    assert easy(popular, shop_log) == auc(found.ranks, found.n_candidates)
    assert (found.n_candidates == 12).all()


def test_scorer_looks_through_a_pipeline(popular, shop_log):
    clean = FunctionTransformer(lambda log: log[log["timestamp"] < 3])
    pipeline = make_pipeline(clean, popular)
    scorer = ranking_scorer("mrr")
    assert scorer(pipeline, shop_log) == scorer(popular, shop_log[shop_log["timestamp"] < 3])
    assert scorer(make_pipeline(popular), shop_log) == scorer(popular, shop_log)


def test_scorer_needs_names_and_a_recommender(shop_log):
    with pytest.raises(ValueError, match="metrics is empty"):
        ranking_scorer([])
    with pytest.raises(TypeError, match="rank_targets method .*got FunctionTransformer"):
        ranking_scorer()(FunctionTransformer(), shop_log)


def test_scorer_pickles_and_shows_itself(popular, shop_log):
    scorer = ranking_scorer(("auc", "mrr"), exclude_seen=True)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(popular, shop_log) == scorer(popular, shop_log)
    assert repr(again) == "ranking_scorer(('auc', 'mrr'), exclude_seen=True, ties='pessimistic')"


def test_scorer_looks_into_a_search(popular, shop_log, shop_items):
    scorer = ranking_scorer(["auc", "mrr"])
    rows = np.arange(len(shop_log))
    grid, cv = {"on_unknown": ["skip"]}, [(rows, rows)]
    search = GridSearchCV(PopularityRecommender(), grid, scoring=ranking_scorer("mrr"), cv=cv)
    with pytest.raises(TypeError, match="got GridSearchCV"):
        scorer(search, shop_log)
    search.fit(shop_log, items=shop_items)
    assert scorer(search, shop_log) == scorer(popular, shop_log)
    assert scorer(make_pipeline("passthrough", search), shop_log) == scorer(popular, shop_log)


def test_scorer_takes_the_next_items_as_y(popular, shop_log):
    rows = shop_log.groupby("user", sort=False)["item"].apply(list)
    scorer = ranking_scorer(["auc", "mrr", "hit_rate@3"])
    queries, targets = [row[:-1] for row in rows], [row[-1] for row in rows]
    expected = scorer(popular, shop_log)
    for y in (targets, np.array(targets), pd.Series(targets, index=range(7, 67))):
        assert scorer(popular, queries, y) == expected
    assert scorer(popular, rows.tolist()) == expected
