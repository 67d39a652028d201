"""What each loss makes of a chunk of scores: the losses, and their gradient in place."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from embrec.network.losses.chunks import Chunk, Gradient

#: Scores this far below the largest count as this far: below, exp gives slow denormal numbers.
_LOWEST = {torch.float64: -700.0, torch.float32: -85.0, torch.bfloat16: -85.0}
_HIGHEST = 60.0
#: Keeps BPR-max's logarithm finite (GRU4Rec's value).
_EPSILON = 1e-24
#: A sum in bfloat16 is off by up to 0.4 %; the errors of so many partial sums mostly cancel.
_N_GROUPS = 64


def cross_entropy(chunk: Chunk, *, log_expected: Tensor | None = None) -> Gradient:
    """Cross-entropy of the next item among it and the negatives."""
    scores, target_scores = chunk.scores, chunk.target_scores
    if log_expected is not None:
        scores -= log_expected[:, None]
    if not chunk.bounded or log_expected is not None:
        target_scores = _shift(scores, target_scores, chunk.own)
    scores.exp_()
    scores[chunk.own] = 0
    weights, target_weights = _sum_over_items(scores, target_scores.dtype), target_scores.exp()
    totals = weights + target_weights
    # what is left of the loss where the target outweighs all others
    small = torch.log1p(weights / target_weights)
    loss = torch.where(weights < target_weights, small, totals.log() - target_scores)
    # the scores are the unnormalised softmax now; the division is left to the caller
    return Gradient(loss=loss, targets=-weights / totals, scale=1 / totals)


def _shift(scores: Tensor, target_scores: Tensor, own: tuple[Tensor, Tensor]) -> Tensor:
    """Subtract each step's largest score in place; return what is left of the target's."""
    scores[own] = -torch.inf
    highest = scores.amax(0)
    # any shift will do as long as it is one: that of the scores' type saves a conversion
    shift = torch.maximum(highest, target_scores.to(scores.dtype))
    scores.sub_(shift).clamp_(min=_LOWEST[scores.dtype])
    left = (target_scores - shift).clamp(max=_HIGHEST)
    # one of the weights must be about 1, however much rounding moved the target's score
    return torch.where(shift > highest, left.clamp(min=-1.0), left)


def bpr(chunk: Chunk) -> Gradient:
    """Mean of -log sigmoid(target - negative) over the negatives."""
    scores, target_scores = chunk.scores, chunk.target_scores
    scores -= target_scores
    losses = F.softplus(scores)
    losses[chunk.own] = 0
    loss = _sum_over_items(losses, target_scores.dtype)
    scores.sigmoid_()
    scores[chunk.own] = 0
    scale = 1 / _count_negatives(chunk).clamp(min=1)
    targets = -_sum_over_items(scores, target_scores.dtype) * scale
    return Gradient(loss=loss * scale, targets=targets, scale=scale)


def bpr_max(chunk: Chunk, *, regularization: float) -> Gradient:
    """-log of the softmax-weighted sigmoid(target - negative), and the weighted squares."""
    target_scores = chunk.target_scores
    scores = chunk.scores.to(target_scores.dtype)  # the same tensor, if that is its type
    weights = _softmax_of_negatives(scores, chunk)
    scores[chunk.own] = 0
    ahead = torch.sigmoid(target_scores - scores)
    mean_ahead = (weights * ahead).sum(0)
    slope = (weights * ahead * (1 - ahead)).sum(0)
    squares = scores * scores
    mean_square = (weights * squares).sum(0)
    safe = mean_ahead + _EPSILON
    # d/ds_k = w_k ((mean_ahead - ahead_k²) / safe + λ (s_k² + 2 s_k - mean_square))
    gradient = squares.add_(scores, alpha=2).sub_(mean_square).mul_(regularization)
    gradient += (mean_ahead - ahead.square_()).div_(safe)
    chunk.scores.copy_(gradient.mul_(weights))
    some = _count_negatives(chunk) > 0
    loss = torch.where(some, regularization * mean_square - safe.log(), 0)
    return Gradient(loss=loss, targets=-slope / safe)


def smooth_ndcg(
    chunk: Chunk, *, cross_entropy_weight: float, log_expected: Tensor | None = None
) -> Gradient:
    """1 - NDCG of the next item, at a rank that counts others by a sigmoid; and cross-entropy."""
    copy = replace(chunk, scores=chunk.scores.clone())
    other = cross_entropy(copy, log_expected=log_expected)
    scores, target_scores = chunk.scores, chunk.target_scores
    ahead = scores.sub_(target_scores).sigmoid_()
    counted = ahead
    if log_expected is not None:  # how many items of the catalogue each draw stands for
        counted = ahead * (-log_expected).clamp(max=_HIGHEST).exp()[:, None].to(ahead.dtype)
    counted[chunk.own] = 0
    n_ahead = _sum_over_items(counted, target_scores.dtype)
    # log2(1 + rank) is 1 + excess: no digits are lost where nearly none are ahead
    excess = torch.log1p(n_ahead / 2) / math.log(2)
    scale = 1 / (math.log(2) * (2 + n_ahead) * (1 + excess).square())
    torch.addcmul(counted, counted, ahead, value=-1, out=scores)
    targets = -_sum_over_items(scores, target_scores.dtype) * scale
    assert other.scale is not None
    scores.mul_(scale).add_(copy.scores.mul_(cross_entropy_weight * other.scale))
    return Gradient(
        loss=excess / (1 + excess) + cross_entropy_weight * other.loss,
        targets=targets + cross_entropy_weight * other.targets,
    )


def _softmax_of_negatives(scores: Tensor, chunk: Chunk) -> Tensor:
    """Softmax over each step's negatives; all 0 for a step that has none."""
    scores[chunk.own] = -torch.inf
    largest = scores.amax(0)
    weights = scores - torch.where(largest.isinf(), 0, largest)
    weights.clamp_(min=_LOWEST[scores.dtype]).exp_()
    weights[chunk.own] = 0
    totals = weights.sum(0)
    return weights.div_(torch.where(totals > 0, totals, 1))


def _count_negatives(chunk: Chunk) -> Tensor:
    n_candidates, n_steps = chunk.scores.shape
    own = torch.bincount(chunk.own[1], minlength=n_steps)
    return n_candidates - own.to(chunk.target_scores.dtype)


def _sum_over_items(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum the rows; of half-precision ones the sums of groups, which are rounded, in ``dtype``."""
    if values.dtype == dtype:
        return values.sum(0)
    # sum(0, dtype=...) would first copy everything
    n = len(values) // _N_GROUPS * _N_GROUPS
    groups = values[:n].view(_N_GROUPS, -1, values.shape[1]).sum(1)
    return groups.to(dtype).sum(0) + values[n:].to(dtype).sum(0)
