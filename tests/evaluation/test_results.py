"""Slices, intervals and how results print."""

import copy

import numpy as np
import pytest
from figure_of import value
from sklearn.pipeline import make_pipeline

from embrec.evaluation import compare, evaluate


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


def test_a_users_steps_are_drawn_together(models, test_part):
    """Each sequence three times: three times the queries, and no more is known."""
    sequences = [s for s in test_part if len(s) > 1]
    once = evaluate(models["embrec"], sequences, metrics="mrr", n_bootstrap=4000)
    thrice = copy.deepcopy(once)
    thrice.__dict__["queries"] = once.queries.loc[once.queries.index.repeat(3)]
    for found, expected in zip(thrice.table["low"], once.table["low"], strict=True):
        assert found == pytest.approx(expected, abs=1e-12)
    assert compare(thrice, thrice).table["p_value"].tolist() == [1.0]


def test_how_it_prints(models, test_part):
    found = evaluate(make_pipeline(models["embrec"]), test_part, metrics=["auc", "coverage@2"])
    text = str(found)
    assert text.splitlines()[0] == "EmbRecEstimator, all ranked"
    low, high = found.table.loc[0, ["low", "high"]]
    assert f"{value(found, 'auc'):.4f} [{low:.4f}, {high:.4f}]" in text
    assert list(found.table.columns) == ["model", "slice", "n", "metric", "value", "low", "high"]
    assert found.table.query("metric == 'coverage@2'")["low"].isna().all()
    assert "<table" in found._repr_html_()
    compared = compare(found, found)
    assert "EmbRecEstimator against EmbRecEstimator" in str(compared)
    assert "<table" in compared._repr_html_()
