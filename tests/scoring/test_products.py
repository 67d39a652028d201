"""Inner products, a block of queries at a time."""

import numpy as np
import pytest
import torch
from drawn_candidates import M, N, as_kind, vectors

from embrec.scoring.products import score_blocks


def test_blocks_are_as_large_as_the_memory_allows():
    queries, items = torch.zeros(10, 2), torch.zeros(6, 2)
    sizes = [len(scores) for _, scores in score_blocks(queries, items, memory=4 * 6 * 4)]
    assert sizes == [4, 4, 2]
    assert [start for start, _ in score_blocks(queries, items, memory=1)] == list(range(10))


@pytest.mark.parametrize("kind", ["dense", "sparse", "array"])
@pytest.mark.parametrize("n", [1, N])
def test_products_of_parts_are_those_of_the_whole(kind, n):
    queries, items = vectors(0, n), vectors(1, M)
    kinds = (lambda x: x) if kind == "array" else (lambda x: as_kind(x, kind))
    parts = [kinds(items[:5]), kinds(items[5:])]
    blocks = score_blocks(kinds(queries), parts, memory=4 * M * 2)
    found = np.concatenate([scores.numpy() for _, scores in blocks])
    np.testing.assert_allclose(found, queries @ items.T, rtol=1e-5, atol=1e-6)
