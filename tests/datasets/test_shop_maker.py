"""Shops, as they are promised."""

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import make_shop


def test_the_same_seed_makes_the_same_shop():
    one, two, other = (make_shop(100, 200, random_state=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one.interactions, two.interactions)
    pd.testing.assert_frame_equal(one.items, two.items)
    assert not one.interactions.equals(other.interactions)


def test_a_seed_makes_the_shop_that_it_always_made():
    log = make_shop(100, 200, random_state=0).interactions
    assert log.columns.tolist() == ["user", "item", "timestamp"]
    assert len(log) == 983
    assert log["item"].head(6).tolist() == [
        "I00023",
        "I00034",
        "I00163",
        "I00094",
        "I00059",
        "I00064",
    ]


def test_each_event_is_a_purchase_with_the_share_asked_for():
    shop = make_shop(4000, 300, purchase_share=0.3, random_state=0)
    log = shop.interactions
    assert log.columns.tolist() == ["user", "item", "timestamp", "event"]
    bought = log["event"] == "purchase"
    assert (log["event"][~bought] == "view").all()
    step = log.groupby("user").cumcount()
    before = bought.groupby(log["user"]).shift(1)
    # whatever comes before, wherever in the visit, whichever item: 5 standard deviations
    popular = log["item"].isin(log["item"].value_counts().index[:30])
    for some in (step == 0, step == 1, step > 5, before == 1, before == 0, popular):
        error = np.sqrt(0.3 * 0.7 / some.sum())
        assert abs(bought[some].mean() - 0.3) < 5 * error


def test_views_compare_and_purchases_lead_on():
    shop = make_shop(4000, 300, purchase_share=0.5, random_state=0)
    log = shop.interactions.merge(shop.items[["item", "category"]], on="item")
    log = log.sort_values("timestamp", kind="stable")
    following = log.groupby("user")["category"].shift(-1)
    stays = (log["category"] == following)[following.notna()]
    shares = stays.groupby(log["event"]).mean()
    assert shares["view"] > 0.6
    assert shares["purchase"] < 0.3
    view, purchase = shop.model.view_transition, shop.model.transition
    np.testing.assert_allclose(view.sum(axis=1), purchase.sum(axis=1))
    np.testing.assert_allclose(view, 0.02 + 0.85 * np.eye(len(view)))


@pytest.mark.parametrize(("share", "event"), [(1, "purchase"), (1e-12, "view")])
def test_shops_of_one_type_of_event(share, event):
    shop = make_shop(100, 200, purchase_share=share, random_state=0)
    assert (shop.interactions["event"] == event).all()
    item = shop.items["item"][0]
    known = shop.next_item_probabilities([[item]], events=[[event]])
    np.testing.assert_allclose(shop.next_item_probabilities([[item]]), known, rtol=1e-9)


def test_nothing_is_taken_before_its_launch_or_twice():
    shop = make_shop(n_users=1500, n_items=300, random_state=0)
    log = shop.interactions.merge(shop.items[["item", "launched"]], on="item")
    assert (log["timestamp"] >= log["launched"]).all()
    assert log["item"].isin(shop.late_items).any()
    assert len(shop.late_items) == 30
    assert not shop.interactions.duplicated(["user", "item"]).any()
    assert shop.interactions["timestamp"].dtype.kind == "M"
    assert shop.interactions.groupby("user").size().between(3, 50).all()


def test_popularity_follows_zipf():
    shop = make_shop(200, 1000, zipf=0.7, random_state=0)
    popularity = np.sort(shop.model.popularity)[::-1]
    slope = np.polyfit(np.log(np.arange(1, 1001)), np.log(popularity), 1)[0]
    assert slope == pytest.approx(-0.7)


def test_the_log_is_as_uneven_as_the_popularity():
    shop = make_shop(20_000, 1000, zipf=0.8, late_share=0, random_state=0)
    counts = shop.interactions["item"].value_counts()
    of_rank = counts.reindex(
        shop.items["item"].iloc[np.argsort(-shop.model.popularity)], fill_value=0
    ).to_numpy()
    rank = np.arange(1, 1001)
    slope = np.polyfit(np.log(rank), np.log(of_rank + 1), 1)[0]
    assert slope == pytest.approx(-0.8, abs=0.1)


def test_a_cold_share_changes_nothing_but_the_launches():
    one, two = (make_shop(100, 400, cold_share=share, random_state=0) for share in (0, 0.2))
    pd.testing.assert_frame_equal(
        one.items.drop(columns="launched"), two.items.drop(columns="launched")
    )
    moved = one.items["launched"] != two.items["launched"]
    assert moved.sum() == 80
    assert (two.items.loc[moved, "launched"] == two.cutoff).all()


def test_a_visit_is_over_within_the_day():
    shop = make_shop(3000, 300, mean_events=25, random_state=0)
    days = shop.interactions["timestamp"].dt.normalize()
    assert (days.groupby(shop.interactions["user"]).nunique() == 1).all()
    assert shop.interactions.groupby("user").size().max() == 50
    assert shop.interactions["timestamp"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_items": 10}, "at least 1 user and 200 items; got 3000 and 10"),
        ({"n_users": 0}, "got 0 and 1500"),
        ({"mean_events": 2}, "more than 3"),
        ({"late_share": 1.0}, "late_share"),
        ({"zipf": -1}, "zipf"),
        ({"zipf": 4}, "zipf"),
        ({"purchase_share": 1.1}, "purchase_share must be at least 0 and at most 1; got 1.1"),
        ({"purchase_share": -0.1}, "got -0.1"),
        ({"purchase_share": float("nan")}, "got nan"),
        ({"cold_share": -0.1}, "cold_share"),
        ({"train_share": 1.0}, "at least one of 90 days on each side .* got 1.0"),
        ({"late_share": 0.9, "n_items": 200}, "leave 20 of 200. Lower them, or raise n_items"),
        ({"late_share": 0.5, "cold_share": 0.5}, "leave 0 of 1500"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_shop(**parameters)


def test_shares_of_nothing_put_all_on_sale_on_the_first_day():
    shop = make_shop(50, 200, late_share=0, cold_share=0, random_state=0)
    assert len(shop.late_items) == len(shop.cold_items) == 0
    assert shop.items["launched"].nunique() == 1


def test_the_way_through_the_shop_is_mostly_to_the_next_category():
    """From the last one it goes on with the first."""
    transition = make_shop(50, 200, random_state=0).model.transition
    n = len(transition)
    np.testing.assert_array_equal(transition.argmax(axis=1), (np.arange(n) + 1) % n)
    for c in range(n):
        ways = {c: 0.17, (c + 1) % n: 0.57, (c + 2) % n: 0.17}
        np.testing.assert_allclose(transition[c], [ways.get(i, 0.02) for i in range(n)])


def test_visits_have_the_mean_length_asked_for():
    lengths = (
        make_shop(4000, 200, mean_events=6, random_state=0).interactions.groupby("user").size()
    )
    # 3 and a geometric tail of mean 3: standard deviation 3.5, of the mean 0.055
    assert lengths.mean() == pytest.approx(6, abs=0.25)
    assert lengths.min() == 3
