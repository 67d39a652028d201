"""Metrics by name."""

import numpy as np
import pytest

from embrec.metrics import (
    TargetRanks,
    auc,
    hit_rate_at_k,
    mrr,
    ndcg_at_k,
    ranking_scorer,
)
from embrec.metrics.names import parse_metric


@pytest.mark.parametrize(
    "name", ["hit_rate", "hit_rate@", "auc@5", "ndcg@0", "recall@5", "", None, 5]
)
def test_names_that_are_no_metric(name):
    with pytest.raises(ValueError, match=r"Unknown metric|k must be"):
        ranking_scorer([name])


@pytest.mark.parametrize(
    ("name", "function", "k"),
    [("hit_rate@3", lambda ranks: hit_rate_at_k(ranks, 3), 3),
     ("ndcg@20", lambda ranks: ndcg_at_k(ranks, 20), 20),
     ("mrr", mrr, 1), ("auc", lambda ranks: auc(ranks, 30), 1)],
)  # fmt: skip
def test_what_a_name_stands_for(name, function, k):
    ranks = np.array([0.0, 2, 5, 29])
    found, cut_off = parse_metric(name)
    assert cut_off == k
    assert found(TargetRanks(ranks, np.full(4, 30)), cut_off) == function(ranks)
