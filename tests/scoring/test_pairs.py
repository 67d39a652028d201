"""Scores of pairs: the same whatever they are computed with, and never far from a block's."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from drawn_candidates import D, M, N, as_kind, vectors

from embrec.data.side_by_side import SideBySide
from embrec.scoring.pairs import Pairs
from embrec.scoring.products import score_blocks

EVERY = np.divmod(np.arange(N * M), M)


@pytest.mark.parametrize("kind", ["dense", "sparse", "array"])
def test_a_pair_scores_the_same_in_any_company(kind):
    of_kind = (lambda x: x) if kind == "array" else (lambda x: as_kind(x, kind))
    queries, items = of_kind(vectors(0, N)), vectors(1, M)
    whole = Pairs(queries, [of_kind(items)])
    parts = Pairs(queries, [of_kind(items[:5]), of_kind(items[5:])])
    numbers, columns = EVERY
    scores = whole.scores(numbers, columns)
    np.testing.assert_array_equal(parts.scores(numbers, columns), scores)
    alone = [whole.scores(*(np.array([i]) for i in pair))[0] for pair in zip(*EVERY, strict=True)]
    np.testing.assert_array_equal(alone, scores)
    np.testing.assert_array_equal(whole.many_scores(numbers, columns), scores)
    np.testing.assert_allclose(scores, (vectors(0, N) @ items.T).ravel(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("scale", [1e-15, 1, 1e15])
def test_blocks_are_off_by_no_more_than_the_slack(n, scale):
    rng = np.random.default_rng(n)
    queries = rng.normal(size=(n, 300)).astype(np.float32) * np.float32(scale)
    items = rng.normal(size=(500, 300)).astype(np.float32)
    pairs = Pairs(queries, [items])
    numbers, columns = np.divmod(np.arange(n * 500), 500)
    exact = pairs.scores(numbers, columns).reshape(n, 500)
    blocks = np.concatenate([scores.numpy() for _, scores in score_blocks(queries, items)])
    assert (np.abs(blocks.astype(np.float64) - exact) <= pairs.slack).all()
    assert (pairs.slack > 0).all()
    assert (pairs.slack < 1e-4 * np.linalg.norm(queries, axis=1, keepdims=True) * 30).all()
    longest = float(np.square(items).sum(axis=1).max())
    np.testing.assert_allclose(Pairs(queries, [items], longest).slack, pairs.slack, rtol=1e-5)


def test_sparse_blocks_are_summed_as_pairs_are():
    rng = np.random.default_rng(0)
    queries = as_kind(vectors(0, N), "sparse")
    for i in range(N):  # as products of sparse matrices are: in any order
        row = slice(*queries.indptr[i : i + 2])
        order = rng.permutation(row.stop - row.start)
        queries.data[row] = queries.data[row][order]
        queries.indices[row] = queries.indices[row][order]
    queries.has_sorted_indices = False
    items = as_kind(vectors(1, M), "sparse")
    blocks = np.concatenate([scores.numpy() for _, scores in score_blocks(queries, items)])
    pairs = Pairs(queries, [items])
    np.testing.assert_array_equal(pairs.scores(*EVERY), blocks.ravel())
    assert not pairs.slack.any()


def test_equal_vectors_are_known_by_the_first():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(30, D)).astype(np.float32)
    drawn = rng.integers(0, 30, 200)
    items = kinds[drawn]
    expected = [np.flatnonzero(drawn == kind)[0] for kind in drawn]
    queries = np.ones((2, D), dtype=np.float32)
    assert Pairs(queries, [items]).first_equal.tolist() == expected
    assert Pairs(queries, [items[:70], items[70:]]).first_equal.tolist() == expected


def test_equal_vectors_are_scored_once(monkeypatch):
    rng = np.random.default_rng(0)
    items = np.repeat(rng.normal(size=(5, D)).astype(np.float32), 20, axis=0)
    queries = rng.normal(size=(9, D)).astype(np.float32)
    numbers, columns = np.divmod(np.arange(900), 100)
    expected = Pairs(queries, [items]).scores(numbers, columns)
    pairs, seen = Pairs(queries, [items]), []
    scores = pairs.scores
    monkeypatch.setattr(pairs, "scores", lambda *pair: seen.append(len(pair[0])) or scores(*pair))
    np.testing.assert_array_equal(pairs.many_scores(numbers, columns), expected)
    assert seen == [9 * 5]
    # queries that are not the first
    later = numbers >= 3
    found = pairs.many_scores(numbers[later], columns[later])
    np.testing.assert_array_equal(found, expected[later])


def test_lengths_beyond_float32():
    queries = torch.tensor([[1e38, 1e38], [0.0, 0.0], [torch.nan, 1.0]])
    slack = Pairs(queries, [torch.full((3, 2), 1e30)]).slack
    assert np.isfinite(slack).all()


@pytest.mark.parametrize("kinds", [3, 60, 5000])
def test_pairs_are_listed_once_for_equal_vectors(kinds):
    rng = np.random.default_rng(kinds)
    items = rng.normal(size=(kinds, D)).astype(np.float32)[rng.integers(0, kinds, 100)]
    pairs = Pairs(np.ones((50, D), dtype=np.float32), [items])
    for share in (0.01, 0.9):
        where = rng.random((50, 100)) < share
        numbers, columns, counts = pairs.distinct(where.copy())
        expected = {}
        for number, column in zip(*np.nonzero(where), strict=True):
            key = number, items[column].tobytes()
            expected[key] = expected.get(key, 0) + 1
        found = {}
        for number, column, count in zip(numbers, columns, counts, strict=True):
            key = number, items[column].tobytes()
            found[key] = found.get(key, 0) + count
        assert found == expected
        if share > 0.5:
            assert len(numbers) == len(expected)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_matrices_side_by_side_are_off_by_no_more_than_the_slack(scale):
    rng = np.random.default_rng(0)

    def drawn(n):
        dense = rng.normal(size=(n, 64)).astype(np.float32)
        sparse = rng.normal(size=(n, 300)) * (rng.random((n, 300)) < 0.1) * scale
        return SideBySide([dense, sp.csr_array(sparse.astype(np.float32))])

    queries, items = drawn(50), drawn(400)
    pairs = Pairs(queries, [items])
    [(_, block)] = score_blocks(queries, items)
    numbers, columns = np.divmod(np.arange(block.numel()), 400)
    apart = abs(block.numpy() - pairs.scores(numbers, columns).reshape(50, 400))
    assert apart.any()
    assert (apart <= pairs.slack).all()
    products = [abs(q) @ abs(v).T for q, v in zip(queries.parts, items.parts, strict=True)]
    largest = (products[0] + products[1].toarray()).max(axis=1, keepdims=True)
    assert (pairs.slack > 2**-24 * largest).all()  # what one rounding takes
