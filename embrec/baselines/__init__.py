"""Recommenders to compare with, behind the same methods as `EmbRecEstimator`."""

from embrec.baselines.content import ContentNeighborsRecommender
from embrec.baselines.gru4rec import GRU4RecRecommender
from embrec.baselines.oracle import ShopOracleRecommender
from embrec.baselines.popularity import PopularityRecommender
from embrec.baselines.sequential_rules import SequentialRulesRecommender
from embrec.baselines.sknn import SessionNeighborsRecommender
from embrec.baselines.transrec import TransRecRecommender

__all__ = [
    "ContentNeighborsRecommender",
    "GRU4RecRecommender",
    "PopularityRecommender",
    "SequentialRulesRecommender",
    "SessionNeighborsRecommender",
    "ShopOracleRecommender",
    "TransRecRecommender",
]
