"""Sessions that a recommender starts, and takes up again from bytes."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from embrec.baselines import GRU4RecRecommender


def fit(shop_log, shop_items, seed=0):
    model = GRU4RecRecommender(6, max_epochs=1, random_state=seed)
    return model.fit(shop_log, items=shop_items)


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Do not change it."""
    return fit(shop_log, shop_items)


def test_a_session_begins_with_its_history(model):
    history = ["photo-0", "desk-1"]
    session = model.start_session(iter(history))
    assert session.history == history
    expected = model.recommend([history], k=5)
    ids, scores = session.recommend(5)
    assert ids.tolist() == expected[0][0].tolist()
    np.testing.assert_allclose(scores, expected[1][0], rtol=1e-5)
    assert model.start_session().history == []


def test_a_history_is_a_list_of_ids(model):
    for wrong in ("photo-0", 3):
        message = rf"must be a list of ids; got {wrong!r}. Pass \[{wrong!r}\]"
        with pytest.raises(TypeError, match=message):
            model.start_session(wrong)
    with pytest.raises(ValueError, match=r"history: 1 of 2 ids are not in the catalogue: 'nobody'"):
        model.start_session(["photo-0", "nobody"])


def test_a_log_is_one_session_per_user(model, shop_log):
    users = shop_log["user"].unique()[:9]
    some = shop_log[shop_log["user"].isin(users)]
    batch = model.start_sessions(some)
    assert batch.histories == [
        some.loc[some["user"] == user, "item"].tolist() for user in some["user"].unique()
    ]
    with pytest.raises(ValueError, match="histories is empty"):
        model.start_sessions([])


def test_sessions_go_on_from_their_bytes_in_their_order(model):
    histories = [["photo-0"], [], ["desk-1", "trail-2"]]
    data = [model.start_session(history).to_bytes() for history in histories]
    assert model.resume_sessions(data).histories == histories
    assert model.resume_sessions(iter(data)).recommend(4)[0].tolist() == (
        model.start_sessions(histories).recommend(4)[0].tolist()
    )
    assert model.resume_session(data[2]).history == histories[2]


def test_sessions_of_another_model_start_again_if_asked_to(model, shop_log, shop_items):
    history = ["photo-0", "desk-1"]
    data = fit(shop_log, shop_items, seed=1).start_session(history).to_bytes()
    for resume in (model.resume_session, lambda data: model.resume_sessions([data])):
        with pytest.raises(ValueError, match="belongs to another model"):
            resume(data)
    expected = model.start_session(history).recommend(5)[1]
    again = model.resume_session(data, restart=True)
    np.testing.assert_allclose(again.recommend(5)[1], expected, rtol=1e-5)
    many = model.resume_sessions([data, data], restart=True).recommend(5)[1]
    np.testing.assert_allclose(many, [expected, expected], rtol=1e-5)


def test_what_is_no_session(model):
    with pytest.raises(TypeError, match="got str"):
        model.resume_session("session")
    data = model.start_session().to_bytes()
    for one in (data, bytearray(data), memoryview(data), "session"):
        with pytest.raises(TypeError, match=r"Expected a list of bytes; got .* Pass \[data\]"):
            model.resume_sessions(one)
    with pytest.raises(ValueError, match="data is empty"):
        model.resume_sessions([])


@pytest.mark.parametrize(
    "ask",
    ["start_session", "start_sessions", "resume_session", "resume_sessions"],
)
def test_before_fit(ask):
    with pytest.raises(NotFittedError):
        getattr(GRU4RecRecommender(), ask)(*[[]] * (ask != "start_session"))
