"""Discounts: one more column."""

import numpy as np
import pytest
import scipy.sparse as sp

from embrec.evaluation import evaluate
from embrec.evaluation.discounting import discounted_index, discounted_queries
from embrec.index import ExactIndex
from embrec.serving.reranking import discounted


@pytest.mark.parametrize("name", ["embrec", "content", "sessions", "popular"])
def test_a_discount_ranks_as_recommend_does(models, test_part, name):
    model, n = models[name], 15  # all that is left of 16
    found = evaluate(
        model, test_part, metrics=["mrr", "coverage@15"], exclude_seen=True, popularity_discount=0.7
    )
    ids, scores = model.recommend(
        [s[:-1] for s in test_part], k=n, popularity_discount=0.7, n_candidates=20
    )
    for sequence, row, of_row, rank in zip(
        test_part, ids.tolist(), scores, found.queries["rank"], strict=True
    ):
        target = of_row[row.index(sequence[-1])]
        tied = np.isclose(of_row, target, rtol=1e-5, atol=1e-6)  # who are rounded in other ways
        assert np.sum((of_row > target) & ~tied) <= rank < np.sum((of_row > target) | tied)
    with pytest.raises(ValueError, match="popularity_discount must be a number >= 0; got -1"):
        evaluate(model, test_part, popularity_discount=-1)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_scores_of_a_discounted_index(kind):
    rng = np.random.default_rng(0)
    vectors, queries = (rng.normal(size=(n, 3)).astype(np.float32) for n in (6, 4))
    counts = np.array([0, 1, 5, 2, 9, 3])
    index = ExactIndex().fit(kind(vectors))
    index.remove([2])
    lowered = discounted_index(index, counts, 0.5)
    scores, rows = lowered.search(discounted_queries(kind(queries)), 5)
    assert not (rows == 2).any()
    expected = discounted(queries @ vectors.T, counts, 0.5)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, rows, 1), rtol=1e-4, atol=1e-5)
    assert index.snapshot.whole().shape == (6, 3)  # as it was
