"""Approximate indexes: the recall they promise, and what they are built and saved with."""

import pickle
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from embrec.index import (
    AnnoyIndex,
    ExactIndex,
    FaissIndex,
    HnswIndex,
    LowRecallWarning,
)
from embrec.index.approximate import N_QUERIES, TunedSearch, _sample, measure_recall, tune
from embrec.index.filters import Filter

N, D = 4000, 16
KINDS = {
    "annoy": lambda **settings: AnnoyIndex(random_state=0, **settings),
    "hnsw": lambda **settings: HnswIndex(random_state=0, **settings),
    "faiss": lambda **settings: FaissIndex(random_state=0, **settings),
}
LIBRARIES = {"annoy": "annoy", "hnsw": "usearch", "faiss": "faiss"}
#: How thorough a search is, by name, and a way to search badly.
EFFORTS = {"annoy": "search_k", "hnsw": "ef", "faiss": "n_probe"}


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    pytest.importorskip(LIBRARIES[request.param])
    return request.param


@pytest.fixture(scope="module")
def built():
    """Return an index of a kind as it is by default; do not change it."""
    return cache(lambda kind: KINDS[kind]().fit(VECTORS))


def draw(seed, n):
    """Vectors in clusters, of lengths that differ."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(40, D))
    vectors = centres[rng.integers(0, 40, n)] + 0.5 * rng.normal(size=(n, D))
    return (vectors * rng.lognormal(0, 0.3, (n, 1))).astype(np.float32)


VECTORS, QUERIES = draw(1, N), draw(2, 300)


def true_best(queries, vectors, k):
    return np.argsort(-(queries.astype(np.float64) @ vectors.T), axis=1)[:, :k]


def recall(found, true):
    return np.mean([len(set(f) & set(t)) / len(t) for f, t in zip(found, true, strict=True)])


@pytest.mark.parametrize("min_recall", [0.7, 0.9, 0.97])
def test_the_recall_asked_for(kind, min_recall):
    """Other queries than those it was tuned with find as much, but for chance."""
    index = KINDS[kind](min_recall=min_recall).fit(VECTORS, queries=QUERIES[:150])
    assert index.recall_ >= min_recall
    asked = QUERIES[150:]
    measured = recall(index.search(asked, 50)[1], true_best(asked, VECTORS, 50))
    assert measured == pytest.approx(index.recall_, abs=0.07)
    assert recall(index.search(asked, 5)[1], true_best(asked, VECTORS, 5)) >= min_recall - 0.04


def test_more_recall_takes_more_effort(kind):
    efforts = [KINDS[kind](min_recall=r).fit(VECTORS).effort_ for r in (0.5, 0.98)]
    assert efforts[0] < efforts[1]


def test_an_effort_of_the_users(kind):
    index = KINDS[kind](**{EFFORTS[kind]: 77}, min_recall=0.1).fit(VECTORS)
    assert index.effort_ == 77
    assert 0.1 < index.recall_ <= 1


def test_less_recall_than_asked_for_is_said(kind):
    if kind == "hnsw":  # which keeps 50 candidates at least
        settings = {"ef": 1, "n_links": 2, "ef_build": 1, "precision": "i8", "min_recall": 1.0}
    else:
        settings = {EFFORTS[kind]: 1}
    with pytest.warns(LowRecallWarning, match=r"Index finds \d+\.\d% .* queries get \d+\.\d%"):
        index = KINDS[kind](**settings).fit(VECTORS)
    assert index.recall_p10_ <= index.recall_ < index.min_recall


def test_scores_are_exact(kind, built):
    index = built(kind)
    scores, rows = index.search(QUERIES, 10)
    exact = np.einsum("qd,qkd->qk", QUERIES.astype(np.float64), VECTORS[rows])
    np.testing.assert_allclose(scores, exact, rtol=1e-5, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    # a query alone gets the very numbers that it gets among others
    for i in (0, 7):
        np.testing.assert_array_equal(index.search(QUERIES[i : i + 1], 10)[0][0], scores[i])
    np.testing.assert_array_equal(
        index.search(QUERIES, 10, exactly=True)[0][:, 0],
        ExactIndex().fit(VECTORS).search(QUERIES, 10)[0][:, 0],
    )


@pytest.mark.parametrize("n_left", [30, 3])
def test_filters_that_leave_few_still_find_all(kind, built, n_left):
    index = built(kind)
    rng = np.random.default_rng(0)
    left = rng.choice(N, n_left, replace=False)
    others = np.setdiff1d(np.arange(N), left)
    expected = left[np.argsort(-(QUERIES[:5] @ VECTORS[left].T), axis=1)][:, :10]
    for rules in (Filter(include=left), Filter(exclude=others)):
        found = index.search(QUERIES[:5], 10, rules)[1]
        assert found[:, : expected.shape[1]].tolist() == expected.tolist()
        assert (found[:, expected.shape[1] :] == -1).all()


def test_one_in_ten_may_be_shown(kind, built):
    """Few enough to miss, too many to be scored one by one."""
    index = built(kind)
    allowed = np.arange(0, N, 10)
    _, found = index.search(QUERIES, 10, Filter(include=allowed))
    assert (found % 10 == 0).all()
    true = allowed[true_best(QUERIES, VECTORS[allowed], 10)]
    assert recall(found, true) > 0.9


def test_by_cosine(kind):
    index = KINDS[kind](metric="angular").fit(VECTORS)
    scores, rows = index.search(QUERIES, 10)
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    asked = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    assert recall(rows, true_best(asked, unit, 10)) > 0.9
    np.testing.assert_allclose(scores[:, 0], (asked * unit[rows[:, 0]]).sum(1), atol=1e-5)


def test_the_same_seed_builds_the_same(kind, built):
    first, second = built(kind), KINDS[kind]().fit(VECTORS)
    assert first.effort_ == second.effort_
    np.testing.assert_array_equal(first.search(QUERIES, 10)[1], second.search(QUERIES, 10)[1])


def test_pickles_as_it_is(kind):
    index = KINDS[kind]().fit(VECTORS)
    index.replace(np.array([3]), QUERIES[:1] * 9)
    index.remove(np.array([5]))
    again = pickle.loads(pickle.dumps(index.rebuild()))
    assert (again.recall_, again.effort_) == (index.recall_, index.effort_)
    assert again.recall_p10_ == index.recall_p10_
    for found, expected in zip(again.search(QUERIES, 10), index.search(QUERIES, 10), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_few_vectors_are_all_scored(kind):
    index = KINDS[kind]().fit(VECTORS[:100])
    assert index.snapshot.static is None
    assert (index.recall_, index.recall_p10_, index.effort_) == (1.0, 1.0, None)


def test_sparse_vectors_are_refused(kind):
    with pytest.raises(TypeError, match="dense data is required"):
        KINDS[kind]().fit(sp.csr_array(VECTORS))


def test_recall_is_the_share_that_was_found():
    found = np.array([[3, 1, -np.inf], [7, 8, 9]], dtype=np.float32)
    best = np.array([[3, 2], [9, 8]], dtype=np.float32)
    assert measure_recall(found, best).tolist() == [0.5, 1]
    fewer = np.array([[3, -np.inf], [9, 8]], dtype=np.float32)
    assert measure_recall(found, fewer).tolist() == [1, 1]


def test_any_of_many_equal_vectors_will_do(kind):
    vectors = np.repeat(draw(3, 40), 100, axis=0)
    assert KINDS[kind]().fit(vectors, queries=QUERIES).recall_ >= 0.95


def among_equal_ones(rng):
    """Vectors of which most are equal, and the rows of the others."""
    vectors = np.repeat(rng.normal(size=(1, D)), 1500, axis=0)
    others = np.sort(rng.permutation(1500)[:400])
    vectors[others] = rng.normal(size=(400, D))
    return vectors.astype(np.float32), others


def test_equal_vectors_hide_no_others(kind):
    vectors, others = among_equal_ones(np.random.default_rng(0))
    index = KINDS[kind](metric="angular").fit(vectors)
    assert index.search(vectors[others], 1)[1][:, 0].tolist() == others.tolist()
    # and are all found, by row, but for what may not be
    index.remove(np.arange(0, 1500, 7))
    rules = Filter(exclude=np.arange(1, 1500, 7))
    same = [r for r in range(1500) if r % 7 > 1 and r not in others]
    asked = np.setdiff1d(np.arange(1500), others)[:1]
    for _ in range(2):
        longest = index.search(vectors[asked], 1500, rules)[1][0]
        assert longest[: len(same)].tolist() == same
        for k in (1, 60, 70, 400, 900):
            assert index.search(vectors[asked], k, rules)[1][0].tolist() == longest[:k].tolist()
        index.rebuild()  # without what was removed


class Thorough:
    """Finds the best places, as many of them as its effort says."""

    efforts = (1, 3, 30)

    def __init__(self, vectors):
        self.vectors = vectors

    def search(self, queries, n):
        best = true_best(queries, self.vectors, n)
        best[:, self.effort :] = -1
        return best


def test_places_stand_for_all_their_slots():
    rng = np.random.default_rng(0)
    places, of_slot = draw(0, 30), rng.integers(0, 30, 500)
    backend = Thorough(places)
    backend.effort = 30
    offsets = np.concatenate([[0], np.cumsum(np.bincount(of_slot, minlength=30))])
    slots = np.argsort(of_slot, kind="stable")
    search = TunedSearch(backend, slots * 2, offsets=offsets)
    scores = QUERIES[:20] @ places.T
    for n in (1, 8, 40, 500, 510):
        found = search.search(QUERIES[:20], n)
        assert n <= found.shape[1] < 2 * n
        for of_query, row in zip(scores, found, strict=True):
            there = row[row >= 0]
            assert len(set(there)) == len(there)
            best = np.lexsort((np.arange(500), -of_query[of_slot]))[:n]
            assert set(best * 2) <= set(there)


def test_recall_by_query():
    vectors = draw(5, 30)
    search = TunedSearch(Thorough(vectors), np.arange(30))
    # one query in five has all its best where the search looks, the others a third of them
    best = np.full((20, 3), -np.inf, dtype=np.float32)
    best[:] = -np.sort(-(QUERIES[:20] @ vectors.T), axis=1)[:, :3]
    best[::5, 1:] = -np.inf
    tune(search, vectors, QUERIES[:20], best, 0.4, None)
    assert search.backend.effort == 1
    assert search.recall == pytest.approx(0.2 + 0.8 / 3)
    assert search.recall_p10 == pytest.approx(1 / 3)
    tune(search, vectors, QUERIES[:20], best, 0.9, None)
    assert (search.backend.effort, search.recall, search.recall_p10) == (3, 1, 1)


@pytest.mark.parametrize("spread", [0, 1e-3])
def test_queries_are_drawn_from_what_lies_apart_too(spread):
    rng = np.random.default_rng(0)
    vectors = draw(1, 1) + spread * rng.normal(size=(20_000, D))
    vectors[:200] = 3 + rng.normal(size=(200, D))
    drawn = _sample(vectors.astype(np.float32), np.random.RandomState(0))
    assert drawn.shape == (N_QUERIES, D)
    n_apart = (np.abs(drawn - draw(1, 1)).max(axis=1) > 0.1).sum()
    assert N_QUERIES / 5 < n_apart < 0.6 * N_QUERIES


def test_a_hasty_search_is_tuned_with_what_lies_apart(kind):
    """Most queries are served by what all are near; the mean over them would hide the others."""
    vectors, others = among_equal_ones(np.random.default_rng(0))
    vectors += np.random.default_rng(1).normal(size=vectors.shape).astype(np.float32) * 1e-3
    index = KINDS[kind](metric="angular", min_recall=0.8).fit(vectors)
    found = index.search(vectors[others], 1)[1][:, 0]
    assert (found == others).mean() > 0.95
