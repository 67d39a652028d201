"""Metrics of ranks, against naive references and scikit-learn's own."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from embrec.metrics import (
    auc,
    hit_rate_at_k,
    mrr,
    ndcg_at_k,
    ranking_scorer,
    target_ranks,
)


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 30)), rng.integers(0, 30, 50)


def relevance(targets, n_items):
    return np.eye(n_items)[targets]


def test_auc_and_ndcg_are_those_of_scikit_learn(scored):
    scores, targets = scored
    ranks = target_ranks(scores, targets)
    truth = relevance(targets, 30)
    expected = [roc_auc_score(t, s) for t, s in zip(truth, scores, strict=True)]
    np.testing.assert_allclose(auc(ranks, 30, average=False), expected)
    assert auc(ranks, 30) == pytest.approx(np.mean(expected))
    for k in (1, 5, 30):
        assert ndcg_at_k(ranks, k) == pytest.approx(ndcg_score(truth, scores, k=k))


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=6),
    st.data(),
)
def test_ranks_against_a_naive_count(rows, data):
    targets = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    for ties, share in (("pessimistic", 1), ("average", 0.5), ("optimistic", 0)):
        expected = [
            sum(s > row[t] for s in row) + share * (sum(s == row[t] for s in row) - 1)
            for row, t in zip(rows, targets, strict=True)
        ]
        assert target_ranks(rows, targets, ties=ties).tolist() == expected


def test_values_from_a_textbook():
    ranks = [0, 1, 4, 9]
    assert hit_rate_at_k(ranks, 5) == 0.75
    assert mrr(ranks) == pytest.approx((1 + 1 / 2 + 1 / 5 + 1 / 10) / 4)
    assert ndcg_at_k(ranks, 5) == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(6)) / 4)
    assert auc(ranks, 11) == pytest.approx(np.mean([1, 0.9, 0.6, 0.1]))
    assert auc(ranks, [2, 2, 5, 10]) == pytest.approx(np.mean([1, 0, 0, 0]))
    assert hit_rate_at_k(ranks, 2, average=False).tolist() == [1, 1, 0, 0]
    assert mrr(ranks, average=False).tolist() == [1, 0.5, 0.2, 0.1]


@pytest.mark.parametrize("metric", [hit_rate_at_k, ndcg_at_k, mrr, lambda r: auc(r, 5)])
@pytest.mark.parametrize("ranks", [[], [-1], [np.nan], [[0, 1]]])
def test_ranks_that_are_none(metric, ranks):
    with pytest.raises(ValueError, match="ranks must be a 1-D array of at least one number >= 0"):
        metric(ranks)


@pytest.mark.parametrize("k", [0, 2.5, True, None])
def test_k_that_is_no_count(k):
    for metric in (hit_rate_at_k, ndcg_at_k):
        with pytest.raises(ValueError, match="k must be an integer >= 1"):
            metric([0], k)


def test_shapes_and_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3,\)"):
        target_ranks(np.zeros((2, 3)), [0, 1, 2])
    with pytest.raises(ValueError, match="at least 2 candidates"):
        auc([0], 1)


@given(
    st.integers(2, 12).flatmap(
        lambda n_items: st.tuples(
            st.just(n_items),
            st.lists(
                st.tuples(st.permutations(range(n_items)), st.integers(0, n_items - 1)),
                min_size=1,
                max_size=5,
            ),
        )
    ),
    st.integers(1, 14),
)
def test_metrics_against_a_full_sort(drawn, k):
    n_items, queries = drawn
    scores, targets = map(list, zip(*queries, strict=True))
    hits, gains, reciprocals, areas = [], [], [], []
    for row, target in queries:
        best_first = sorted(range(n_items), key=lambda item: -row[item])
        place = best_first.index(target)
        hits.append(target in best_first[:k])
        gains.append(1 / np.log2(place + 2) if place < k else 0)
        reciprocals.append(1 / (place + 1))
        areas.append(len(best_first[place + 1 :]) / (n_items - 1))
    ranks = target_ranks(scores, targets)
    assert hit_rate_at_k(ranks, k) == pytest.approx(np.mean(hits))
    assert ndcg_at_k(ranks, k) == pytest.approx(np.mean(gains))
    assert mrr(ranks) == pytest.approx(np.mean(reciprocals))
    assert auc(ranks, n_items) == pytest.approx(np.mean(areas))


def test_average_ties_give_the_auc_of_scikit_learn():
    scores = np.random.default_rng(0).integers(0, 4, (40, 9)).astype(float)
    targets = np.random.default_rng(1).integers(0, 9, 40)
    ranks = target_ranks(scores, targets, ties="average")
    expected = [roc_auc_score(t, s) for t, s in zip(relevance(targets, 9), scores, strict=True)]
    np.testing.assert_allclose(auc(ranks, 9, average=False), expected)
    pessimistic = auc(target_ranks(scores, targets), 9)
    assert pessimistic < auc(ranks, 9) < auc(target_ranks(scores, targets, ties="optimistic"), 9)


def test_scores_of_a_table():
    scores = np.random.default_rng(0).normal(size=(5, 4))
    targets = pd.Series([0, 3, 2, 1, 1], dtype="uint8")
    table = pd.DataFrame(scores)  # pandas hands out memory that must not be written to
    assert target_ranks(table, targets).tolist() == target_ranks(scores, targets).tolist()


@pytest.mark.parametrize("targets", [[0, 3], [-1, 0], [0.0, 1.0], [True, False], ["a", "b"]])
def test_targets_that_are_no_columns(targets):
    if isinstance(targets[0], str):
        targets = np.array(targets, dtype=object)
    with pytest.raises(ValueError, match="targets must be columns of scores, integers from 0 to 2"):
        target_ranks(np.zeros((2, 3)), targets)


@pytest.mark.parametrize("n_candidates", [5, [10, 5], [10, 10, 10]])
def test_more_items_ahead_than_there_are(n_candidates):
    with pytest.raises(ValueError, match="larger than the rank"):
        auc([0, 7], n_candidates)


@pytest.mark.parametrize("ties", ["pesimistic", None, "", "Average"])
def test_ties_that_are_none(ties):
    with pytest.raises(ValueError, match="ties must be one of 'pessimistic'"):
        target_ranks(np.zeros((1, 3)), [0], ties=ties)
    with pytest.raises(ValueError, match="ties must be one of 'pessimistic'"):
        ranking_scorer("auc", ties=ties)
