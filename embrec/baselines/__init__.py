"""Recommenders to compare with, behind the same methods as `EmbRecEstimator`."""

from embrec.baselines.content import ContentNeighborsRecommender
from embrec.baselines.popularity import PopularityRecommender
from embrec.baselines.sessions import SessionNeighborsRecommender

__all__ = [
    "ContentNeighborsRecommender",
    "PopularityRecommender",
    "SessionNeighborsRecommender",
]
