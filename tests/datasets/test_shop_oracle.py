"""The oracle, against the frequencies of what visitors did; and what it refuses."""

import re

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import _shop_oracle, make_shop
from embrec.metrics import hit_rate_at_k, ndcg_at_k, target_ranks


def last_steps(shop, log=None):
    """What each visitor had before the last step, when, and the row of what came then."""
    log = shop.interactions if log is None else log
    grouped = log.groupby("user", sort=False)
    sequences = grouped["item"].apply(list).tolist()
    targets = np.array([int(s[-1][1:]) for s in sequences])
    return [s[:-1] for s in sequences], grouped["timestamp"].first().to_numpy(), targets


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_users=6000, n_items=300, late_share=0.3, random_state=5)


@pytest.fixture(scope="module")
def truth(shop):
    histories, at, targets = last_steps(shop)
    return shop.next_item_probabilities(histories, at=at), targets


@pytest.fixture(scope="module")
def typed_shop():
    return make_shop(6000, 300, late_share=0.3, purchase_share=0.3, random_state=5)


def types_of(shop):
    """Types of the events before the last one of each visitor."""
    return [
        types[:-1]
        for types in shop.interactions.groupby("user", sort=False)["event"].apply(list).tolist()
    ]


def check_frequencies(probabilities, targets):
    """How often each item came, against the sum of what each visitor was said to do."""
    observed = np.bincount(targets, minlength=probabilities.shape[1])
    expected = probabilities.sum(axis=0)
    variance = (probabilities * (1 - probabilities)).sum(axis=0)
    often = expected > 5
    n = often.sum()
    assert n > 100
    chi_square = ((observed - expected)[often] ** 2 / variance[often]).sum()
    assert abs(chi_square - n) < 5 * np.sqrt(2 * n)


def test_last_steps_of_all_visitors_have_the_frequencies_of_the_oracle(truth):
    check_frequencies(*truth)


def test_the_oracle_is_as_sure_as_it_is_right(truth):
    probabilities, targets = truth
    logs = np.log(np.where(probabilities > 0, probabilities, 1))
    found = logs[np.arange(len(targets)), targets]
    promised = (probabilities * logs).sum(axis=1)
    error = found.std() / np.sqrt(len(targets))
    assert abs(found.mean() - promised.mean()) < 4 * error
    # what is taken never had probability 0
    assert (probabilities[np.arange(len(targets)), targets] > 0).all()


def test_a_wrong_reading_of_the_history_would_be_noticed(shop, truth):
    """The check of frequencies has teeth: with the launches left out, it fails."""
    histories, _, targets = last_steps(shop)
    with pytest.raises(AssertionError):
        check_frequencies(shop.next_item_probabilities(histories), targets)


@pytest.mark.parametrize("known", [True, False])
def test_last_steps_have_these_frequencies_where_events_have_types(typed_shop, known):
    histories, at, targets = last_steps(typed_shop)
    types = types_of(typed_shop)
    truth = typed_shop.next_item_probabilities(histories, at=at, events=types if known else None)
    check_frequencies(truth, targets)
    category = typed_shop.model.category
    last = category[[int(history[-1][1:]) for history in histories]]
    stays = (truth * (category == last[:, None])).sum(axis=1)
    surplus = (category[targets] == last) - stays
    assert abs(surplus.mean()) < 4 * surplus.std() / np.sqrt(len(surplus))
    bought = np.array([of_visitor[-1] == "purchase" for of_visitor in types])
    for some in (bought, ~bought):
        # the types tell who stays in a category; what does not know them is far off
        off = abs(surplus[some].mean()) / (surplus[some].std() / np.sqrt(some.sum()))
        assert off < 4 if known else off > 20


def test_types_of_events_are_worth_a_tenth(typed_shop):
    histories, at, targets = last_steps(typed_shop)
    without = typed_shop.next_item_probabilities(histories, at=at)
    known = typed_shop.next_item_probabilities(histories, at=at, events=types_of(typed_shop))
    ndcg = [ndcg_at_k(target_ranks(p, targets), 10) for p in (known, without)]
    assert ndcg[0] > 1.1 * ndcg[1]


def test_blocks_do_not_matter_where_events_have_types(typed_shop):
    histories, at, _ = last_steps(typed_shop)
    types = types_of(typed_shop)
    part = slice(0, 300)
    whole = typed_shop.next_item_probabilities(histories[part], at=at[part], events=types[part])
    one_by_one = [
        typed_shop.next_item_probabilities([h], at=[t], events=[e])[0]
        for h, t, e in zip(histories[250:262], at[250:262], types[250:262], strict=True)
    ]
    np.testing.assert_allclose(whole[250:262], one_by_one, rtol=1e-12)
    assert typed_shop.next_item_probabilities([], events=[]).shape == (0, 300)


@pytest.mark.parametrize("known", [True, False])
def test_probabilities_are_popularity_times_the_weight_of_the_group(typed_shop, known):
    model = typed_shop.model
    rows, days = [[], [3, 17], [5]], np.full(3, 89)
    events = [[], [0, 1], [0]] if known else None
    weights = model.group_weights(rows, days, events)[:, model.group] * model.popularity
    for row, history in zip(weights, rows, strict=True):
        row[history] = 0
    found = model.next_item_probabilities(rows, days, events)
    np.testing.assert_allclose(found, weights, rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ([["view", "view"]], ValueError, "each of the 2 histories; got those of 1"),
        ([["view"], ["view", "view"]], ValueError, r"0 has 2 events, and events\[0\] has 1 types"),
        ([["view"] * 2] * 2, ValueError, r"1 has 1 events, and events\[1\] has 2 types"),
        ([["view", "buy"], []], ValueError, r"has \['buy'\]; a type is one of \['view', "),
        (["view", ["view"]], TypeError, r"events\[0\] is one str, 'view'"),
    ],
)
def test_types_that_do_not_fit(typed_shop, events, error, message):
    histories = [["I00001", "I00002"], ["I00003"]]
    with pytest.raises(error, match=message):
        typed_shop.next_item_probabilities(histories, events=events)


def test_types_in_a_shop_without(shop):
    with pytest.raises(ValueError, match="have no types; leave events= out, or .* purchase_share="):
        shop.next_item_probabilities([["I00001"]], events=[["view"]])


def test_drawing_from_the_list_of_what_is_left_follows_the_same_law(monkeypatch):
    monkeypatch.setattr(_shop_oracle, "MAX_DRAWS", 0)
    shop = make_shop(n_users=6000, n_items=200, mean_events=5, random_state=6)
    assert not shop.interactions.duplicated(["user", "item"]).any()
    histories, at, targets = last_steps(shop)
    check_frequencies(shop.next_item_probabilities(histories, at=at), targets)


def test_a_steep_shop_is_made_at_all():
    shop = make_shop(50, 200, mean_events=25, late_share=0.7, zipf=3, random_state=0)
    assert not shop.interactions.duplicated(["user", "item"]).any()
    histories, at, _ = last_steps(shop)
    probabilities = shop.next_item_probabilities(histories, at=at)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert (probabilities >= 0).all()


def test_blocks_do_not_matter(shop, truth):
    histories, at, _ = last_steps(shop)
    one_by_one = [
        shop.next_item_probabilities([h], at=[t])[0]
        for h, t in zip(histories[250:262], at[250:262], strict=True)
    ]
    np.testing.assert_allclose(truth[0][250:262], one_by_one, rtol=1e-12)


def test_taste_is_learned_from_more_than_the_last_item(shop, truth):
    probabilities, targets = truth
    histories, at, _ = last_steps(shop)
    short = shop.next_item_probabilities([h[-1:] for h in histories], at=at)
    rows = np.arange(len(targets))
    gain = np.log(probabilities[rows, targets]) - np.log(short[rows, targets])
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))


def test_order_decides_for_the_oracle(shop):
    cameras = shop.items.loc[shop.items["category"] == "Photo > Cameras", "item"].iloc[0]
    tents = shop.items.loc[shop.items["category"] == "Outdoor > Tents", "item"].iloc[0]
    forth, back = shop.next_item_probabilities([[cameras, tents], [tents, cameras]])
    after = {"Outdoor > Sleeping Bags": (forth, back), "Photo > Lenses": (back, forth)}
    for category, (likely, unlikely) in after.items():
        there = (shop.items["category"] == category).to_numpy()
        assert likely[there].sum() > 3 * unlikely[there].sum()


def test_cold_items_can_be_told_by_content():
    """Ranking the unseen items by what category comes next beats chance by far."""
    shop = make_shop(n_users=4000, n_items=400, cold_share=0.2, random_state=0)
    train, test = shop.split()
    histories, _, targets = last_steps(shop, test)
    category = shop.items["category"].to_numpy()
    sequences = train.merge(shop.items[["item", "category"]], on="item")
    following = sequences.groupby("user")["category"].shift(-1)
    counts = pd.crosstab(sequences["category"], following)
    last = [category[int(h[-1][1:])] for h in histories]
    scores = counts.loc[last].reindex(columns=category).to_numpy()
    cold = np.isin(targets, [int(item[1:]) for item in shop.cold_items])
    assert cold.sum() > 50
    ranks = target_ranks(scores[cold], targets[cold])
    assert hit_rate_at_k(ranks, 80) > 2 * 80 / 400


def test_no_histories_and_empty_ones(shop):
    assert shop.next_item_probabilities([]).shape == (0, 300)
    assert shop.next_item_probabilities([], at=[]).shape == (0, 300)
    first = shop.next_item_probabilities([[], []])
    np.testing.assert_array_equal(first[0], first[1])


def test_times_before_and_after_the_90_days(shop):
    early, first, late, last = shop.next_item_probabilities(
        [[]] * 4, at=["1999-01-01", "2026-01-01T15:00", "2030-01-01", "2026-03-31"]
    )
    np.testing.assert_array_equal(early, first)
    np.testing.assert_array_equal(late, last)
    not_yet = (shop.items["launched"] > "2026-01-01").to_numpy()
    assert (early[not_yet] == 0).all()
    assert (early[~not_yet] > 0).all()
    assert (late > 0).all()


def test_the_last_item_left_is_certain(shop):
    items = shop.items["item"].tolist()
    assert shop.next_item_probabilities([items[:-1]])[0, -1] == 1
    with pytest.raises(ValueError, match="nothing is left"):
        shop.next_item_probabilities([items])


@pytest.mark.parametrize(
    ("histories", "at", "error", "message"),
    [
        ([[], ["I00001", "X"]], None, KeyError, r"History 1 has 1 ids .* 300 items lacks: \['X'\]"),
        ([["I00001", "I00002", "I00001"]], None, ValueError, "History 0 has an item twice"),
        (["I00001"], None, TypeError, "History 0 is one str"),
        ([[], []], ["2026-01-05"], ValueError, r"each of the 2 histories.* got shape \(1,\)"),
        ([[]], ["NaT"], ValueError, "1 missing"),
    ],
)
def test_histories_that_no_visitor_has(shop, histories, at, error, message):
    with pytest.raises(error, match=message):
        shop.next_item_probabilities(histories, at=at)


def test_a_history_from_before_the_launch_is_refused(shop):
    item = shop.late_items.iloc[0]
    launched = shop.items.set_index("item")["launched"][item]
    with pytest.raises(ValueError, match=re.escape(f"{item}, which was launched on {launched:%Y}")):
        shop.next_item_probabilities([[item]], at=[launched - pd.Timedelta(days=1)])
    assert shop.next_item_probabilities([[item]], at=[launched]).sum() == pytest.approx(1)
