"""Sequential recommendation from item content.

`EmbRecEstimator` predicts the next item of a sequence from what the items before are made of. It is
a scikit-learn estimator; items are known by their content, visitors by their sequence.
"""

__version__ = "0.1.0"

from embrec.catalog import ItemTable, NoContentWarning
from embrec.estimator import EmbRecEstimator
from embrec.featurizers import TfidfItemFeaturizer
from embrec.session import Session
from embrec.training import DivergedError

__all__ = [
    "DivergedError",
    "EmbRecEstimator",
    "ItemTable",
    "NoContentWarning",
    "Session",
    "TfidfItemFeaturizer",
    "__version__",
]
