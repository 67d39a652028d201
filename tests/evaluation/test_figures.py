"""Figures of queries and of lists, by name."""

import numpy as np
import pandas as pd
import pytest
from figure_of import value

from embrec.evaluation import evaluate
from embrec.evaluation.figures import check_metrics, figures_per_query, longest_list, of_lists
from embrec.metrics import TargetRanks, catalog_coverage, gini_index, novelty


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
            model.training_counts(np.arange(16)), index=model.catalog_.ids.ids, dtype=float
        )
        assert rows(np.array(["cold"], dtype=object))[0] == 15
        assert value(found, "coverage@3") == catalog_coverage(shown, 15)
        assert value(found, "gini@2") == pytest.approx(gini_index(shown[:, :2], 15))
        assert value(found, "novelty@3") == pytest.approx(novelty(shown, counts))
        assert value(found, "popularity@3") == pytest.approx(counts[shown.ravel()].mean())


def test_figures_by_hand():
    names = check_metrics(["hit_rate@2", "popularity@2", "novelty@1", "coverage@2"])
    assert longest_list(names) == 2
    assert longest_list(check_metrics("mrr")) == 0
    found = TargetRanks(np.array([0.0, 5.0]), np.array([9, 9]))
    best, counts = np.array([[0, 2], [1, -1]]), np.array([4, 0, 2])
    figures = figures_per_query(names, found, best, counts)
    assert set(figures) == {"hit_rate@2", "popularity@2", "novelty@1"}
    assert figures["hit_rate@2"].tolist() == [1, 0]
    assert figures["popularity@2"].tolist() == [3, 0]
    assert figures["novelty@1"].tolist() == pytest.approx([-np.log2(5 / 9), -np.log2(1 / 9)])
    shown = np.array([["a", "b"], ["a", None]], dtype=object)
    assert of_lists("coverage@1", shown, 4) == 0.25
    assert of_lists("coverage@2", shown, 4) == 0.5


@pytest.mark.parametrize("name", ["coverage", "gini@x", "novelty@", "recall@5"])
def test_names_of_no_figure(name):
    with pytest.raises(ValueError, match=r"needs a number of items|Unknown metric"):
        check_metrics([name])
