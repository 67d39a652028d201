"""Sessions: one step per item, and the answers of recommend."""

import copy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec import EmbRecEstimator, Session, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers

ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


def fit(shop_log, shop_items, **changes):
    return EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]),
        **{
            "max_epochs": 3,
            "item_model": ItemTowers(8),
            "encoder": GRUEncoder(8),
            "max_length": 4,
            "random_state": 0,
            **changes,
        },
    ).fit(shop_log, items=shop_items)


@pytest.fixture(scope="module", params=[(1, True), (2, False)], ids=["residual", "two layers"])
def model(request, shop_log, shop_items):
    """Do not change it."""
    n_layers, residual = request.param
    encoder = GRUEncoder(8, n_layers=n_layers, residual=residual)
    return fit(shop_log, shop_items, encoder=encoder)


@pytest.fixture
def own_model(shop_log, shop_items):
    return fit(shop_log, shop_items)


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
    data = session.to_bytes()
    own_model.partial_fit([["photo-0", "desk-0"]])
    for use in (lambda: session.add("desk-0"), session.recommend):
        with pytest.raises(RuntimeError, match=r"start_session\(session\.history\)"):
            use()
    with pytest.raises(ValueError, match="belongs to another model"):
        own_model.resume_session(data)
    assert own_model.start_session(session.history).recommend(3)[0].shape == (3,)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "0 bytes are not a session"),
        (lambda data: b"x" + data[1:], "are not a session"),
        (lambda data: data[:-1], "damaged: expected"),
        (lambda data: data + b"!", "damaged: expected"),
        (lambda data: data[:20] + b"????" + data[24:], "belongs to another model"),
        (lambda data: data[:-3] + b"????"[:1] + data[-2:], "damaged: its checksum is wrong"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "its checksum is wrong"),
    ],
)
def test_damaged_bytes_are_refused(damage, message, model):
    with pytest.raises(ValueError, match=message):
        model.resume_session(damage(model.start_session(["photo-0"]).to_bytes()))


def test_a_visitor_who_stayed_while_the_model_was_trained(own_model):
    other = copy.deepcopy(own_model)
    other.add_items(pd.DataFrame({"item": ["elsewhere"], "title": ["camera"]}))
    data = other.start_session(["photo-0", "elsewhere", "photo-1"]).to_bytes()
    own_model.partial_fit([["photo-0", "desk-0"]])
    session = own_model.resume_session(data, restart=True)
    assert session.history == ["photo-0", "photo-1"]
    expected = own_model.start_session(["photo-0", "photo-1"]).recommend(5)
    np.testing.assert_array_equal(session.recommend(5)[1], expected[1])
    # a session of this model goes on from its state
    again = own_model.resume_session(session.to_bytes(), restart=True)
    assert again.to_bytes() == session.to_bytes()


def test_items_that_another_process_learned_of_do_no_harm(own_model):
    other = copy.deepcopy(own_model)
    other.add_items(pd.DataFrame({"item": ["elsewhere"], "title": ["camera"]}))
    data = other.start_session(["photo-0", "elsewhere"]).to_bytes()
    session = own_model.resume_session(data)
    assert session.history == ["photo-0", "elsewhere"]
    assert session.recommend(15)[0].tolist().count(None) == 1


def test_integer_ids_of_numpy(shop_log, shop_items):
    number = {item: i for i, item in enumerate(shop_items["item"])}
    log = shop_log.assign(item=shop_log["item"].map(number))
    model = fit(log, shop_items.assign(item=range(15)))
    session = model.start_session(np.array([1, 2])).add(np.int32(3))
    assert session.history == [1, 2, 3]
    resumed = model.resume_session(session.to_bytes())
    np.testing.assert_array_equal(resumed.recommend(5)[0], session.recommend(5)[0])
    assert "[1, 2, 3]" in repr(resumed)
    assert isinstance(resumed, Session)


def test_another_process_goes_on_with_a_session(own_model, tmp_path):
    own_model.save(tmp_path / "model")
    session = own_model.start_session(["photo-0", "photo-1"])
    (tmp_path / "session").write_bytes(session.to_bytes())
    code = """if True:
        from pathlib import Path
        from embrec import EmbRecEstimator
        model = EmbRecEstimator.load("model")
        session = model.resume_session(Path("session").read_bytes())
        print(*session.add("photo-2").recommend(5)[0])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == session.add("photo-2").recommend(5)[0].tolist()


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


def test_bytes_may_come_in_any_buffer(model):
    data = model.start_session(["photo-0"]).to_bytes()
    for same in (bytearray(data), memoryview(data)):
        assert model.resume_session(same).history == ["photo-0"]
