"""The generated shop, against a slow and obvious reading of its formula."""

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


@pytest.fixture(scope="module")
def typed_shop():
    return make_shop(n_users=1500, n_items=300, purchase_share=0.3, random_state=0)


def sequences_of(shop):
    log = shop.interactions
    grouped = log.groupby("user", sort=False)
    return grouped["item"].apply(list).tolist(), grouped["timestamp"].first().to_numpy()


def slow_next_item_probabilities(shop, history, day, events=None):
    """The formula of make_shop, item by item and type by type."""
    model = shop.model
    rows = [int(item[1:]) for item in history]

    def step_after(transition, last, taken, z):
        weights = []
        for i in range(len(model.category)):
            if i in taken or model.launch_day[i] > day:
                weights.append(0.0)
                continue
            weight = model.popularity[i] * model.taste[z, model.style[i]]
            if last is not None:
                weight *= transition[model.category[last], model.category[i]]
                weight *= model.style_loyalty[model.style[last], model.style[i]]
            weights.append(weight)
        return np.array(weights) / np.sum(weights)

    def step(t, z):
        last = rows[t - 1] if t else None
        ways = {"purchase": model.transition, "view": model.view_transition}
        if not model.has_event_types:
            return step_after(model.transition, last, rows[:t], z)
        shares = {"purchase": model.event_shares[1], "view": 1 - model.event_shares[1]}
        if events is not None and t:
            shares = {events[t - 1]: 1.0}
        return sum(shares[e] * step_after(ways[e], last, rows[:t], z) for e in shares)

    posterior, predictions = [], []
    for z in range(len(model.taste)):
        posterior.append(np.prod([step(t, z)[row] for t, row in enumerate(rows)]))
        predictions.append(step(len(rows), z))
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


@pytest.mark.parametrize("known", [True, False])
def test_oracle_of_events_with_types_agrees_with_the_formula(typed_shop, known):
    sequences, times = sequences_of(typed_shop)
    types = typed_shop.interactions.groupby("user", sort=False)["event"].apply(list).tolist()
    chosen = [0, 7, 300, 900]
    histories = [[], *(sequences[i][:-1] for i in chosen)]
    events = [[], *(types[i][:-1] for i in chosen)] if known else None
    at = np.array([times[0], *times[chosen]])
    fast = typed_shop.next_item_probabilities(histories, at=at, events=events)
    days = (at.astype("datetime64[D]") - FIRST_DAY.astype("datetime64[D]")).astype(int)
    slow = [
        slow_next_item_probabilities(typed_shop, h, d, None if events is None else events[n])
        for n, (h, d) in enumerate(zip(histories, days, strict=True))
    ]
    assert {"view", "purchase"} <= {e for i in chosen for e in types[i]}
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


def test_a_million_events_take_no_loop_over_events(monkeypatch):
    """Visitors are moved a step at a time: as many draws as the longest visit has steps, or so."""
    calls = []
    draw = ShopModel._draw_new
    monkeypatch.setattr(ShopModel, "_draw_new", lambda *a: calls.append(1) or draw(*a))
    shop = make_shop(20_000, 300, random_state=0)
    assert len(shop.interactions) > 150_000
    assert len(calls) <= 50
