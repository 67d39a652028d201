"""Figures of lists of recommendations: plain numpy, for models of every library alike."""

import numpy as np


def figures_of(top: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Say how well lists of items, the best first, find one target each.

    Parameters
    ----------
    top : ndarray of shape (n, k), int
        Rows of items, k at least 50; -1 where a list is shorter.
    targets : ndarray of shape (n,), int
        None is negative. A target that is not in its list is missed.
    """
    found = top == targets[:, None]
    place = np.where(found.any(axis=1), found.argmax(axis=1), top.shape[1])
    return {
        "ndcg@10": float(np.mean(np.where(place < 10, 1 / np.log2(place + 2), 0))),
        "hit_rate@10": float(np.mean(place < 10)),
        "hit_rate@50": float(np.mean(place < 50)),
    }


class Patience:
    """Says when a figure has not grown for some epochs, or the time is up."""

    def __init__(self, epochs: int, seconds: float) -> None:
        self.epochs, self.seconds = epochs, seconds
        self.best, self.since = -1.0, 0

    def is_over(self, figure: float, seconds: float) -> bool:
        """Take an epoch's figure, and the seconds of training so far."""
        self.since = 0 if figure > self.best else self.since + 1
        self.best = max(self.best, figure)
        return self.since >= self.epochs or seconds >= self.seconds
