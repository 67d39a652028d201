"""The parts of a recommender that users name and tune. Strings are short for these objects."""

from embrec.components.base import Component
from embrec.components.encoders import Encoder, GRUEncoder, SelfAttentionEncoder
from embrec.components.item_models import (
    FixedItems,
    IdEmbeddings,
    ItemBias,
    ItemModel,
    ItemPoints,
    ItemTowers,
    ItemVectors,
)
from embrec.components.losses import (
    BPR,
    BPRMax,
    CosineDistance,
    CrossEntropy,
    Loss,
    SmoothNDCG,
)
from embrec.components.negatives import AllItems, Negatives, SampledNegatives
from embrec.components.optimizers import Adagrad, Adam, Optimizer
from embrec.components.parallel import EnsembleEncoder, ParallelEncoder
from embrec.components.stopping import EarlyStopping

__all__ = [
    "BPR",
    "Adagrad",
    "Adam",
    "AllItems",
    "BPRMax",
    "Component",
    "CosineDistance",
    "CrossEntropy",
    "EarlyStopping",
    "Encoder",
    "EnsembleEncoder",
    "FixedItems",
    "GRUEncoder",
    "IdEmbeddings",
    "ItemBias",
    "ItemModel",
    "ItemPoints",
    "ItemTowers",
    "ItemVectors",
    "Loss",
    "Negatives",
    "Optimizer",
    "ParallelEncoder",
    "SampledNegatives",
    "SelfAttentionEncoder",
    "SmoothNDCG",
]
