"""Sessions that go on from bytes, or begin again from histories."""

import copy
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_recommender import fit_small

from embrec.components import SelfAttentionEncoder
from embrec.data.ragged import Ragged
from embrec.serving.resuming import resumed, started, unpacked
from embrec.serving.serialized_session import SerializedSession


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Do not change it."""
    return fit_small(shop_log, shop_items)


@pytest.fixture
def own_model(model):
    return copy.deepcopy(model)


def check(batch, model, histories):
    """A batch answers as its model does for these histories."""
    assert batch.histories == histories
    ids, scores = batch.recommend(6)
    expected_ids, expected = model.recommend(histories, k=6)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert list(map(set, ids.tolist())) == list(map(set, expected_ids.tolist()))


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


@pytest.mark.parametrize("encoder", ["gru", SelfAttentionEncoder(window=3)], ids=str)
def test_a_session_without_its_state_reads_its_history_anew(encoder, shop_log, shop_items):
    model = fit_small(shop_log, shop_items, encoder=encoder)
    histories = [["photo-0", "photo-1", "desk-2", "photo-3"], [], ["desk-1"]]
    batch = model.start_sessions(histories)
    data = batch.to_bytes(with_state=False)
    with_state = batch.to_bytes()
    assert all(len(few) < len(many) for few, many in zip(data, with_state, strict=True))
    assert data[0] == batch[0].to_bytes(with_state=False)
    assert len(data[1]) == 46  # a header, and a list of nothing
    # some with their state, some without
    check(model.resume_sessions([data[0], batch[1].to_bytes(), data[2]]), model, histories)
    last = batch[0].to_bytes(max_history=2, with_state=False)
    assert model.resume_session(last).history == ["desk-2", "photo-3"]
    check(model.resume_sessions([last]), model, [["desk-2", "photo-3"]])


def test_without_its_state_a_session_forgets_what_this_process_does_not_have(own_model):
    other = copy.deepcopy(own_model)
    other.add_items(pd.DataFrame({"item": ["elsewhere"], "title": ["camera"]}))
    data = other.start_session(["photo-0", "elsewhere"]).to_bytes(with_state=False)
    check(own_model.resume_sessions([data]), own_model, [["photo-0"]])


def test_items_that_another_process_learned_of_do_no_harm(own_model):
    other = copy.deepcopy(own_model)
    other.add_items(pd.DataFrame({"item": ["elsewhere"], "title": ["camera"]}))
    data = other.start_session(["photo-0", "elsewhere"]).to_bytes()
    session = own_model.resume_session(data)
    assert session.history == ["photo-0", "elsewhere"]
    assert session.recommend(15)[0].tolist().count(None) == 1


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


def forged(session, **changes):
    """Bytes with a right checksum, made by somebody else."""
    parked = SerializedSession.from_bytes(session.to_bytes())
    return replace(parked, **changes).to_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": np.zeros(3, dtype=np.float32)}, "its state has 3 numbers, those of this"),
        ({"history": "photo-0"}, "its history is no list of ids"),
        ({"history": [3]}, "its history holds 3, and ids of this catalogue are of type str"),
    ],
    ids=["width", "no list", "another kind"],
)
def test_bytes_that_to_bytes_does_not_make(model, changes, message):
    session = model.start_session(["photo-0"])
    with pytest.raises(ValueError, match=message):
        model.resume_session(forged(session, **changes))
    good = session.to_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        model.resume_sessions([good, forged(session, **changes), good])
    assert "data[1]" in str(caught.value)


def test_visitors_from_a_shop_with_other_ids_start_again(model):
    session = model.start_session(["photo-0"])
    numbers = forged(session, model="00" * 16, history=[3, 4])
    strings = forged(session, model="00" * 16, history=["desk-0", "nobody"])
    batch = model.resume_sessions([numbers, session.to_bytes(), strings], restart=True)
    check(batch, model, [[], ["photo-0"], ["desk-0"]])


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


def test_all_of_a_batch_must_be_of_this_model_or_may_start_again(own_model):
    data = own_model.start_sessions([["photo-0"], ["desk-0"]]).to_bytes()
    theirs = own_model.fingerprint_
    own_model.partial_fit([["photo-0", "desk-0"]])
    new = own_model.start_sessions([["trail-0"]]).to_bytes()
    message = f"another model (fingerprint {theirs}, this one is {own_model.fingerprint_})"
    with pytest.raises(ValueError, match=re.escape(message)):
        own_model.resume_sessions(new + data)
    mixed = own_model.resume_sessions(new + data, restart=True)
    check(mixed, own_model, [["trail-0"], ["photo-0"], ["desk-0"]])


def test_a_session_goes_on_from_its_state_and_not_its_history(model):
    """The history may have been cut; and reading it again would cost a step per item."""
    long = model.start_session(["photo-0", "desk-3", "trail-1"])
    short = SerializedSession.from_bytes(long.to_bytes(max_history=1))
    kept = replace(short, model="00" * 16)
    ours, restarted = resumed(model, [short, kept], restart=True)
    assert ours.history == restarted.history == ["trail-1"]
    for session, history in ((ours, long.history), (restarted, ["trail-1"])):
        expected = model.recommend([history], k=15, exclude_seen=False)[1][0]
        np.testing.assert_allclose(
            session.recommend(15, exclude_seen=False)[1], expected, atol=1e-5
        )


def test_an_encoder_may_keep_one_first_state_for_all(own_model, monkeypatch):
    """One row, given out as many: what is resumed is not written into it."""
    data = own_model.start_sessions([["photo-0"], ["desk-0"]]).to_bytes()
    first = own_model.network_.initial_states(1).detach().clone()
    untouched = first.clone()
    monkeypatch.setattr(own_model.network_.encoder, "initial_state", lambda n: first.expand(n, -1))
    batch = own_model.resume_sessions(data).add(["desk-1"], at=[1])
    check(batch, own_model, [["photo-0"], ["desk-0", "desk-1"]])
    assert first.equal(untouched)


def test_the_number_of_the_damaged_bytes_is_told_among_several(model):
    good = model.start_session().to_bytes()
    with pytest.raises(ValueError, match=r"not a session .* \(data\[2\]\)$"):
        unpacked(iter([good, good, b"?"]))
    with pytest.raises(ValueError, match=r"Start another session\.$"):
        unpacked([b"?"])
    assert unpacked([]) == []


def test_sessions_start_from_what_is_known(own_model):
    ids = np.array(["photo-0", "nobody", "nothing", "desk-1"], dtype=object)
    histories = Ragged.from_lengths(ids, np.array([2, 0, 1, 1]))
    with pytest.raises(ValueError, match="visits: 2 of 4 ids are not in the catalogue: 'nobody'"):
        started(own_model, histories, what="visits")
    own_model.set_params(on_unknown="skip")
    check(
        started(own_model, histories, what="visits"), own_model, [["photo-0"], [], [], ["desk-1"]]
    )
