"""The network, in torch only: tensors in, tensors out."""

from embrec.network.features import (
    FeatureTensor,
    SparseMatrix,
    mean_square_length,
    to_feature_tensors,
)
from embrec.network.losses import (
    bpr,
    bpr_max,
    cosine_distance,
    cross_entropy,
    shared_cross_entropy,
)
from embrec.network.model import EmbRecNetwork, NetworkSize
from embrec.network.recurrent import Dropout, SequenceNetwork

__all__ = [
    "Dropout",
    "EmbRecNetwork",
    "FeatureTensor",
    "NetworkSize",
    "SequenceNetwork",
    "SparseMatrix",
    "bpr",
    "bpr_max",
    "cosine_distance",
    "cross_entropy",
    "mean_square_length",
    "shared_cross_entropy",
    "to_feature_tensors",
]
