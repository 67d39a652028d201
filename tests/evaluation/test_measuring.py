"""One pass, all metrics: against the scorer."""

import pytest
from figure_of import value
from sklearn.exceptions import NotFittedError

from embrec.baselines import PopularityRecommender
from embrec.evaluation import evaluate
from embrec.metrics import ranking_scorer


@pytest.mark.parametrize("name", ["embrec", "content", "sessions", "popular"])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_figures_are_those_of_the_scorer(models, test_part, name, exclude_seen):
    names = ["auc", "mrr", "hit_rate@3", "ndcg@5"]
    found = evaluate(models[name], test_part, metrics=names, exclude_seen=exclude_seen)
    expected = ranking_scorer(names, exclude_seen=exclude_seen)(models[name], test_part)
    assert {m: value(found, m) for m in names} == pytest.approx(expected)


def test_a_target_that_is_never_recommended_is_a_miss(models):
    X = [
        ["photo-1", "photo-0", "photo-1"],
        ["photo-2", "photo-0"],
        ["photo-3", "desk-1", "photo-3"],
    ]
    model = models["embrec"]
    with pytest.warns(UserWarning, match="2 of 3 targets are in their own history") as caught:
        found = evaluate(model, X, metrics="hit_rate@3", exclude_seen=True)
    assert len(caught) == 1
    lists, _ = model.recommend([s[:-1] for s in X], k=3)
    shown = [s[-1] in row for s, row in zip(X, lists.tolist(), strict=True)]
    assert found.queries["hit_rate@3"].tolist() == shown
    assert found.queries["seen"].tolist() == [True, False, True]
    with pytest.warns(UserWarning, match="2 of 3"):
        ranks, n_candidates = model.rank_targets(X, exclude_seen=True, ties="optimistic")
    assert (ranks == n_candidates - 1).tolist()[::2] == [True, True]
    assert "seen left out" in str(found)
    assert "all ranked" in str(evaluate(model, X, metrics="hit_rate@3"))


def test_what_cannot_be_evaluated(models, test_part):
    with pytest.raises(NotFittedError):
        evaluate(PopularityRecommender(), test_part)
    with pytest.raises(ValueError, match="each metric once"):
        evaluate(models["popular"], test_part, metrics=["auc", "mrr", "auc"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "hits"}, "Unknown metric 'hits'"),
        ({"metrics": []}, "metrics is empty"),
        ({"metrics": "coverage"}, "'coverage' needs a number of items, such as 'coverage@10'"),
        ({"metrics": "gini@0"}, "gini@0 must be an integer >= 1"),
        ({"history": "first"}, "history must be 'all', 'last' or 'shuffled'; got 'first'"),
        ({"confidence": 95}, "confidence must be between 0 and 1"),
        ({"n_bootstrap": 0}, "n_bootstrap must be an integer >= 1"),
        ({"max_context": 3}, "max_context is for every_step=True"),
        ({"every_step": True, "y": ["photo-0"]}, "leave y out"),
        ({"y": ["photo-0"]}, "X has 1 sequences, y 2 items"),
        ({"y": ["nobody"]}, "y: 1 of 1 ids are not in the catalogue"),
        ({"ties": "lucky"}, "ties must be one of"),
    ],
)
def test_what_cannot_be_asked(models, options, message):
    X = [["photo-0", "photo-1"]]
    if "X has" in message:
        options = {"y": ["photo-0", "photo-1"]}
    with pytest.raises(ValueError, match=message):
        evaluate(models["embrec"], X, **options)
    with pytest.raises(TypeError, match="got str"):
        evaluate("embrec", X)
