"""The generated shop, against a slow and obvious reading of its formula."""

import io
import sys

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import make_shop
from embrec.datasets._shop import FIRST_DAY
from embrec.datasets._shop_oracle import ShopModel
from embrec.metrics import ndcg_at_k, target_ranks


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_users=1500, n_items=300, random_state=0)


def sequences_of(shop):
    log = shop.interactions
    grouped = log.groupby("user", sort=False)
    return grouped["item"].apply(list).tolist(), grouped["timestamp"].first().to_numpy()


def slow_next_item_probabilities(shop, history, day):
    """The formula of make_shop, item by item and type by type."""
    model = shop.model
    rows = [int(item[1:]) for item in history]

    def step(last, taken, z):
        weights = []
        for i in range(len(model.category)):
            if i in taken or model.launch_day[i] > day:
                weights.append(0.0)
                continue
            weight = model.popularity[i] * model.taste[z, model.style[i]]
            if last is not None:
                weight *= model.transition[model.category[last], model.category[i]]
                weight *= model.style_loyalty[model.style[last], model.style[i]]
            weights.append(weight)
        return np.array(weights) / np.sum(weights)

    posterior, predictions = [], []
    for z in range(len(model.taste)):
        likelihood = 1.0
        for t, row in enumerate(rows):
            likelihood *= step(rows[t - 1] if t else None, rows[:t], z)[row]
        posterior.append(likelihood)
        predictions.append(step(rows[-1] if rows else None, rows, z))
    posterior = np.array(posterior) / np.sum(posterior)
    return posterior @ np.array(predictions)


def test_oracle_agrees_with_the_formula(shop):
    sequences, times = sequences_of(shop)
    chosen = [0, 7, 300, 900]
    histories = [[], *(sequences[i][:-1] for i in chosen)]
    at = np.array([times[0], *times[chosen]])
    fast = shop.next_item_probabilities(histories, at=at)
    days = (at.astype("datetime64[D]") - FIRST_DAY.astype("datetime64[D]")).astype(int)
    slow = [slow_next_item_probabilities(shop, h, d) for h, d in zip(histories, days, strict=True)]
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    np.testing.assert_allclose(fast.sum(axis=1), 1)


def test_without_times_everything_is_on_sale(shop):
    probabilities = shop.next_item_probabilities([[]])
    assert (probabilities > 0).all()


def test_visitors_follow_the_first_step_of_the_oracle():
    shop = make_shop(n_users=20_000, n_items=200, mean_events=3.5, late_share=0, random_state=1)
    first = shop.interactions.groupby("user", sort=False)["item"].first()
    observed = first.value_counts().reindex(shop.items["item"], fill_value=0).to_numpy()
    expected = 20_000 * shop.next_item_probabilities([[]])[0]
    chi_square = ((observed - expected) ** 2 / expected).sum()
    # 199 degrees of freedom: mean 199, standard deviation 20
    assert chi_square < 199 + 5 * 20


def test_visitors_follow_the_second_step_of_the_oracle():
    shop = make_shop(n_users=20_000, n_items=200, mean_events=3.5, late_share=0, random_state=2)
    grouped = shop.interactions.groupby("user", sort=False)["item"]
    first, second = grouped.nth(0).to_numpy(), grouped.nth(1).to_numpy()
    start = pd.Series(first).mode()[0]
    observed = pd.Series(second[first == start]).value_counts()
    observed = observed.reindex(shop.items["item"], fill_value=0).to_numpy()
    expected = observed.sum() * shop.next_item_probabilities([[start]])[0]
    assert expected[int(start[1:])] == 0
    assert observed[int(start[1:])] == 0
    often = expected > 5
    chi_square = ((observed - expected)[often] ** 2 / expected[often]).sum()
    n = often.sum()
    assert n > 10
    assert chi_square < n + 5 * np.sqrt(2 * n)


def test_oracle_beats_popularity_and_needs_the_order(shop):
    sequences, times = sequences_of(shop)
    rng = np.random.default_rng(0)
    targets = [int(s[-1][1:]) for s in sequences]
    counts = shop.interactions["item"].value_counts().reindex(shop.items["item"], fill_value=0)

    def ndcg(histories):
        scores = shop.next_item_probabilities(histories, at=times)
        return ndcg_at_k(target_ranks(scores, targets), 10)

    known = ndcg([s[:-1] for s in sequences])
    shuffled = ndcg([rng.permutation(s[:-1]).tolist() for s in sequences])
    popular = ndcg_at_k(target_ranks(np.tile(counts.to_numpy(), (len(targets), 1)), targets), 10)
    assert known > 1.5 * shuffled
    assert known > 1.5 * popular


def test_the_same_seed_makes_the_same_shop():
    one, two, other = (make_shop(100, 200, random_state=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one.interactions, two.interactions)
    pd.testing.assert_frame_equal(one.items, two.items)
    assert not one.interactions.equals(other.interactions)


def test_nothing_is_taken_before_its_launch_or_twice(shop):
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


@pytest.mark.parametrize("cold_share", [0.0, 0.15])
def test_cold_items_are_never_in_the_training_part(cold_share):
    shop = make_shop(2000, 400, cold_share=cold_share, train_share=0.7, random_state=0)
    train, test = shop.split()
    assert len(train) + len(test) == len(shop.interactions)
    assert train["timestamp"].max() < shop.cutoff <= test["timestamp"].min()
    assert set(train["user"]).isdisjoint(test["user"])
    assert not train["item"].isin(shop.cold_items).any()
    assert test["item"].isin(shop.cold_items).any()
    assert len(shop.cold_items) >= cold_share * 400
    at_cutoff = (shop.items["launched"] == shop.cutoff).sum()
    assert at_cutoff >= cold_share * 400
    assert set(shop.cold_items) <= set(shop.late_items)


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


def test_a_million_events_take_no_loop_over_events(monkeypatch):
    """Visitors are moved a step at a time: as many draws as the longest visit has steps, or so."""
    calls = []
    draw = ShopModel._draw_new
    monkeypatch.setattr(ShopModel, "_draw_new", lambda *a: calls.append(1) or draw(*a))
    shop = make_shop(20_000, 300, random_state=0)
    assert len(shop.interactions) > 150_000
    assert len(calls) <= 50


def test_content_tells_category_and_style(shop):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    text = shop.items["title"] + " " + shop.items["description"]
    features = TfidfVectorizer().fit_transform(text)
    for truth in (shop.model.category, shop.model.style):
        classifier = LogisticRegression(C=100, max_iter=500).fit(features[:200], truth[:200])
        assert classifier.score(features[200:], truth[200:]) > 0.8


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_items": 10}, "at least 1 user and 200 items; got 3000 and 10"),
        ({"n_users": 0}, "got 0 and 1500"),
        ({"mean_events": 2}, "more than 3"),
        ({"late_share": 1.0}, "late_share"),
        ({"zipf": -1}, "zipf"),
        ({"zipf": 4}, "zipf"),
        ({"cold_share": -0.1}, "cold_share"),
        ({"train_share": 1.0}, "at least one of 90 days on each side .* got 1.0"),
        ({"late_share": 0.9, "n_items": 200}, "leave 20 of 200. Lower them, or raise n_items"),
        ({"late_share": 0.5, "cold_share": 0.5}, "leave 0 of 1500"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_shop(**parameters)


def test_pictures_show_style_and_category(shop):
    style, category = shop.model.style, shop.model.category
    same = np.flatnonzero((style == style[0]) & (category != category[0]))[0]
    pictures = {i: np.asarray(shop.draw_picture(f"I{i:05d}", size=32)) for i in (0, same)}
    assert pictures[0].shape == (32, 32, 3)
    # the middle has the colour of the style
    np.testing.assert_array_equal(pictures[0][16, 16], pictures[same][16, 16])
    assert not np.array_equal(pictures[0], pictures[same])


def test_pictures_in_the_catalogue():
    from PIL import Image

    shop = make_shop(10, 200, pictures=True, random_state=0)
    for row in (0, 7, 199):
        stored = Image.open(io.BytesIO(shop.items["image"][row]))
        assert (stored.format, stored.size) == ("PNG", (64, 64))
        drawn = shop.draw_picture(shop.items["item"][row])
        np.testing.assert_array_equal(np.asarray(stored), np.asarray(drawn))
    plain = make_shop(10, 200, random_state=0)
    pd.testing.assert_frame_equal(plain.items, shop.items.drop(columns="image"))


def test_without_pillow_there_are_shops_but_no_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    shop = make_shop(10, 200, random_state=0)
    for ask in (lambda: shop.draw_picture("I00000"), lambda: make_shop(10, 200, pictures=True)):
        with pytest.raises(ImportError, match=r'pip install "embrec\[image\]"'):
            ask()
