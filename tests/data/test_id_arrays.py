"""Ids as arrays, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors.numpy import load, save

from embrec.data.id_arrays import pack_ids, unpack_ids


def objects(ids):
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    return array


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=5)))
def test_strings_come_back_from_a_file_whatever_they_are(ids):
    again = unpack_ids(load(save(pack_ids(objects(ids)))))
    assert again.dtype == object
    assert again.tolist() == ids
    assert all(type(id_) is str for id_ in again)


def test_strings_are_their_bytes_and_where_each_ends():
    packed = pack_ids(objects(["é", "", "ab"]))
    assert sorted(packed) == ["ids:ends", "ids:utf8"]
    assert packed["ids:utf8"].tolist() == [0xC3, 0xA9, 97, 98]
    assert packed["ids:ends"].tolist() == [2, 2, 4]


@pytest.mark.parametrize("ids", [["\udc80", "b"], []], ids=["half a character", "none"])
def test_strings_that_are_easily_forgotten(ids):
    assert unpack_ids(pack_ids(objects(ids))).tolist() == ids


def test_integers_stay_as_they_are():
    ids = np.array([-(2**62) - 1, 0, 2**62 + 1])
    packed = load(save(pack_ids(ids)))
    assert list(packed) == ["ids"]
    assert unpack_ids(packed).dtype == np.int64
    assert_array_equal(unpack_ids(packed), ids)
