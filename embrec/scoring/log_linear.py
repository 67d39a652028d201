"""Weights of several scores whose sum tells how likely each item is: a conditional logit."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from embrec.scoring.candidates import Candidates
from embrec.scoring.products import SCORE_MEMORY, Vectors, score_blocks

#: Newton's steps at most; a few are enough.
MAX_STEPS = 50
#: A step that promises less log-likelihood per target is not taken.
TOLERANCE = 1e-7
#: What is known of weights beforehand, of scores with a deviation of 1: it keeps them finite.
SPREAD = 30
#: Curvature that every weight has at least, as a share of its own.
LEAST_CURVATURE = 1e-4


def log_linear_weights(
    scores: Sequence[tuple[Vectors, Vectors]],
    targets: np.ndarray,
    candidates: Candidates | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> NDArray[np.float64]:
    """Find the weights, none below 0, that make the targets likeliest.

    The probability of an item is the softmax, over all candidates, of the weighted sum of its
    scores: McFadden's conditional logit [1]_. Its log-likelihood has one maximum, which Newton's
    method finds; scores are computed anew at each step, and never held whole.

    Parameters
    ----------
    scores : sequence of (queries, vectors)
        Of each kind of score: (n, d) and (n_items, d), whose inner products the scores are.
    targets : ndarray of shape (n,), int
        The row of each query's true item.
    candidates : Candidates, optional
        What may be the next item; everything by default. A target may always.
    memory : int, default=64 MiB
        Bytes of scores held at a time, of all kinds together.

    Returns
    -------
    ndarray of shape (n_scores,), float64

    References
    ----------
    .. [1] D. McFadden. "Conditional logit analysis of qualitative choice behavior". 1974.
    """
    memory //= 6 * (len(scores) + 1)  # in doubles, and what is computed on the way
    prior = np.zeros(len(scores))

    def at(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, slope, curvature = 0.0, np.zeros(len(scores)), np.zeros((len(scores),) * 2)
        blocks = [score_blocks(queries, vectors, memory=memory) for queries, vectors in scores]
        for of_block in zip(*blocks, strict=True):
            start, n_block = of_block[0][0], len(of_block[0][1])
            stacked = torch.stack([block for _, block in of_block])
            own = torch.from_numpy(targets[start : start + n_block].astype(np.int64))
            added = _moments(stacked, own, start, candidates, torch.from_numpy(weights))
            value, slope, curvature = value + added[0], slope + added[1], curvature + added[2]
        value -= float(prior @ weights**2) / 2
        return value, slope - prior * weights, curvature + np.diag(prior)

    weights = np.zeros(len(scores))
    value, slope, curvature = at(weights)
    prior = np.diag(curvature) / len(targets) / SPREAD**2
    curvature += np.diag(prior)
    for _ in range(MAX_STEPS):
        wanted = _newton(weights, slope, curvature)
        if slope @ (wanted - weights) < TOLERANCE * len(targets):
            break
        for share in 0.5 ** np.arange(20):
            tried = weights + share * (wanted - weights)
            found = at(tried)
            if found[0] > value:
                break
        else:
            break
        weights, (value, slope, curvature) = tried, found
    return weights


def _moments(
    scores: Tensor, targets: Tensor, start: int, candidates: Candidates | None, weights: Tensor
) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum log-likelihoods of a block, their gradient, and their negative second derivatives.

    Parameters
    ----------
    scores : Tensor of shape (n_scores, n_block, n_items), float32
        They may be changed.
    """
    columns = targets[:, None]
    # in doubles, from the target's on, and then from the mean: large numbers would cancel out
    scores = scores.double()
    scores -= scores.gather(2, columns.expand(len(scores), -1, 1))
    total = torch.einsum("k,kni->ni", weights, scores)
    if candidates is not None:
        candidates.mask(total, start)
        total.scatter_(1, columns, 0.0)
    logs = torch.log_softmax(total, dim=1)
    shares = logs.exp()
    means = torch.einsum("ni,kni->kn", shares, scores)
    scores -= means[:, :, None]
    scores *= shares.sqrt()
    flat = scores.flatten(1)
    value = float(logs.gather(1, columns).sum())
    return value, -means.sum(1).numpy(), (flat @ flat.T).numpy()


def _newton(weights: np.ndarray, slope: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Find the best weights, none below 0, by the quadratic that touches here."""
    scale = np.sqrt(np.maximum(np.diag(curvature), np.finfo(float).tiny))
    scaled = curvature / scale / scale[:, None] + LEAST_CURVATURE * np.eye(len(scale))
    root = np.linalg.cholesky(scaled).T
    wanted = np.linalg.solve(root.T, scaled @ (weights * scale) + slope / scale)
    return np.asarray(nnls(root, wanted)[0] / scale)
