"""Recommenders to compare with, behind the same methods as `EmbRecEstimator`."""

from embrec.baselines.content import ContentNeighborsRecommender
from embrec.baselines.popularity import PopularityRecommender

__all__ = ["ContentNeighborsRecommender", "PopularityRecommender"]
