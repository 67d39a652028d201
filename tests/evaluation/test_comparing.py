"""Two models on the same queries."""

import pytest
from figure_of import value

from embrec.evaluation import compare, evaluate


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


@pytest.mark.filterwarnings("ignore::UserWarning")  # repeats, and targets that are never shown
def test_all_ranked_and_seen_left_out_are_other_queries(models):
    alike = [["photo-1", "photo-1"], ["photo-2", "photo-2"]]  # of as many candidates
    all_ranked, unseen = (
        evaluate(models["content"], alike, exclude_seen=seen) for seen in (False, True)
    )
    assert all_ranked.queries["n_candidates"].equals(unseen.queries["n_candidates"])
    with pytest.raises(ValueError, match="whether seen items are left out"):
        compare(all_ranked, unseen)


def test_other_histories_are_other_queries(models):
    first, second = (evaluate(models["content"], [[h, "photo-2"]]) for h in ("photo-1", "photo-3"))
    with pytest.raises(ValueError, match="not of the same queries"):
        compare(first, second)
