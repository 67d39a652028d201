"""A static search: what is fetched first, and then, and what that leaves of the order."""

import numpy as np
import pytest

from embrec.data.ragged import Ragged
from embrec.index import fetching
from embrec.index.fetching import search_static
from embrec.index.filters import Filter
from embrec.index.rows import RowStore

N, D = 8192, 8


class Forgetful:
    """Finds the n best of the even slots; and of the odd ones if more than 100 are asked for."""

    recall = 0.5
    n_held = N

    def __init__(self, vectors):
        self.vectors = vectors
        self.asked = []

    def search(self, queries, n):
        self.asked.append((len(queries), n))
        scores = queries @ self.vectors.T
        if n <= 100:
            scores[:, 1::2] = -np.inf
        return np.argsort(-scores, axis=1, kind="stable")[:, :n]


@pytest.fixture
def store():
    rng = np.random.default_rng(0)
    vectors = rng.integers(-3, 4, (N, D)).astype(np.float32)  # many scores are equal
    store = RowStore(vectors, static=Forgetful(vectors))
    store.write(np.array([7, N, 9, N + 1]), rng.integers(-3, 4, (4, D)).astype(np.float32))
    store.remove(np.array([0, 2, N]))
    return store


@pytest.fixture
def queries():
    return np.random.default_rng(1).integers(-3, 4, (6, D)).astype(np.float32)


def lists(store, queries, k, rules=None, memory=2**20):
    slots, scores = search_static((rules or Filter()).slots(store.snapshot), queries, k, memory)
    return store.snapshot.rows_at(slots.ravel()).reshape(slots.shape), scores


def rules_of(kind):
    if kind == "all":
        return Filter()
    if kind == "half":
        return Filter(include=np.arange(1, N, 2), exclude=np.arange(1, N, 8))
    seen = np.random.default_rng(2).integers(0, N, 6 * 40)
    return Filter(excluded=(Ragged.from_lengths(seen, np.full(6, 40)),))


@pytest.mark.parametrize("kind", ["all", "half", "seen"])
def test_lists_go_on_where_shorter_ones_end(kind, store, queries):
    rules = rules_of(kind)
    longest, scores = lists(store, queries, N + 10, rules)
    for k in (1, 5, 60, 70, 200, 1000, N):
        rows, of_rows = lists(store, queries, k, rules, memory=2**14)
        np.testing.assert_array_equal(rows, longest[:, :k])
        np.testing.assert_array_equal(of_rows, scores[:, :k])
    allowed = set(np.flatnonzero(store.snapshot.active))
    for i, row in enumerate(longest.tolist()):
        wanted = allowed - set(rules.excluded[0][i] if rules.excluded else ())
        if rules.include is not None:
            wanted &= set(rules.include) - set(rules.exclude)
        found = [slot for slot in row if slot >= 0]
        assert len(found) == len(set(found))
        assert set(found) == wanted  # nothing is lost


def test_what_was_missed_at_first_follows(store, queries):
    rows, scores = lists(store, queries, 200)
    vectors = store.snapshot.take(np.arange(store.snapshot.n_rows))
    alive = store.snapshot.active
    for row, of_row, query in zip(rows, scores, queries, strict=True):
        np.testing.assert_array_equal(of_row, vectors[row] @ query)
        changed = np.isin(row, [7, 9, N + 1])
        first = row[~changed][:60]
        evens = np.flatnonzero(alive[:N:2]) * 2
        best = evens[np.lexsort((evens, -(vectors[evens] @ query)))]
        assert first.tolist() == best[:60].tolist()
        assert (row[100:] % 2 == 1).any()


def test_how_many_are_fetched(store, queries):
    static = store.snapshot.static
    lists(store, queries, 5)
    assert static.asked == [(6, 65)]
    static.asked.clear()
    lists(store, queries, 100)
    assert static.asked == [(6, 65), (6, 260)]
    static.asked.clear()
    lists(store, queries, 5, Filter(include=np.arange(0, N, 4)))
    assert static.asked[0][1] == pytest.approx(4 * (64 + 2 * 48**0.5), abs=2)


def test_too_many_are_all_scored(store, queries, monkeypatch):
    scored = []
    search_all = fetching.search_all
    monkeypatch.setattr(
        fetching, "search_all", lambda *args: scored.append(len(args[1])) or search_all(*args)
    )
    lists(store, queries, 200)
    assert not scored
    lists(store, queries, 600)
    assert scored == [6]


def test_equal_vectors_that_came_later_stand_by_row(store, queries):
    store.write(np.array([9, 7]), np.repeat(queries[:1] * 100, 2, axis=0))
    assert lists(store, queries[:1], 1)[0].tolist() == [[7]]
    assert lists(store, queries[:1], 2)[0].tolist() == [[7, 9]]
