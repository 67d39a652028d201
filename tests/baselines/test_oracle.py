"""The shop's oracle as a recommender, against the shop's own probabilities."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from embrec.baselines import PopularityRecommender, ShopOracleRecommender
from embrec.datasets import make_shop
from embrec.evaluation import evaluate
from embrec.metrics import target_ranks


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_users=400, n_items=200, random_state=0)


@pytest.fixture(scope="module")
def oracle(shop):
    return ShopOracleRecommender(shop).fit(shop.split()[0], items=shop.items)


def visits(shop):
    """The test visitors who take two items or more: their log, sequences and times."""
    test = shop.split()[1]
    test = test[test["user"].map(test["user"].value_counts()) > 1]
    grouped = test.groupby("user", sort=False)
    return test, grouped["item"].apply(list).tolist(), grouped["timestamp"].first().to_numpy()


def test_scores_are_the_probabilities_of_the_next_item(shop, oracle):
    _, sequences, _ = visits(shop)
    histories = [[], *(s[:-1] for s in sequences[:30])]
    ids, scores = oracle.recommend(histories, k=len(shop.items))
    expected = shop.next_item_probabilities(histories)
    rows = np.array([[int(i[1:]) if i else -1 for i in row] for row in ids])
    for row, found, probabilities, history in zip(rows, scores, expected, histories, strict=True):
        n = len(shop.items) - len(history)
        np.testing.assert_allclose(found[:n], probabilities[row[:n]], rtol=1e-5)
        assert found[:n].sum() == pytest.approx(1, rel=1e-4)


def test_ranks_are_those_of_the_probabilities_on_the_day_of_the_visit(shop, oracle):
    test, sequences, times = visits(shop)
    probabilities = shop.next_item_probabilities([s[:-1] for s in sequences], at=times)
    expected = target_ranks(probabilities, [int(s[-1][1:]) for s in sequences])
    found = oracle.rank_targets(test)
    # float32 may swap two items that are all but equally likely
    assert (found.ranks != expected).mean() < 0.05
    assert np.abs(found.ranks - expected).max() <= 2
    assert (probabilities == 0).any()  # some items were not on sale yet


def test_no_other_ranks_better(shop, oracle):
    test, _, _ = visits(shop)
    popular = PopularityRecommender().fit(shop.split()[0], items=shop.items)
    ours, theirs = (evaluate(m, test, metrics="mrr").queries["mrr"] for m in (oracle, popular))
    assert ours.mean() > 1.5 * theirs.mean()


def test_its_catalogue_lives(shop):
    train, _ = shop.split()
    cold = shop.items["item"].isin(shop.cold_items)
    oracle = ShopOracleRecommender(shop).fit(train, items=shop.items[~cold])
    new = shop.cold_items.iloc[0]
    assert new not in oracle.recommend([[]], k=200)[0]
    oracle.add_items(shop.items[cold]).remove_items([shop.cold_items.iloc[1]])
    ids, scores = oracle.recommend([[]], k=200)
    assert new in ids
    assert shop.cold_items.iloc[1] not in ids
    expected = shop.next_item_probabilities([[]])[0]
    assert scores[0, ids[0].tolist().index(new)] == pytest.approx(expected[int(new[1:])], rel=1e-5)


def test_similar_items_are_of_one_category_and_style(shop, oracle):
    group = dict(zip(shop.items["item"], shop.model.group, strict=True))
    several = next(i for i in group if list(group.values()).count(group[i]) > 3)
    similar, cosines = oracle.similar_items([several], k=3)
    assert {group[i] for i in similar[0]} == {group[several]}
    np.testing.assert_allclose(cosines, 1, rtol=1e-5)


def test_copies_need_no_shop(shop, oracle, tmp_path):
    test, _, _ = visits(shop)
    oracle.save(tmp_path / "oracle")
    loaded = ShopOracleRecommender.load(tmp_path / "oracle")
    assert loaded.shop is None
    expected = oracle.rank_targets(test).ranks
    for again in (loaded, pickle.loads(pickle.dumps(oracle))):
        np.testing.assert_array_equal(again.rank_targets(test).ranks, expected)


def test_what_cannot_be_is_an_error(shop, oracle):
    with pytest.raises(ValueError, match="an item twice"):
        oracle.recommend([["I00001", "I00001"]])
    with pytest.raises(ValueError, match="not in the shop.*'nothing'"):
        oracle.add_items(pd.DataFrame({"item": ["nothing"]}))
    first = shop.interactions["user"].iloc[0]
    early = pd.DataFrame({"user": [first], "item": [shop.cold_items.iloc[0]]})
    with pytest.raises(ValueError, match="launched after the day"):
        oracle.recommend(early)
    with pytest.raises(ValueError, match="shop"):
        ShopOracleRecommender(None).fit(shop.interactions)


@pytest.fixture(scope="module")
def typed():
    return make_shop(60, 200, purchase_share=0.4, random_state=0)


def test_types_of_events_are_read_where_a_log_says_them(typed):
    oracle = ShopOracleRecommender(typed).fit(typed.interactions, items=typed.items)
    log = typed.interactions
    by_user = {user: rows for user, rows in log.groupby("user", sort=False)}
    some = list(by_user)[:5]
    mine = log[log["user"].isin(some)]
    ids, scores = oracle.recommend(mine.sort_values("timestamp"), k=1)
    histories = [by_user[user]["item"].tolist() for user in mine["user"].unique()]
    types = [by_user[user]["event"].tolist() for user in mine["user"].unique()]
    times = [by_user[user]["timestamp"].iloc[0] for user in mine["user"].unique()]
    expected = typed.next_item_probabilities(histories, at=times, events=types)
    assert_allclose(scores[:, 0], expected.max(axis=1), rtol=1e-5)
    summed_out = typed.next_item_probabilities(histories, at=times)
    untyped = oracle.recommend(mine.drop(columns="event"), k=1)[1]
    assert_allclose(untyped[:, 0], summed_out.max(axis=1), rtol=1e-5)
    assert len(ids) == 5
    with pytest.raises(ValueError, match=r"has 1 values that are none of \['view', 'purchase'\]"):
        oracle.recommend(mine.assign(event=["?", *mine["event"][1:]]))


def test_an_oracle_of_types_is_saved(typed, tmp_path):
    oracle = ShopOracleRecommender(typed).fit(typed.interactions, items=typed.items)
    oracle.save(tmp_path / "oracle")
    again = ShopOracleRecommender.load(tmp_path / "oracle")
    log = typed.interactions
    assert_allclose(again.recommend(log, 3)[1], oracle.recommend(log, 3)[1])
