"""Sequential rules, against loops over all pairs."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from embrec import Whole
from embrec.baselines import PopularityRecommender, SequentialRulesRecommender, sequential_rules
from embrec.evaluation import evaluate
from embrec.model_selection import leave_last_out_split

pytestmark = pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")

IDS = list("abcdef")
LOGS = st.lists(st.lists(st.sampled_from(IDS), max_size=7), min_size=1, max_size=8).filter(any)
OPTIONS = st.fixed_dictionaries(
    {
        "normalization": st.sampled_from(["cosine", "confidence"]),
        "decay": st.sampled_from([0.3, 0.9, 1.0]),
        "gap_exponent": st.sampled_from([0, 0.5, 1]),
        "window": st.sampled_from([1, 2, 50, None]),
        "n_last": st.sampled_from([1, 2, None]),
    }
)
ITEMS = Whole(pd.DataFrame({"item": IDS}))


def naive(log, history, *, normalization, decay, gap_exponent, window, n_last):
    """Score all items by the formula of the class."""
    n = {item: sum(row.count(item) for row in log) for item in IDS}
    scores = dict.fromkeys(IDS, 0.0)
    for age, source in enumerate(history[::-1][:n_last]):
        for row in log:
            for place, item in enumerate(row):
                for later in range(place + 1, len(row)):
                    gap, target = later - place, row[later]
                    if item != source or target == source or (window and gap > window):
                        continue
                    divisor = n[source]
                    if normalization == "cosine":
                        divisor = math.sqrt(n[source] * n[target])
                    scores[target] += decay**age * gap**-gap_exponent / divisor
    return [scores[item] for item in IDS]


def scores_of(model, history):
    ids, scores = model.recommend([history], k=len(IDS), exclude_seen=False)
    found = dict(zip(ids[0], scores[0], strict=True))
    return [found[item] for item in IDS]


@settings(max_examples=60, deadline=None)
@given(LOGS, st.lists(st.sampled_from(IDS), max_size=5), OPTIONS, st.integers(1, 9))
def test_scores_are_those_of_the_formula(log, history, options, block):
    before, sequential_rules.BLOCK = sequential_rules.BLOCK, block
    try:
        model = SequentialRulesRecommender(**options).fit(log, items=ITEMS)
    finally:
        sequential_rules.BLOCK = before
    assert_allclose(scores_of(model, history), naive(log, history, **options), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(LOGS, LOGS, OPTIONS)
def test_learning_on_is_learning_all(first, second, options):
    whole = SequentialRulesRecommender(**options).fit(first + second, items=ITEMS)
    grown = SequentialRulesRecommender(**options).fit(first, items=ITEMS).partial_fit(second)
    assert_array_equal(whole.index_.vectors.toarray(), grown.index_.vectors.toarray())
    rows = np.arange(len(IDS))
    assert_array_equal(whole.training_counts(rows), grown.training_counts(rows))


def test_items_come_change_and_go(tmp_path):
    model = SequentialRulesRecommender().fit([list("abc")] * 2)
    model.add_items(pd.DataFrame({"item": ["x"]}))
    model.update_items(pd.DataFrame({"item": ["b"]}))
    ids, scores = model.recommend([["a"], ["x"], []], k=3)
    assert ids[0, :2].tolist() == ["b", "c"]
    assert scores[0, 0] > scores[0, 1] > scores[0, 2] == 0
    assert_array_equal(scores[1:], 0)  # nothing is known of what follows
    model.remove_items(["b"])
    model.partial_fit([["x", "c"], ["x", "y"]], items=pd.DataFrame({"item": ["y"]}))
    assert model.recommend([["x"]], k=4)[0].tolist() == [["y", "c", "a", None]]
    model.save(tmp_path / "m")
    again = SequentialRulesRecommender.load(tmp_path / "m")
    for each in (model, again):
        each.partial_fit([["y", "a"]])
    for one, other in zip(again.recommend([["y"]]), model.recommend([["y"]]), strict=True):
        assert_array_equal(one, other)


def test_no_item_follows_itself():
    model = SequentialRulesRecommender().fit([["a", "a", "b", "a"]])
    assert_array_equal(model.index_.vectors.toarray().diagonal(), 0)


def test_nothing_to_count():
    with pytest.raises(ValueError, match="X holds no interaction"):
        SequentialRulesRecommender().fit([[], []], items=ITEMS)


def test_better_than_popularity_where_order_says_something(shop_log, shop_items):
    train, _, test = leave_last_out_split(shop_log)
    found = [
        float(evaluate(kind().fit(train, items=shop_items), test).queries["ndcg@10"].mean())
        for kind in (SequentialRulesRecommender, PopularityRecommender)
    ]
    assert found[0] > found[1]
