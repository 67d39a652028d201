"""The losses that set the next item against others: cross-entropy, BPR, BPR-max, smooth NDCG.

All take the same arguments. The negatives are every item but the step's own next one, or a sample
that all steps share; a draw that happens to be a step's own next item is left out for that step.
"""

from functools import partial

import torch
from torch import Tensor

import embrec.network.losses.kernels as kernels
from embrec.network.losses.chunks import contrast


def cross_entropy(
    predicted: Tensor,
    items: Tensor,
    targets: Tensor,
    negatives: Tensor | None = None,
    *,
    log_expected: Tensor | None = None,
    memory: int | None = None,
    precision: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the next item among all items, or among a sample (thesis equations 4, 5).

    Over all items it equals ``torch.nn.functional.cross_entropy(predicted @ items.T, targets)``,
    but the matrix of scores is never held whole, forward or backward.

    Parameters
    ----------
    predicted : Tensor of shape (n_steps, d)
        Predicted embeddings ê.
    items : Tensor of shape (n_items, d)
        Item embeddings e.
    targets : Tensor of shape (n_steps,), int64
        Row in ``items`` of each step's next item.
    negatives : Tensor of shape (n_negatives,), int64, optional
        Rows in ``items``, with repetitions; all items without it.
    log_expected : Tensor of shape (n_negatives,), optional
        Logarithm of how often each of the negatives is expected among them: the logQ correction.
        It makes the sampled denominator an unbiased estimate of the full one. The next item is
        there for certain, so its score is not corrected (Bengio & Senécal 2008; Khrylchenko et al.,
        "Correcting the LogQ Correction", RecSys 2025).
    memory : int, optional
        Bytes of scores held at a time, one step at least. By default 16 MiB, or as much as the item
        embeddings take if that is more.
    precision : torch.dtype, optional
        Of the matrix products and the scores; sums over items are rounded to it in 64 groups, which
        are added up in that of ``predicted``. By default that
        of ``predicted``; ``torch.bfloat16`` is faster where the hardware has it.
    weights : Tensor of shape (n_steps,), optional
        How much each step counts in the mean; not negative, some positive. By default all alike.

    Returns
    -------
    Tensor of shape ()
        Mean over steps.
    """
    _check_correction(log_expected, negatives)
    kernel = partial(kernels.cross_entropy, log_expected=log_expected)
    return contrast(predicted, items, targets, negatives, kernel, 1, memory, precision, weights)


def bpr(
    predicted: Tensor,
    items: Tensor,
    targets: Tensor,
    negatives: Tensor | None = None,
    *,
    memory: int | None = None,
    precision: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Bayesian personalised ranking (thesis equation 6; Rendle et al. 2009).

    Parameters
    ----------
    predicted, items, targets, negatives, memory, precision, weights
        As for `cross_entropy`.

    Returns
    -------
    Tensor of shape ()
        Mean over steps of the mean over the step's negatives; 0 for a step that has none.
    """
    return contrast(
        predicted, items, targets, negatives, kernels.bpr, 2, memory, precision, weights
    )


def bpr_max(
    predicted: Tensor,
    items: Tensor,
    targets: Tensor,
    negatives: Tensor | None = None,
    *,
    regularization: float = 1.0,
    memory: int | None = None,
    precision: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """BPR-max (thesis equation 7; Hidasi & Karatzoglou 2018).

    ``-log(sum_j p_j sigmoid(s - s_j) + 1e-24) + regularization * sum_j p_j s_j ** 2`` with ``p``
    the softmax over the negatives alone. The thesis prints a factor in front of the logarithm that
    the paper has not, and neither has its code.

    Parameters
    ----------
    predicted, items, targets, negatives
        As for `cross_entropy`.
    regularization : float, default=1.0
        Weight λ of the negatives' squared scores.
    memory, precision, weights
        As for `cross_entropy`.

    Returns
    -------
    Tensor of shape ()
        Mean over steps; 0 for a step that has no negatives.
    """
    kernel = partial(kernels.bpr_max, regularization=regularization)
    return contrast(predicted, items, targets, negatives, kernel, 4, memory, precision, weights)


def smooth_ndcg(
    predicted: Tensor,
    items: Tensor,
    targets: Tensor,
    negatives: Tensor | None = None,
    *,
    cross_entropy_weight: float = 0.1,
    log_expected: Tensor | None = None,
    memory: int | None = None,
    precision: torch.dtype | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """1 - NDCG of the next item at a smooth rank (Qin, Liu & Li 2010), and some cross-entropy.

    ``1 - 1 / log2(1 + rank) + cross_entropy_weight * cross_entropy`` with
    ``rank = 1 + sum_j sigmoid(s_j - s)`` over the negatives.

    Parameters
    ----------
    predicted, items, targets, negatives
        As for `cross_entropy`.
    cross_entropy_weight : float, default=0.1
    log_expected : Tensor of shape (n_negatives,), optional
        As for `cross_entropy`. Each draw counts as so many items as it stands for, and the sum is
        an unbiased estimate of that over all items. Without it the rank is that in the sample.
    memory, precision, weights
        As for `cross_entropy`.

    Returns
    -------
    Tensor of shape ()
        Mean over steps; 0 for a step that has no negatives.
    """
    _check_correction(log_expected, negatives)
    kernel = partial(
        kernels.smooth_ndcg, cross_entropy_weight=cross_entropy_weight, log_expected=log_expected
    )
    n_buffers = 2 if log_expected is None else 3
    return contrast(
        predicted, items, targets, negatives, kernel, n_buffers, memory, precision, weights
    )


def _check_correction(log_expected: Tensor | None, negatives: Tensor | None) -> None:
    if log_expected is not None and negatives is None:
        raise ValueError("log_expected is of sampled negatives; got none.")
