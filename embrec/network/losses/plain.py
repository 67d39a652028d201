"""Losses that need no matrix of scores."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_distance(
    predicted: Tensor, items: Tensor, targets: Tensor, *, weights: Tensor | None = None
) -> Tensor:
    """Cosine distance between predicted and true next item (thesis equation 2), mean over steps.

    It knows no negatives: if the item embeddings are learned, the loss is least where all of them
    are alike. Give it embeddings that are fixed.

    Parameters
    ----------
    predicted : Tensor of shape (n_steps, d)
        Predicted embeddings ê.
    items : Tensor of shape (n_items, d)
        Item embeddings e.
    targets : Tensor of shape (n_steps,), int64
        Row in ``items`` of each step's next item.
    weights : Tensor of shape (n_steps,), optional
        How much each step counts in the mean; by default all alike.

    Returns
    -------
    Tensor of shape ()
        Between 0 and 2. A vector of zeros has cosine 0 with any other.
    """
    cosines = F.cosine_similarity(predicted, F.embedding(targets, items), dim=1)
    if weights is None:
        return 1 - cosines.mean()
    return 1 - (cosines @ weights.to(cosines.dtype)) / weights.sum()


def shared_cross_entropy(
    predicted: Tensor, items: Tensor, targets: Tensor, *, weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy of many next items that share one prediction, mean over them.

    Parameters
    ----------
    predicted : Tensor of shape (1, d)
        The one predicted embedding.
    items : Tensor of shape (n_items, d)
        Item embeddings.
    targets : Tensor of shape (n_targets,), int64
        Rows in ``items``.
    weights : Tensor of shape (n_targets,), optional
        How much each counts in the mean; by default all alike.

    Returns
    -------
    Tensor of shape ()
    """
    scores = (predicted @ items.T)[0]
    # not scores[targets].mean(), whose gradient is summed in an order that differs from run to run
    counts = torch.bincount(targets, weights, minlength=len(items)).to(scores.dtype)
    return torch.logsumexp(scores, dim=0) - counts @ scores / counts.sum()
