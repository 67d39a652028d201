"""Many sessions at once: what each would say alone."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from small_recommender import fit_small

from embrec.components import GRUEncoder

ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Do not change it."""
    return fit_small(shop_log, shop_items, max_length=4, encoder=GRUEncoder(8, n_layers=2))


@pytest.fixture
def own_model(shop_log, shop_items):
    return fit_small(shop_log, shop_items)


def check(batch, model, histories, k=6, **options):
    assert batch.histories == histories
    ids, scores = batch.recommend(k, **options)
    expected_ids, expected = model.recommend(histories, k=k, **options)
    assert ids.shape == expected_ids.shape
    assert_allclose(scores, expected, atol=1e-5)
    for row, wanted in zip(ids.tolist(), expected_ids.tolist(), strict=True):
        assert set(row) == set(wanted)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), n=st.integers(1, 6))
def test_any_clicks_of_any_visitors(model, data, n):
    histories = data.draw(st.lists(st.lists(ITEM, max_size=6), min_size=n, max_size=n))
    batch = model.start_sessions(histories)
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
        items = [data.draw(ITEM) for _ in at]
        if data.draw(st.booleans()) and len(at) == n:
            at, given_at = list(range(n)), None
        else:
            given_at = at
        batch.add(items, at=given_at)
        for position, item in zip(at, items, strict=True):
            histories[position].append(item)
        if data.draw(st.booleans()):
            batch = model.resume_sessions(batch.to_bytes())
    check(batch, model, histories, k=15, exclude_seen=data.draw(st.booleans()))


def test_some_of_the_visitors(model):
    histories = [["photo-0"], [], ["desk-1", "desk-2"]]
    batch = model.start_sessions(histories)
    ids, scores = batch.recommend(4, at=[2, 0])
    expected = model.recommend([histories[2], histories[0]], k=4)
    assert_array_equal(ids, expected[0])
    assert_allclose(scores, expected[1], atol=1e-5)
    assert batch.to_bytes(at=[-1]) == [batch.to_bytes()[2]]
    ids, _ = batch.recommend(2, include=[["desk-0"], ["photo-0", "photo-1"], ["desk-2"]])
    assert ids.tolist()[0] == ["desk-0", None]
    assert set(ids.tolist()[1]) == {"photo-0", "photo-1"}
    assert ids.tolist()[2] == [None, None]


def test_knobs(model):
    histories = [["photo-0"], ["desk-1", "desk-2"]]
    check(
        model.start_sessions(histories), model, histories, 3, popularity_discount=0.5, diversity=0.3
    )
    ids, _ = model.start_session(histories[0]).recommend(3, diversity=0.4, n_candidates=8)
    assert_array_equal(
        ids, model.recommend(histories[:1], k=3, diversity=0.4, n_candidates=8)[0][0]
    )


def test_a_session_is_part_of_its_batch(model):
    batch = model.start_sessions([["photo-0"], ["desk-1"]])
    second = batch[1]
    second.add("desk-2")
    batch.add(["trail-1", "trail-2"])
    assert second.history == ["desk-1", "desk-2", "trail-2"]
    assert len(second) == 3
    assert [session.history for session in batch] == batch.histories
    assert second.to_bytes() == batch.to_bytes()[1]
    with pytest.raises(IndexError, match="There are sessions 0 to 1"):
        batch[2]


def test_all_clicks_are_one_step(own_model, record_steps):
    batch = own_model.start_sessions([["photo-0"] * n for n in (0, 3, 500)])
    steps = record_steps(own_model.network_)
    batch.add(["desk-0"] * 3).recommend(5)
    assert steps == [(3, 8)]


@pytest.mark.parametrize(
    ("items", "at", "error", "message"),
    [
        (["photo-0", "nobody"], None, ValueError, "items: 1 of 2 ids are not in the catalogue"),
        (["photo-0"], None, ValueError, "Got 1 items for 2 sessions"),
        (["photo-0", "desk-0"], [1, 1], ValueError, "must name each session once"),
        (["photo-0", "desk-0"], [1, -1], ValueError, "must name each session once"),
        (["photo-0"], [2], IndexError, r"There are sessions 0 to 1; got at=\[2\]"),
        (["photo-0"], [0.0], TypeError, "at must be a list of integers"),
        (["photo-0"], 0, TypeError, "at must be a list of integers"),
        ([7, 8], None, TypeError, "items"),
        ({"photo-0", "desk-0"}, None, TypeError, "items must be a list of ids, in order"),
        ("photo-0", [0], TypeError, "items must be a list of ids, in order; got 'photo-0'"),
    ],
)
def test_what_cannot_be_added_changes_nothing(items, at, error, message, model):
    batch = model.start_sessions([["photo-0"], []])
    before = batch.to_bytes()
    with pytest.raises(error, match=message):
        batch.add(items, at=at)
    assert batch.to_bytes() == before


def test_unknown_items_are_skipped_where_the_recommender_skips_them(own_model):
    own_model.on_unknown = "skip"
    batch = own_model.start_sessions([["photo-0", "nobody"], ["nobody"]])
    batch.add(["nobody", "desk-0"])
    check(batch, own_model, [["photo-0"], ["desk-0"]])


def test_training_ends_sessions(own_model):
    batch = own_model.start_sessions([["photo-0"], ["desk-0"]])
    own_model.partial_fit([["photo-0", "desk-0"]])
    with pytest.raises(RuntimeError, match="was trained since"):
        batch.recommend()
    with pytest.raises(RuntimeError, match="was trained since"):
        batch.add(["desk-0", "desk-0"])


@pytest.mark.parametrize("newer", [slice(None, None, -1), slice(6, 9)], ids=["other rows", "fewer"])
def test_histories_outlive_the_catalogue(own_model, shop_items, newer):
    """What was trained since has other rows, and the ids are still what they were."""
    batch = own_model.start_sessions([["photo-0", "desk-1"], ["desk-2"]])
    part = shop_items[newer]
    own_model.fit([part["item"].tolist()[:3]] * 9, items=part)
    assert batch.histories == [["photo-0", "desk-1"], ["desk-2"]]
    restarted = own_model.resume_sessions(batch.to_bytes(), restart=True)
    known = set(part["item"])
    assert restarted.histories == [[i for i in ids if i in known] for ids in batch.histories]
    with pytest.raises(RuntimeError, match="was trained since"):
        batch[1].recommend()


def test_the_same_weights_over_another_catalogue_end_sessions(own_model, monkeypatch):
    batch = own_model.start_sessions([["photo-0"]])
    fingerprint = own_model.fingerprint_
    own_model.partial_fit([["photo-0", "desk-0"]])
    own_model.fingerprint_ = fingerprint
    with pytest.raises(RuntimeError, match="was trained since"):
        batch.recommend()


def test_a_batch_is_copied_with_its_model(own_model):
    batch = own_model.start_sessions([["photo-0"], ["desk-1"]])
    twin = copy.deepcopy(batch)
    twin._recommender.add_items(pd.DataFrame({"item": ["x"], "title": ["camera"]}))
    twin.add(["x", "photo-1"])
    assert twin.histories == [["photo-0", "x"], ["desk-1", "photo-1"]]
    assert batch.histories == [["photo-0"], ["desk-1"]]
    with pytest.raises(ValueError, match="'x'"):
        batch.add(["x", "photo-1"])


def test_bytes_of_bounded_length(model):
    session = model.start_session(["photo-0", "photo-1", "desk-0"])
    short = session.to_bytes(max_history=2)
    assert len(short) < len(session.to_bytes())
    resumed = model.resume_session(short)
    assert resumed.history == ["photo-1", "desk-0"]
    assert_array_equal(  # the state has forgotten nothing
        resumed.recommend(15, exclude_seen=False)[1], session.recommend(15, exclude_seen=False)[1]
    )
    assert session.to_bytes(max_history=10**30) == session.to_bytes()
    with pytest.raises(ValueError, match="max_history must be an integer >= 1; got 0"):
        session.to_bytes(max_history=0)


def test_states_are_those_of_single_sessions(model):
    """Thousands at once, to float32's precision of one by one."""
    rng = np.random.default_rng(0)
    ids = model.catalog_.ids.ids
    histories = [rng.choice(ids, size=n).tolist() for n in rng.integers(0, 9, size=2000)]
    batch = model.start_sessions(histories)
    clicks = rng.choice(ids, size=2000).tolist()
    batch.add(clicks)
    for position in rng.choice(2000, size=20, replace=False).tolist():
        alone = model.start_session(histories[position]).add(clicks[position])
        found = batch._queries(model, np.array([position]))
        assert_allclose(found, alone._batch._queries(model, np.array([0])), atol=1e-5)
    assert batch._states.dtype == torch.float32
