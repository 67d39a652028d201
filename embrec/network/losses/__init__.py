"""The losses over the whole catalogue or sampled negatives, in bounded memory (section 3.2)."""

from embrec.network.losses.contrast import bpr, bpr_max, cross_entropy, smooth_ndcg
from embrec.network.losses.plain import cosine_distance, shared_cross_entropy

__all__ = [
    "bpr",
    "bpr_max",
    "cosine_distance",
    "cross_entropy",
    "shared_cross_entropy",
    "smooth_ndcg",
]
