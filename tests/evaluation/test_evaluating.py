"""One pass, all metrics: against the scorer, the functions of embrec.metrics, and loops."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    PopularityRecommender,
    SessionNeighborsRecommender,
)
from embrec.evaluation import asked, compare, evaluate
from embrec.metrics import catalog_coverage, gini_index, novelty, ranking_scorer

TITLES = TfidfItemFeaturizer(columns=["title"])
NEW = pd.DataFrame({"item": ["cold"], "title": ["camera lamp photo"]})


@pytest.fixture(scope="module")
def models(shop_log, shop_items):
    """Do not change them. The item "cold" came after training; one was removed."""
    kinds = {
        "embrec": EmbRecEstimator(TITLES, max_epochs=4, embedding_dim=16, random_state=0),
        "content": ContentNeighborsRecommender(TITLES),
        "sessions": SessionNeighborsRecommender(),
        "popular": PopularityRecommender(),
    }
    return {
        name: model.fit(shop_log, items=shop_items).add_items(NEW).remove_items(["desk-0"])
        for name, model in kinds.items()
    }


@pytest.fixture(scope="module")
def test_part(shop_log):
    """Sequences of several lengths; some end with the cold item."""
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()
    cut = [s[: 1 + i % 4] for i, s in enumerate(sequences)]
    cut = [s for s in cut if s[-1] != "desk-0"]
    return [*cut, ["photo-0", "cold"], ["photo-1", "photo-2", "cold"]]


def value(evaluated, metric, of="all"):
    table = evaluated.table
    row = table[(table["metric"] == metric) & (table["slice"] == of)]
    assert len(row) == 1
    return float(row["value"].iloc[0])


@pytest.mark.parametrize("name", ["embrec", "content", "sessions", "popular"])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_figures_are_those_of_the_scorer(models, test_part, name, exclude_seen):
    names = ["auc", "mrr", "hit_rate@3", "ndcg@5"]
    found = evaluate(models[name], test_part, metrics=names, exclude_seen=exclude_seen)
    expected = ranking_scorer(names, exclude_seen=exclude_seen)(models[name], test_part)
    assert {m: value(found, m) for m in names} == pytest.approx(expected)


@pytest.mark.parametrize("name", ["embrec", "content", "sessions", "popular"])
def test_a_discount_ranks_as_recommend_does(models, test_part, name):
    model, n = models[name], 15  # all that is left of 16
    found = evaluate(
        model, test_part, metrics=["mrr", "coverage@15"], exclude_seen=True, popularity_discount=0.7
    )
    ids, scores = model.recommend(
        [s[:-1] for s in test_part], k=n, popularity_discount=0.7, n_candidates=20
    )
    for sequence, row, of_row, rank in zip(
        test_part, ids.tolist(), scores, found.queries["rank"], strict=True
    ):
        target = of_row[row.index(sequence[-1])]
        tied = np.isclose(of_row, target, rtol=1e-5, atol=1e-6)  # who are rounded in other ways
        assert np.sum((of_row > target) & ~tied) <= rank < np.sum((of_row > target) | tied)
    with pytest.raises(ValueError, match="popularity_discount must be a number >= 0; got -1"):
        evaluate(model, test_part, popularity_discount=-1)


@pytest.mark.parametrize("name", ["embrec", "content", "sessions", "popular"])
def test_figures_of_what_is_shown(models, test_part, shop_log, name):
    model = models[name]
    names = ["coverage@3", "gini@2", "novelty@3", "popularity@3", "auc"]
    histories = [s[:-1] for s in test_part]
    for exclude_seen in (False, True):
        found = evaluate(model, test_part, metrics=names, exclude_seen=exclude_seen)
        shown, _ = model.recommend(histories, k=3, exclude_seen=exclude_seen)
        if name == "embrec":  # the others have ties
            assert found.recommended.tolist() == shown.tolist()
        shown = found.recommended
        assert not (shown == "desk-0").any()
        rows = model.catalog_.ids.rows
        counts = pd.Series(
            model._training_counts(np.arange(16)), index=model.catalog_.ids.ids, dtype=float
        )
        assert rows(np.array(["cold"], dtype=object))[0] == 15
        assert value(found, "coverage@3") == catalog_coverage(shown, 15)
        assert value(found, "gini@2") == pytest.approx(gini_index(shown[:, :2], 15))
        assert value(found, "novelty@3") == pytest.approx(novelty(shown, counts))
        assert value(found, "popularity@3") == pytest.approx(counts[shown.ravel()].mean())


def test_slices(models, test_part):
    found = evaluate(models["embrec"], test_part, metrics=["mrr", "coverage@2"])
    table, queries = found.table, found.queries
    lengths = np.array([len(s) - 1 for s in test_part])
    np.testing.assert_array_equal(queries["context_length"], lengths)
    assert queries["target"].tolist() == [s[-1] for s in test_part]
    sizes = table.drop_duplicates("slice").set_index("slice")["n"]
    assert sizes["all"] == len(test_part)
    assert sizes["cold items"] == 2
    assert sizes["warm items"] == len(test_part) - 2
    for name, mask in {
        "context 0": lengths == 0,
        "context 1": lengths == 1,
        "context 2": lengths == 2,
        "context 3 to 4": lengths == 3,
        "cold items": queries["target"] == "cold",
    }.items():
        assert sizes[name] == mask.sum()
        part = [s for s, m in zip(test_part, mask, strict=True) if m]
        alone = evaluate(models["embrec"], part, metrics=["mrr", "coverage@2"])
        for metric in ("mrr", "coverage@2"):
            assert value(found, metric, name) == pytest.approx(value(alone, metric))
    assert set(sizes.index) == {
        "all", "warm items", "cold items", "context 0", "context 1", "context 2", "context 3 to 4",
    }  # fmt: skip


def test_every_step_is_every_prefix(models, shop_log, monkeypatch):
    model = models["embrec"]
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()[:12]
    sequences = [[i for i in s if i != "desk-0"] for s in sequences]
    pairs = [(s[:t], s[t]) for s in sequences for t in range(1, len(s))]
    expected = evaluate(model, [h for h, _ in pairs], [t for _, t in pairs])
    monkeypatch.setattr(asked, "STEPS_AT_A_TIME", 7)
    found = evaluate(model, sequences, every_step=True)
    of_sequence = [number for number, s in enumerate(sequences) for _ in s[1:]]
    expected.queries["sequence"] = of_sequence
    pd.testing.assert_frame_equal(found.queries, expected.queries, check_dtype=False)
    short = evaluate(model, sequences, every_step=True, max_context=2)
    assert short.queries["context_length"].max() == 2
    kept = expected.queries[expected.queries["context_length"] <= 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(short.queries, kept, check_dtype=False)


@pytest.mark.parametrize("n", [1, 7, 2**20])
def test_all_steps_in_one_pass_are_what_every_prefix_says(models, shop_log, monkeypatch, n):
    model = models["embrec"]
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()[:12]
    sequences = [["desk-1"], *([i for i in s if i != "desk-0"] for s in sequences)]
    monkeypatch.setattr(asked, "STEPS_AT_A_TIME", n)
    steps = []
    one_pass = type(model)._step_query_vectors

    def recorded(self, rows):
        steps.append(len(rows.values))
        return one_pass(self, rows)

    monkeypatch.setattr(type(model), "_step_query_vectors", recorded)
    found = evaluate(model, sequences, every_step=True, exclude_seen=True, metrics=["mrr", "auc"])
    if n == 2**20:
        assert steps == [sum(map(len, sequences[1:]))]
    monkeypatch.setattr(type(model), "_step_query_vectors", lambda self, rows: None)
    expected = evaluate(
        model, sequences, every_step=True, exclude_seen=True, metrics=["mrr", "auc"]
    )
    pd.testing.assert_frame_equal(found.queries, expected.queries)


def test_steps_may_follow_what_is_removed_or_unknown(models):
    model = models["embrec"]
    sequences = [["desk-0", "desk-1", "desk-2"]]  # the first was removed
    found = evaluate(model, sequences, every_step=True)
    assert found.queries["target"].tolist() == ["desk-1", "desk-2"]
    with pytest.raises(ValueError, match="the targets in X: 1 of 2"):
        evaluate(model, [["desk-1", "desk-0", "desk-2"]], every_step=True)
    with pytest.raises(ValueError, match="not in the catalogue"):
        evaluate(model, [["nobody", "desk-1"]], every_step=True)
    skipping = copy.deepcopy(model).set_params(on_unknown="skip")
    found = evaluate(skipping, [["nobody", "desk-1", "desk-2"]], every_step=True)
    expected = evaluate(model, [[], ["desk-1"]], ["desk-1", "desk-2"])
    assert found.queries["rank"].tolist() == expected.queries["rank"].tolist()


def test_a_users_steps_are_drawn_together(models, test_part):
    """Each sequence three times: three times the queries, and no more is known."""
    sequences = [s for s in test_part if len(s) > 1]
    once = evaluate(models["embrec"], sequences, metrics="mrr", n_bootstrap=4000)
    thrice = copy.deepcopy(once)
    thrice.__dict__["queries"] = once.queries.loc[once.queries.index.repeat(3)]
    for found, expected in zip(thrice.table["low"], once.table["low"], strict=True):
        assert found == pytest.approx(expected, abs=1e-12)
    assert compare(thrice, thrice).table["p_value"].tolist() == [1.0]


def test_what_counts_as_training_may_be_said(models, test_part, shop_log):
    names = ["popularity@3", "mrr"]
    of_all, of_some = (
        evaluate(models["embrec"], test_part, metrics=names, train=log)
        for log in (shop_log, shop_log[shop_log["item"] != "photo-1"])
    )
    counts = shop_log["item"].value_counts()
    targets = of_all.queries["target"]
    assert of_all.queries["n_events"].tolist() == counts.reindex(targets).fillna(0).tolist()
    assert set(of_some.queries.loc[targets == "photo-1", "n_events"]) == {0}
    assert of_all.queries["rank"].equals(of_some.queries["rank"])
    shown = of_all.recommended[:, :3]
    mean = counts.reindex(shown.ravel()).fillna(0).to_numpy().reshape(shown.shape).mean(axis=1)
    np.testing.assert_allclose(of_all.queries["popularity@3"], mean)
    with_unknown = [*shop_log.groupby("user")["item"].agg(list), ["nobody"]]
    again = evaluate(models["embrec"], test_part, metrics=names, train=with_unknown)
    assert again.queries["n_events"].equals(of_all.queries["n_events"])


def test_what_cannot_be_evaluated(models, test_part):
    with pytest.raises(NotFittedError):
        evaluate(PopularityRecommender(), test_part)
    with pytest.raises(ValueError, match="each metric once"):
        evaluate(models["popular"], test_part, metrics=["auc", "mrr", "auc"])


def test_other_histories_are_other_queries(models):
    first, second = (evaluate(models["content"], [[h, "photo-2"]]) for h in ("photo-1", "photo-3"))
    with pytest.raises(ValueError, match="not of the same queries"):
        compare(first, second)


def test_what_order_and_the_rest_are_worth(models, test_part):
    sequences = [s for s in test_part if len(s) > 2]
    histories, targets = [s[:-1] for s in sequences], [s[-1] for s in sequences]
    for name in ("embrec", "content"):
        last = evaluate(models[name], sequences, history="last")
        alone = evaluate(models[name], [h[-1:] for h in histories], targets)
        np.testing.assert_array_equal(last.queries["rank"], alone.queries["rank"])
        np.testing.assert_array_equal(last.queries["context_length"], [len(h) for h in histories])
    whole, shuffled = (
        {n: evaluate(models[n], sequences, history=h) for n in ("content", "embrec")}
        for h in ("all", "shuffled")
    )
    # which knows no order
    np.testing.assert_array_equal(
        whole["content"].queries["rank"], shuffled["content"].queries["rank"]
    )
    assert (whole["embrec"].queries["rank"] != shuffled["embrec"].queries["rank"]).any()
    again = evaluate(models["embrec"], sequences, history="shuffled")
    pd.testing.assert_frame_equal(again.queries, shuffled["embrec"].queries)


def test_comparing(models, test_part):
    first, second = (evaluate(models[n], test_part, name=n) for n in ("popular", "content"))
    found = compare(first, second).table.set_index("metric")
    for metric in ("auc", "hit_rate@10"):
        row = found.loc[metric]
        assert row["first"] == pytest.approx(value(first, metric))
        assert row["difference"] == pytest.approx(value(second, metric) - value(first, metric))
        assert row["low"] <= row["difference"] <= row["high"]
    assert found.loc["auc", "low"] > 0
    assert found.loc["auc", "p_value"] < 0.05
    turned = compare(second, first).table.set_index("metric")
    assert turned.loc["auc", "difference"] == -found.loc["auc", "difference"]
    same = compare(first, first).table
    assert (same["difference"] == 0).all()
    assert (same["p_value"] == 1).all()
    with pytest.raises(ValueError, match="not of the same queries"):
        compare(first, evaluate(models["content"], test_part[:-1]))
    with pytest.raises(ValueError, match="not of the same queries"):
        compare(first, evaluate(models["content"], test_part, exclude_seen=True))
    with pytest.raises(ValueError, match="share no metric"):
        compare(first, evaluate(models["content"], test_part, metrics="novelty@2"))


def test_how_it_prints(models, test_part):
    found = evaluate(make_pipeline(models["embrec"]), test_part, metrics=["auc", "coverage@2"])
    text = str(found)
    assert text.splitlines()[0] == "EmbRecEstimator"
    low, high = found.table.loc[0, ["low", "high"]]
    assert f"{value(found, 'auc'):.4f} [{low:.4f}, {high:.4f}]" in text
    assert list(found.table.columns) == ["model", "slice", "n", "metric", "value", "low", "high"]
    assert found.table.query("metric == 'coverage@2'")["low"].isna().all()
    assert "<table" in found._repr_html_()
    compared = compare(found, found)
    assert "EmbRecEstimator against EmbRecEstimator" in str(compared)
    assert "<table" in compared._repr_html_()


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
