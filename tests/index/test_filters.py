"""Limits on what may be found."""

import numpy as np

from embrec.data.ragged import Ragged
from embrec.index.filters import Filter, present_slots
from embrec.index.rows import RowStore


def snapshot():
    store = RowStore(np.eye(4, dtype=np.float32))
    store.write(np.array([1, 4]), np.ones((2, 4), dtype=np.float32))  # slots 4 and 5
    store.remove(np.array([3]))
    return store.snapshot


def allowed(rules):
    slots = np.arange(6)[None]
    may = rules.slots(snapshot()).may_answer(np.arange(2)[:, None], np.repeat(slots, 2, axis=0))
    return [np.flatnonzero(of_query).tolist() for of_query in may]


def test_what_is_dead_is_never_found():
    assert allowed(Filter()) == [[0, 2, 4, 5]] * 2


def test_limits_for_all_queries_and_for_each():
    assert allowed(Filter(include=np.array([1, 2, 3]))) == [[2, 4]] * 2
    assert allowed(Filter(exclude=np.array([1]))) == [[0, 2, 5]] * 2
    lists = Ragged.from_lengths(np.array([0, 1, 4]), np.array([1, 2]))
    assert allowed(Filter(included=lists)) == [[0], [4, 5]]
    assert allowed(Filter(excluded=(lists,))) == [[2, 4, 5], [0, 2]]
    assert allowed(Filter.without_itself(np.array([2, 1]))) == [[0, 4, 5], [0, 2, 5]]


def test_rows_that_are_newer_do_no_harm():
    assert present_slots(snapshot(), np.array([9, 1, -1])).tolist() == [4]
    assert allowed(Filter(include=np.array([9, 0]))) == [[0]] * 2
