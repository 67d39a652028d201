"""The directions along which features differ most."""

from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD


def directions(block: Any, dim: int, seed: int) -> np.ndarray:
    """Find the first ``dim`` directions by truncated SVD: (n_features, dim) float32.

    With fewer rows than ``dim`` the last ones are 0.
    """
    n_directions = min(dim, block.shape[0])
    svd = TruncatedSVD(n_directions, random_state=seed).fit(block)
    found = np.zeros((block.shape[1], dim), dtype=np.float32)
    found[:, :n_directions] = svd.components_.T
    return found
