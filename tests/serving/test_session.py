"""One visitor's session: one step per item, and the answers of recommend."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_recommender import fit_small

from embrec import Session
from embrec.components import GRUEncoder
from embrec.serving.serialized_session import SerializedSession

ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


@pytest.fixture(scope="module", params=[(1, True), (2, False)], ids=["residual", "two layers"])
def model(request, shop_log, shop_items):
    """Do not change it."""
    n_layers, residual = request.param
    encoder = GRUEncoder(8, n_layers=n_layers, residual=residual)
    return fit_small(shop_log, shop_items, max_length=4, encoder=encoder)


@pytest.fixture
def own_model(shop_log, shop_items):
    return fit_small(shop_log, shop_items, max_length=4)


@settings(max_examples=40, deadline=None)
@given(history=st.lists(ITEM, max_size=12), split=st.integers(0, 12), exclude_seen=st.booleans())
def test_answers_are_those_of_recommend(model, history, split, exclude_seen):
    session = model.start_session(history[:split])
    for item in history[split:]:
        session.add(item)
    session = model.resume_session(session.to_bytes())
    ids, scores = session.recommend(15, exclude_seen=exclude_seen)
    expected_ids, expected = model.recommend([history], k=15, exclude_seen=exclude_seen)
    assert ids.shape == scores.shape == (15,)
    np.testing.assert_allclose(scores, expected[0], atol=1e-5)
    # ties within rounding may stand in either order
    assert set(ids) == set(expected_ids[0])
    assert session.history == history
    assert len(session) == len(history)


def test_filters(model):
    session = model.start_session(["photo-0"])
    ids, scores = session.recommend(3, include=["photo-0", "desk-1"], exclude=["nobody"])
    assert ids.tolist() == ["desk-1", None, None]
    assert np.isneginf(scores[1:]).all()


def test_an_item_costs_one_step_whatever_came_before(own_model, record_steps):
    session = own_model.start_session(["photo-0"] * 1000)
    steps = record_steps(own_model.network_)
    session.add("desk-0").recommend(5)
    assert steps == [(1, 8)]


def test_a_failed_add_changes_nothing(model):
    session = model.start_session(["photo-0"])
    before = session.to_bytes()
    with pytest.raises(ValueError, match=r"item: 1 of 1 ids are not in the catalogue: 'nobody'"):
        session.add("nobody")
    assert session.to_bytes() == before


def test_the_catalogue_lives_under_a_session(own_model):
    session = own_model.start_session(["photo-0"])
    own_model.add_items(pd.DataFrame({"item": ["new"], "title": ["camera photo"]}))
    assert "new" in session.recommend(16)[0]
    session.add("new")
    own_model.remove_items(["new"])
    assert "new" not in session.recommend(16, exclude_seen=False)[0]
    session.add("new")
    assert session.history == ["photo-0", "new", "new"]


def test_training_ends_a_session(own_model):
    session = own_model.start_session(["photo-0"])
    own_model.partial_fit([["photo-0", "desk-0"]])
    for use in (lambda: session.add("desk-0"), session.recommend):
        with pytest.raises(RuntimeError, match=r"start_session\(session\.history\)"):
            use()
    assert own_model.start_session(session.history).recommend(3)[0].shape == (3,)


def test_integer_ids_of_numpy(shop_log, shop_items):
    number = {item: i for i, item in enumerate(shop_items["item"])}
    log = shop_log.assign(item=shop_log["item"].map(number))
    model = fit_small(log, shop_items.assign(item=range(15)))
    session = model.start_session(np.array([1, 2])).add(np.int32(3))
    assert session.history == [1, 2, 3]
    resumed = model.resume_session(session.to_bytes())
    np.testing.assert_array_equal(resumed.recommend(5)[0], session.recommend(5)[0])
    assert "[1, 2, 3]" in repr(resumed)
    assert isinstance(resumed, Session)


def test_unknown_items_are_skipped_where_the_recommender_skips_them(own_model):
    own_model.set_params(on_unknown="skip")
    session = own_model.start_session(["nobody", "photo-0"]).add("nothing")
    assert session.history == ["photo-0"]
    expected = own_model.recommend([["nobody", "photo-0", "nothing"]], k=5)
    ids, scores = session.recommend(5)
    np.testing.assert_array_equal(ids, expected[0][0])
    np.testing.assert_allclose(scores, expected[1][0], atol=1e-5)
    with pytest.raises(TypeError, match="item holds integers"):
        session.add(3)


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None])
def test_k_must_be_a_count(k, model):
    with pytest.raises(ValueError, match="k must be an integer >= 1"):
        model.start_session().recommend(k)


@pytest.mark.parametrize("item", [None, 1.5, True, ["photo-0"], float("nan")])
def test_what_is_no_id_changes_nothing(item, model):
    session = model.start_session(["photo-0"])
    before = session.to_bytes()
    with pytest.raises((ValueError, TypeError), match="item"):
        session.add(item)
    assert session.to_bytes() == before


def test_history_is_a_copy(model):
    session = model.start_session(["photo-0"])
    session.history.append("desk-0")
    assert session.history == ["photo-0"]


def test_a_session_goes_on_from_a_copy_of_its_batch(own_model):
    session = own_model.start_session(["photo-0"])
    twin = copy.deepcopy(session)
    assert twin.add("desk-0") is twin
    assert (twin.history, session.history) == (["photo-0", "desk-0"], ["photo-0"])
    assert (len(twin), len(session)) == (2, 1)


def test_bytes_are_what_the_model_goes_on_from(model):
    session = model.start_session(["photo-0", "desk-0"])
    packed = SerializedSession.from_bytes(session.to_bytes(max_history=1))
    assert packed.model == model.fingerprint_
    assert packed.history == ["desk-0"]
    states = session._batch._states
    np.testing.assert_array_equal(packed.state, states[0])
