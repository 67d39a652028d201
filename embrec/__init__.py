"""Sequential recommendation from item content.

`EmbRecEstimator` predicts the next item of a sequence from what the items before are made of. It is
a scikit-learn estimator; items are known by their content, visitors by their sequence.
"""

from embrec._utils.pickles import PickleVersionWarning
from embrec._version import __version__
from embrec.blend import BlendRecommender
from embrec.data.items import NoContentWarning
from embrec.data.repeats import RepeatedEventsWarning
from embrec.data.store import InteractionStore
from embrec.data.whole import ItemTable, Whole
from embrec.estimator import EmbRecEstimator
from embrec.featurizers import (
    CategoryPathFeaturizer,
    ElmoItemFeaturizer,
    ImageFeaturizer,
    NumberFeaturizer,
    TextEncoderItemFeaturizer,
    TfidfItemFeaturizer,
    UnreadablePictureWarning,
    WordVectorItemFeaturizer,
)
from embrec.serving.session import Session
from embrec.serving.sessions import SessionBatch
from embrec.training import Callback, CheckpointError, DivergedError, TrainingProgress

__all__ = [
    "BlendRecommender",
    "Callback",
    "CategoryPathFeaturizer",
    "CheckpointError",
    "DivergedError",
    "ElmoItemFeaturizer",
    "EmbRecEstimator",
    "ImageFeaturizer",
    "InteractionStore",
    "ItemTable",
    "NoContentWarning",
    "NumberFeaturizer",
    "PickleVersionWarning",
    "RepeatedEventsWarning",
    "Session",
    "SessionBatch",
    "TextEncoderItemFeaturizer",
    "TfidfItemFeaturizer",
    "TrainingProgress",
    "UnreadablePictureWarning",
    "Whole",
    "WordVectorItemFeaturizer",
    "__version__",
]
