"""The network, in torch only: tensors in, tensors out."""

from embrec.network.features import (
    FeatureTensor,
    SparseMatrix,
    mean_square_length,
    to_feature_tensors,
)
from embrec.network.items import ItemModule
from embrec.network.losses import (
    bpr,
    bpr_max,
    cosine_distance,
    cross_entropy,
    shared_cross_entropy,
    smooth_ndcg,
)
from embrec.network.model import NetworkSize, SequenceNetwork
from embrec.network.packing import Packing
from embrec.network.sequence import SequenceModule

__all__ = [
    "FeatureTensor",
    "ItemModule",
    "NetworkSize",
    "Packing",
    "SequenceModule",
    "SequenceNetwork",
    "SparseMatrix",
    "bpr",
    "bpr_max",
    "cosine_distance",
    "cross_entropy",
    "mean_square_length",
    "shared_cross_entropy",
    "smooth_ndcg",
    "to_feature_tensors",
]
