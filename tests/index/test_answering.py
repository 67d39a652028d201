"""What an index is asked, against a loop over scores in float64."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from embrec.data.ragged import Ragged
from embrec.index import ExactIndex, answering
from embrec.index.filters import Filter

D = 3


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def draw_with_ties(seed, n):
    """Small integers: scores that are exact, and often equal."""
    return np.random.default_rng(seed).integers(-2, 3, (n, D)).astype(np.float32)


def expected_ranks(vectors, queries, targets, rules, ties):
    """Count those that are ahead of each target, one by one."""
    ranks, n_candidates = [], []
    for i, (query, target) in enumerate(zip(queries, targets, strict=True)):
        excluded = {row for lists in rules.excluded for row in lists[i]}
        ahead = equal = n = 0
        for row, vector in enumerate(vectors):
            if row != target and (
                (rules.include is not None and row not in rules.include) or row in excluded
            ):
                continue
            n += 1
            score, own = float(query @ vector), float(query @ vectors[target])
            ahead += score > own
            equal += score == own and row != target
        if target in excluded or (rules.include is not None and target not in rules.include):
            ranks.append(n - 1)
            n_candidates.append(n)
            continue
        ranks.append(ahead + {"pessimistic": equal, "average": equal / 2, "optimistic": 0}[ties])
        n_candidates.append(n)
    return ranks, n_candidates


@pytest.mark.parametrize("sparse", [True, False])
def test_when_nothing_is_left(sparse):
    vectors = draw(0, 3)
    index = ExactIndex().fit(sp.csr_array(vectors) if sparse else vectors)
    index.remove(np.arange(3))
    query = draw(1, 2)
    scores, rows = index.search(sp.csr_array(query) if sparse else query, 4)
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_ranks_leave_out_what_was_removed():
    vectors = np.array([[5], [4], [3], [2], [1]], dtype=np.float32)
    index = ExactIndex().fit(vectors)
    query = np.ones((1, 1), dtype=np.float32)
    index.remove(np.array([0, 3]))
    ranks, n_candidates = index.rank(query, np.array([4]))
    assert (ranks.tolist(), n_candidates.tolist()) == ([2], [3])
    rules = Filter(include=np.array([0, 1, 3, 4]))
    ranks, n_candidates = index.rank(query, np.array([4]), rules)
    assert (ranks.tolist(), n_candidates.tolist()) == ([1], [2])
    scores, rows = index.search(query, 3, rules)
    assert rows.tolist() == [[1, 4, -1]]
    assert scores.tolist() == [[4, 1, -np.inf]]


def test_queries_of_doubles():
    vectors, query = draw(0, 4), draw(1, 2)
    index = ExactIndex().fit(vectors.astype(np.float64))
    for found, expected in zip(
        index.search(query.astype(np.float64), 2),
        ExactIndex().fit(vectors).search(query, 2),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("ties", ["pessimistic", "average", "optimistic"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_ranks_against_a_loop(ties, kind):
    vectors, queries = draw_with_ties(0, 40), draw_with_ties(1, 6)
    targets = np.array([0, 39, 5, 5, 17, 20])
    excluded = Ragged.from_lengths(np.array([3, 4, 5, 5, 38]), np.array([2, 1, 0, 0, 1, 1]))
    of_kind = sp.csr_array if kind == "sparse" else np.asarray
    index = ExactIndex(memory=300).fit(of_kind(vectors))
    for rules in (
        Filter(),
        Filter(include=np.arange(0, 40, 3)),
        Filter(include=np.arange(2, 40), excluded=(excluded,)),
    ):
        ranks, n_candidates = index.rank(of_kind(queries), targets, rules, ties=ties)
        expected = expected_ranks(vectors, queries, targets, rules, ties)
        assert (ranks.tolist(), n_candidates.tolist()) == expected


def test_ranks_and_the_best_in_one_pass():
    vectors, queries = draw(0, 30), draw(1, 4)
    index = ExactIndex().fit(vectors)
    index.remove([2, 9])
    targets, rules = np.array([0, 1, 29, 3]), Filter(exclude=np.array([7]))
    ranks, n_candidates, rows = index.rank_and_find(queries, targets, 5, rules)
    np.testing.assert_array_equal(rows, index.search(queries, 5, rules)[1])
    for found, expected in zip(
        (ranks, n_candidates), index.rank(queries, targets, rules), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert (rows.dtype, index.rank_and_find(queries, targets, 0)[2].shape) == (np.int64, (4, 0))


def test_more_than_there_are_is_filled_up():
    index = ExactIndex().fit(np.array([[1], [3], [2]], dtype=np.float32))
    scores, rows = index.search([[1.0]], 5)
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)
    assert rows.tolist() == [[1, 2, 0, -1, -1]]
    assert scores.tolist() == [[3, 2, 1, -np.inf, -np.inf]]
    assert index.rank_and_find([[1.0]], np.array([0]), 5)[2].tolist() == rows.tolist()


def test_no_more_is_looked_for_than_there_are(monkeypatch):
    """What is found takes memory by k, several times over."""
    asked = []
    for name, place in (("search", 2), ("rank_and_find", 3)):
        true = getattr(answering, name)
        monkeypatch.setattr(
            answering,
            name,
            lambda *args, true=true, place=place, **more: (
                asked.append(args[place]) or true(*args, **more)
            ),
        )
    index = ExactIndex().fit(np.eye(3, dtype=np.float32))
    index.remove([1])
    queries = np.ones((2, 3), dtype=np.float32)
    assert index.search(queries, 10**6)[1].shape == (2, 10**6)
    assert index.rank_and_find(queries, np.array([0, 2]), 10**6)[2].shape == (2, 10**6)
    assert asked == [2, 2]
    index.remove([0, 2])
    assert (index.search(queries, 4)[1] == -1).all()


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_length_of_a_query_does_not_matter_to_cosines(kind):
    vectors, queries = draw(0, 30), draw(1, 4)
    of_kind = sp.csr_array if kind == "sparse" else np.asarray
    index = ExactIndex(metric="angular").fit(of_kind(vectors))
    scores, rows = index.search(of_kind(queries * np.float32(7)), 30)
    long, unit = queries.astype(np.float64), vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosines = long @ unit.T / np.linalg.norm(long, axis=1)[:, None]
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, rows, axis=1), atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda i, q: i.search(q[:, :2], 3), r"shape \(n_queries, 3\), as .*; got \(4, 2\)"),
        (lambda i, q: i.search(sp.csr_array(q[:, :2]), 3), r"queries of shape .*got \(4, 2\)"),
        (lambda i, q: i.search(q[0], 3), r"shape \(n_queries, 3\).*got \(3,\)"),
        (lambda i, q: i.rank(q[0], [3]), r"shape \(n_queries, 3\).*got \(3,\)"),
        (lambda i, q: i.search(q, 0), "k must be an integer >= 1; got 0"),
        (lambda i, q: i.search(q, -1), "k must be an integer >= 1; got -1"),
    ],
    ids=["short", "sparse", "one", "one-rank", "none", "negative"],
)
def test_what_cannot_be_asked(ask, message):
    with pytest.raises(ValueError, match=message):
        ask(ExactIndex().fit(draw(0, 8)), draw(1, 4))


@pytest.mark.parametrize(
    "call",
    [
        lambda index: index.search([[1.0]], 1),
        lambda index: index.rank([[1.0]], [0]),
        lambda index: index.rank_and_find([[1.0]], [0], 1),
    ],
    ids=["search", "rank", "both"],
)
def test_before_fit(call):
    with pytest.raises(NotFittedError):
        call(ExactIndex())


def test_equal_scores_stand_by_row_though_vectors_have_moved():
    vectors = np.ones((6, 2), dtype=np.float32)
    index = ExactIndex().fit(vectors)
    index.replace(np.array([4, 1]), vectors[:2])
    query = np.ones((1, 2), dtype=np.float32)
    for k in (3, 6):
        assert index.search(query, k)[1].tolist() == [list(range(k))]
        assert index.rank_and_find(query, np.array([5]), k)[2].tolist() == [list(range(k))]
    assert index.search(query, 2, Filter(include=np.array([5, 4, 1])))[1].tolist() == [[1, 4]]
    many = ExactIndex().fit(np.ones((300, 2), dtype=np.float32))
    many.replace(np.array([4, 1]), vectors[:2])
    assert many.search(query, 2, Filter(include=np.array([5, 4, 1])))[1].tolist() == [[1, 4]]
