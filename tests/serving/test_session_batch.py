"""Many sessions at once: what each would say alone."""

import copy
import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers
from embrec.data.growing import GrowingRagged
from embrec.data.ragged import Ragged
from embrec.serving.serialized_session import SerializedSession

ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


def fit(shop_log, shop_items, **changes):
    parts = {"item_model": ItemTowers(8), "encoder": GRUEncoder(8)}
    options = {"max_epochs": 2, "random_state": 0, **parts, **changes}
    return EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), **options).fit(
        shop_log, items=shop_items
    )


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Do not change it."""
    return fit(shop_log, shop_items, max_length=4, encoder=GRUEncoder(8, n_layers=2))


@pytest.fixture
def own_model(shop_log, shop_items):
    return fit(shop_log, shop_items)


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
    data = batch.to_bytes()
    own_model.partial_fit([["photo-0", "desk-0"]])
    with pytest.raises(RuntimeError, match="was trained since"):
        batch.recommend()
    with pytest.raises(RuntimeError, match="was trained since"):
        batch.add(["desk-0", "desk-0"])
    new = own_model.start_sessions([["trail-0"]]).to_bytes()
    with pytest.raises(ValueError, match="belongs to another model"):
        own_model.resume_sessions(new + data)
    mixed = own_model.resume_sessions(new + data, restart=True)
    check(mixed, own_model, [["trail-0"], ["photo-0"], ["desk-0"]])


def test_items_of_other_processes(own_model):
    """Two visitors come from where more items are known, and go back there."""
    other = copy.deepcopy(own_model)
    more = pd.DataFrame({"item": ["x", "y"], "title": ["camera", "pen"]})
    other.add_items(more)
    histories = [["photo-0", "x"], ["desk-0"], ["y", "x", "trail-0"]]
    data = other.start_sessions(histories).to_bytes()
    here = own_model.resume_sessions(data)
    assert here.histories == histories
    ids, _ = here.recommend(15)
    assert not {"x", "y"} & set(ids.ravel().tolist())
    here.add(["desk-1", "desk-2", "desk-3"])
    histories = [[*ids, f"desk-{i + 1}"] for i, ids in enumerate(histories)]
    check(other.resume_sessions(here.to_bytes()), other, histories)
    # once they are known here too, they count as seen
    own_model.add_items(more)
    ids, _ = here.recommend(17)
    for row, history in zip(ids.tolist(), histories, strict=True):
        assert not set(row) & set(history)
        assert len(set(row) - {None}) == 17 - len(set(history))


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


def forged(session, **changes):
    """Bytes with a right checksum, made by somebody else."""
    parked = SerializedSession.from_bytes(session.to_bytes())
    return replace(parked, **changes).to_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": np.zeros(3, dtype=np.float32)}, "its state has 3 numbers, those of this"),
        ({"state": np.full(24, np.nan, dtype=np.float32)}, "no array of finite float32"),
        ({"history": {"a": 1}}, "its history is no list of ids"),
        ({"history": "photo-0"}, "its history is no list of ids"),
        ({"history": None}, "its history is no list of ids"),
        ({"history": [["photo-0"]]}, "its history is no list of ids"),
        ({"history": [True]}, "its history is no list of ids"),
        ({"history": ["photo-0", 3]}, "its history is no list of ids"),
        ({"history": [3]}, "its history holds 3, and ids of this catalogue are of type str"),
    ],
)
def test_bytes_that_to_bytes_does_not_make(model, changes, message):
    session = model.start_session(["photo-0"])
    with pytest.raises(ValueError, match=message):
        model.resume_session(forged(session, **changes))
    good = session.to_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        model.resume_sessions([good, forged(session, **changes), good])
    assert "data[1]" in str(caught.value)


def test_bytes_whose_json_is_broken(model):
    data = model.start_session(["photo-0"]).to_bytes()
    for end in (b"[" * 11, b'["photo-0",', b'["photo-\xff"]'):
        n = len(data) - len(b'["photo-0"]')
        broken = struct.pack("<16s16sIII", data[:16], data[16:32], crc32(data[44:n] + end),
                             n - 44, len(end)) + data[44:n] + end  # fmt: skip
        with pytest.raises(ValueError, match="its history is no JSON"):
            model.resume_session(broken)


def test_visitors_from_a_shop_with_other_ids_start_again(model):
    session = model.start_session(["photo-0"])
    numbers = forged(session, model="00" * 16, history=[3, 4])
    strings = forged(session, model="00" * 16, history=["desk-0", "nobody"])
    batch = model.resume_sessions([numbers, session.to_bytes(), strings], restart=True)
    check(batch, model, [[], ["photo-0"], ["desk-0"]])


def test_ids_take_no_more_bytes_than_in_utf8(model):
    parked = SerializedSession(
        "00" * 16, np.zeros(2, dtype=np.float32), ["日本語", "\udc80", "é\0"]
    )
    data = parked.to_bytes()
    assert SerializedSession.from_bytes(data).history == parked.history
    assert "日本語".encode() in data


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
        assert_allclose(batch._queries(np.array([position])), alone._batch._queries(np.array([0])),
                        atol=1e-5)  # fmt: skip
    assert batch._states.dtype == torch.float32


# ---- what histories are kept in


@given(data=st.data(), n=st.integers(1, 5))
def test_rows_grow_on_their_own(data, n):
    lists = data.draw(st.lists(st.lists(st.integers(-5, 99), max_size=5), min_size=n, max_size=n))
    rows = GrowingRagged(
        Ragged.from_lengths(
            np.array([value for one in lists for value in one], dtype=np.int64),
            np.array([len(one) for one in lists]),
        )
    )
    for _ in range(data.draw(st.integers(0, 30))):
        at = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
        values = [data.draw(st.integers(0, 99)) for _ in at]
        before = rows.take(np.arange(n))
        rows.append(np.array(at, dtype=np.int64), np.array(values, dtype=np.int64))
        assert [before[i].tolist() for i in range(n)] == lists  # what was taken stays
        for row, value in zip(at, values, strict=True):
            lists[row].append(value)
    taken = rows.take(np.arange(n))
    assert [taken[i].tolist() for i in range(n)] == lists
    assert rows.lengths.tolist() == [len(one) for one in lists]


def test_rows_take_a_bounded_multiple_of_their_space():
    rows = GrowingRagged(Ragged(np.empty(0, dtype=np.int64), np.zeros(11, dtype=np.int64)))
    for i in range(1000):
        rows.append(np.array([i % 3]), np.array([i]))
    assert len(rows._values) <= 4 * 1000
