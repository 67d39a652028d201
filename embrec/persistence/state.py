"""What a recommender consists of besides its parameters and its catalogue."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class SavedState:
    """What a recommender consists of besides its catalogue and index.

    Parameters
    ----------
    values : dict
        What JSON can hold.
    arrays : dict of str to ndarray
    objects : dict
        scikit-learn objects, such as fitted featurizers.
    parts : dict of str to Component
    recommenders : dict of str to recommender
        Fitted ones that it is made of, if it is: catalogue and index are theirs then.
    """

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    recommenders: dict[str, Any] = field(default_factory=dict)
