"""Ranks of the relevant items, and the metrics that they make."""

from typing import Any, NamedTuple

import numpy as np
import torch

from embrec._utils.checks import check_k
from embrec.data.ids import short_repr
from embrec.scoring.ranks import Ties, count_ahead


class TargetRanks(NamedTuple):
    """Ranks of the relevant items.

    Parameters
    ----------
    ranks : ndarray of shape (n,), float64
        How many candidates are ahead of each query's relevant item.
    n_candidates : ndarray of shape (n,), int64
        How many candidates each query had, the relevant item included.
    """

    ranks: np.ndarray
    n_candidates: np.ndarray


def target_ranks(scores: Any, targets: Any, *, ties: Ties = "pessimistic") -> np.ndarray:
    """Rank the relevant item of each row of a matrix of scores, by counting.

    Parameters
    ----------
    scores : array-like of shape (n, n_items)
        Scores, larger being better. An item that is no candidate has -inf.
    targets : array-like of shape (n,), int
        Column of the relevant item.
    ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
        Whether an item that scores exactly as the relevant one counts as ahead of it, half, or not.
        A model that gives everything one score is thus ranked last, not first.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        If the shapes do not fit, or a target is no column.
    """
    matrix, columns = np.require(scores, requirements="W"), np.asarray(targets)
    if matrix.ndim != 2 or columns.shape != matrix.shape[:1]:
        raise ValueError(
            "Expected scores of shape (n, n_items) and targets of shape (n,); got "
            f"{matrix.shape} and {columns.shape}."
        )
    n_items = matrix.shape[1]
    if columns.dtype.kind not in "iu" or ((columns < 0) | (columns >= n_items)).any():
        raise ValueError(
            f"targets must be columns of scores, integers from 0 to {n_items - 1}; got values of "
            f"dtype {columns.dtype} from {columns.min()} to {columns.max()}."
        )
    target_scores = np.take_along_axis(matrix, columns[:, None].astype(np.int64), axis=1)
    ahead = count_ahead(torch.from_numpy(matrix), torch.from_numpy(target_scores), ties)
    return ahead.numpy().astype(np.float64)


def _check_ranks(ranks: Any) -> np.ndarray:
    array = np.asarray(ranks, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or np.isnan(array).any() or (array < 0).any():
        raise ValueError(
            "ranks must be a 1-D array of at least one number >= 0 (0 is best); "
            f"got {short_repr(array)} of shape {array.shape}."
        )
    return array


def auc(ranks: Any, n_candidates: Any, *, average: bool = True) -> Any:
    """Area under the ROC curve (thesis equation 8).

    The share of the other candidates that the relevant item is ahead of. With pessimistic ranks the
    comparison is strict, as in the thesis.

    Parameters
    ----------
    ranks : array-like of shape (n,)
        How many candidates are ahead of the relevant item.
    n_candidates : int or array-like of shape (n,)
        How many candidates there were, the relevant item included; at least 2.
    average : bool, default=True
        Whether to return the mean rather than one figure per query.

    Returns
    -------
    float, or ndarray of shape (n,)
    """
    n = np.asarray(n_candidates, dtype=np.float64)
    if (n < 2).any():
        raise ValueError("auc needs at least 2 candidates per query; got one with fewer.")
    array = _check_ranks(ranks)
    if n.shape not in ((), array.shape) or (array > n - 1).any():
        raise ValueError(
            "n_candidates must be one number, or one per rank, and larger than the rank; got "
            f"{short_repr(n)} for ranks up to {array.max():g}."
        )
    return _mean_or_each(1 - array / (n - 1), average)


def hit_rate_at_k(ranks: Any, k: int = 50, *, average: bool = True) -> Any:
    """Share of queries whose relevant item is among the first ``k`` (thesis equation 9).

    With one relevant item per query this is recall at ``k`` too.

    Parameters
    ----------
    ranks : array-like of shape (n,)
        How many candidates are ahead of the relevant item.
    k : int, default=50
    average : bool, default=True
        Whether to return the mean rather than one figure per query.

    Returns
    -------
    float, or ndarray of shape (n,)
    """
    return _mean_or_each((_check_ranks(ranks) < check_k(k)).astype(np.float64), average)


def ndcg_at_k(ranks: Any, k: int = 10, *, average: bool = True) -> Any:
    """Normalised discounted cumulative gain at ``k``, for one relevant item per query.

    ``1 / log2(rank + 2)`` if the rank is below ``k``, else 0 (the ideal gain is 1).

    Parameters
    ----------
    ranks : array-like of shape (n,)
        How many candidates are ahead of the relevant item.
    k : int, default=10
    average : bool, default=True
        Whether to return the mean rather than one figure per query.

    Returns
    -------
    float, or ndarray of shape (n,)

    References
    ----------
    K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
    """
    array = _check_ranks(ranks)
    return _mean_or_each(np.where(array < check_k(k), 1 / np.log2(array + 2), 0.0), average)


def mrr(ranks: Any, *, average: bool = True) -> Any:
    """Mean reciprocal rank: ``1 / (rank + 1)``.

    Parameters
    ----------
    ranks : array-like of shape (n,)
        How many candidates are ahead of the relevant item.
    average : bool, default=True
        Whether to return the mean rather than one figure per query.

    Returns
    -------
    float, or ndarray of shape (n,)
    """
    return _mean_or_each(1 / (_check_ranks(ranks) + 1), average)


def _mean_or_each(values: np.ndarray, average: bool) -> Any:
    return float(values.mean()) if average else values
