"""The items that training has seen, against dicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.training import TrainedItems

N_ROWS = 8
counts = st.lists(st.integers(0, 3), min_size=N_ROWS, max_size=N_ROWS)
logs = st.lists(
    st.tuples(counts, st.booleans(), st.none() | st.lists(st.integers(0, N_ROWS - 1))), max_size=4
)


@given(logs)
def test_places_and_counts_are_those_of_a_dict(steps):
    found, known = TrainedItems.none(), {}
    for events, is_new, also in steps:
        rows = None if also is None else np.array(also, dtype=np.int64)
        found = found.and_those_of(np.array(events), also=rows, is_new=is_new)
        for row in range(N_ROWS):  # new ones in the order of their rows, after those known
            if events[row] or row in (also or []):
                known.setdefault(row, 0)
        for row in known:
            known[row] = known[row] + events[row] if is_new else max(known[row], events[row])
    assert found.rows.tolist() == list(known)
    assert found.counts.tolist() == list(known.values())
    asked = np.array([-1, *range(N_ROWS), N_ROWS, 10**6, 3])
    places = {row: place for place, row in enumerate(known)}
    assert found.places(asked).tolist() == [places.get(row, -1) for row in asked.tolist()]
    assert found.counts_of(asked).tolist() == [known.get(row, 0) for row in asked.tolist()]
    assert found.rows.dtype == found.counts.dtype == found.places(asked).dtype == np.int64


@pytest.mark.parametrize("is_new", [True, False])
def test_what_was_there_stays_as_it_is(is_new):
    first = TrainedItems.none().and_those_of(np.array([0, 3, 0, 2]))
    first.places(np.array([1]))  # which it may remember
    second = first.and_those_of(np.array([4, 1, 0, 5, 0, 6]), is_new=is_new)
    assert (first.rows.tolist(), first.counts.tolist()) == ([1, 3], [3, 2])
    assert second.rows.tolist() == [1, 3, 0, 5]
    assert second.counts.tolist() == ([4, 7, 4, 6] if is_new else [3, 5, 4, 6])
    assert second.places(np.array([0, 1, 2, 3, 4, 5])).tolist() == [2, 0, -1, 1, -1, 3]


def test_replayed_items_are_known_and_counted_no_more():
    found = TrainedItems.none().and_those_of(np.zeros(4, np.int64), also=np.array([2, 0, 2]))
    assert found.rows.tolist() == [0, 2]
    assert found.counts.tolist() == [0, 0]
