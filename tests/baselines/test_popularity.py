"""Popularity, against a counter; and a figure of the thesis."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.baselines import PopularityRecommender
from embrec.datasets import load_parquet_pair
from embrec.metrics import ranking_scorer
from embrec.model_selection import leave_last_out_split

ITEM_B = pd.DataFrame({"item": ["b"]})


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


def test_popularity_counts(shop_log, shop_items):
    model = PopularityRecommender().fit(shop_log, items=shop_items)
    ids, scores = model.recommend([[], ["photo-0"]], k=15, exclude_seen=False)
    counts = Counter(shop_log["item"])
    assert scores[0].tolist() == [counts[i] for i in ids[0]]
    assert scores[0].tolist() == sorted(counts.values(), reverse=True)
    assert ids[0].tolist() == ids[1].tolist()
    assert model.counts_.sum() == len(shop_log)


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


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
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


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
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
