"""Ranking metrics of one relevant item per query, and scorers for scikit-learn.

All of them take ranks: how many candidates are ahead of the relevant item, 0 being best. Ranks come
from `target_ranks`, or from a recommender's ``rank_targets``.
"""

from embrec.metrics.of_lists import catalog_coverage, gini_index, novelty
from embrec.metrics.of_ranks import (
    TargetRanks,
    auc,
    hit_rate_at_k,
    mrr,
    ndcg_at_k,
    target_ranks,
)
from embrec.metrics.scorer import RankingScorer, ranking_scorer

__all__ = [
    "RankingScorer",
    "TargetRanks",
    "auc",
    "catalog_coverage",
    "gini_index",
    "hit_rate_at_k",
    "mrr",
    "ndcg_at_k",
    "novelty",
    "ranking_scorer",
    "target_ranks",
]
