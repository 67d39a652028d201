"""Bytes of sessions: what is in them, and what is refused."""

import json
import math
import re
import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.serving.serialized_session import SerializedSession

MODEL = "0123456789abcdef" * 2
PARKED = SerializedSession(MODEL, np.array([1, -2.5], dtype=np.float32), ["photo-0"])
DATA = PARKED.to_bytes()

#: The float32 below 1e18, where states end.
LARGEST = float(np.nextafter(np.float32(1e18), np.float32(0)))
STATES = st.lists(st.floats(-LARGEST, LARGEST, width=32), max_size=5)
HISTORIES = st.lists(st.text(st.characters(), max_size=4)) | st.lists(st.integers())


def bytes_of(state, history, model=MODEL):
    """The layout, written down a second time."""
    head = struct.pack("<16s16sIII", b"embrec-session-1", bytes.fromhex(model),
                       crc32(state + history), len(state), len(history))  # fmt: skip
    return head + state + history


@settings(max_examples=40, deadline=None)
@given(STATES, HISTORIES)
def test_what_is_packed_comes_back(state, history):
    state = np.array(state, dtype=np.float32)
    again = SerializedSession.from_bytes(SerializedSession(MODEL, state, history).to_bytes())
    assert (again.model, again.history) == (MODEL, history)
    assert again.state.dtype == np.float32
    np.testing.assert_array_equal(again.state, state)
    assert again.state.flags.writeable  # it is the reader's own


def test_the_layout_stays_what_it_is():
    """Cookies outlive the process that made them."""
    state = struct.pack("<2f", 1, -2.5)
    assert bytes_of(state, b'["photo-0"]') == DATA
    big_endian = replace(PARKED, state=PARKED.state.astype(">f4"))
    assert big_endian.to_bytes() == DATA


def test_bytes_may_come_in_any_buffer():
    for same in (bytearray(DATA), memoryview(DATA)):
        assert SerializedSession.from_bytes(same).history == ["photo-0"]


N = len(DATA)
DAMAGES = {
    "nothing": (b"", "These 0 bytes are not a session of this version"),
    "the head alone": (DATA[:40], "These 40 bytes are not a session"),
    "another magic": (b"x" + DATA[1:], "are not a session"),
    "too short": (DATA[:-1], f"damaged: expected {N} bytes, got {N - 1}"),
    "too long": (DATA + b"!", f"damaged: expected {N} bytes, got {N + 1}"),
    "another id": (DATA[:-3] + b"?" + DATA[-2:], "damaged: its checksum is wrong"),
    "a bit of the state": (DATA[:48] + bytes([DATA[48] ^ 1]) + DATA[49:], "checksum is wrong"),
    "a bit of the checksum": (DATA[:32] + bytes([DATA[32] ^ 1]) + DATA[33:], "checksum is wrong"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bytes_are_refused(damage):
    data, message = DAMAGES[damage]
    with pytest.raises(ValueError, match=message) as caught:
        SerializedSession.from_bytes(data)
    assert str(caught.value).endswith("Start another session.")


FORGED_STATES = {"part of a number": b"\0" * 6, "nan": struct.pack("<2f", 0, float("nan"))}
FORGED_STATES |= {"minus infinity": struct.pack("<f", -math.inf), "huge": struct.pack("<f", -2e18)}


@pytest.mark.parametrize("state", FORGED_STATES)
def test_states_that_no_network_has_are_refused(state):
    data = bytes_of(FORGED_STATES[state], b"[]")
    with pytest.raises(ValueError, match="its state is no array of finite float32"):
        SerializedSession.from_bytes(data)


FORGED = [{"a": 1}, "photo-0", None, 3, [["photo-0"]], [True], ["photo-0", 3], [1.5], [None]]


@pytest.mark.parametrize("history", FORGED, ids=repr)
def test_histories_that_hold_no_ids_are_refused(history):
    with pytest.raises(ValueError, match="its history is no list of ids"):
        SerializedSession.from_bytes(bytes_of(b"", json.dumps(history).encode()))


BROKEN = [b"[" * 11, b'["photo-0",', b'["photo-\xff"]', b"", b"[" * 100_000]


@pytest.mark.parametrize("history", BROKEN, ids=["open", "comma", "no UTF-8", "empty", "deep"])
def test_histories_that_are_no_json_are_refused(history):
    expected = re.escape("though their checksum is right: its history is no JSON (")
    with pytest.raises(ValueError, match=expected):
        SerializedSession.from_bytes(bytes_of(b"\0" * 8, history))


def test_ids_take_no_more_bytes_than_in_utf8():
    ids = ["日本語", "\udc80", "é\0"]
    data = replace(PARKED, history=ids).to_bytes()
    assert SerializedSession.from_bytes(data).history == ids
    assert "日本語".encode() in data


@pytest.mark.parametrize("time", [None, 0.0, 1.75e9, -3.25])
def test_the_time_of_the_last_event_comes_back(time):
    session = SerializedSession("0" * 32, np.float32([1, 2]), ["a", "b"], time)
    again = SerializedSession.from_bytes(session.to_bytes())
    assert (again.history, again.time) == (["a", "b"], time)
