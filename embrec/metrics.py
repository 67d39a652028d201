"""Ranking metrics of one relevant item per query, and scorers for scikit-learn.

All of them take ranks: how many candidates are ahead of the relevant item, 0 being best. Ranks come
from `target_ranks`, or from a recommender's ``rank_targets``.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline

from embrec.data.ids import short_repr
from embrec.scoring.ranking import Ties, check_k, check_ties, count_ahead

__all__ = [
    "RankingScorer",
    "TargetRanks",
    "auc",
    "catalog_coverage",
    "gini_index",
    "hit_rate_at_k",
    "mrr",
    "ndcg_at_k",
    "novelty",
    "ranking_scorer",
    "target_ranks",
]


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


def catalog_coverage(recommended: Any, n_items: int) -> float:
    """Share of the catalogue that is recommended to anybody (thesis section 4.3).

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    n_items : int
        Size of the catalogue.

    Returns
    -------
    float
    """
    return len(_counts(recommended, n_items)) / n_items


def gini_index(recommended: Any, n_items: int) -> float:
    """Inequality of how often items are recommended: 0 all alike, towards 1 always the same few.

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    n_items : int
        Size of the catalogue: items never recommended count.

    Returns
    -------
    float
    """
    counts = np.zeros(n_items)
    shown = np.sort(_counts(recommended, n_items).values)
    counts[n_items - len(shown) :] = shown
    return (
        float(2 * (np.arange(1, n_items + 1) @ counts) / (n_items * counts.sum()))
        - (n_items + 1) / n_items
    )


def novelty(recommended: Any, item_counts: Any) -> float:
    """Mean self-information, in bits, of what is recommended: rare items are more novel.

    ``-log2((count + 1) / (n_events + n_items))``: add-one smoothing, so that an item nobody has
    touched has a finite figure.

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    item_counts : pandas.Series or dict
        Interactions per item id, with every item of the catalogue in it.

    Returns
    -------
    float

    References
    ----------
    T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems",
    PNAS 2010.
    """
    counts = pd.Series(item_counts, dtype=np.float64)
    shown = _counts(recommended)
    unknown = shown.index.difference(counts.index)
    if len(unknown):
        raise ValueError(f"item_counts lacks {len(unknown)} recommended ids: {list(unknown[:5])}.")
    probability = (counts[shown.index] + 1) / (counts.sum() + len(counts))
    return float(-(np.log2(probability) * shown).sum() / shown.sum())


def _counts(recommended: Any, n_items: int | None = None) -> Any:
    counts = pd.Series(np.asarray(recommended).ravel()).value_counts()  # leaves None out
    if counts.empty:
        raise ValueError("recommended holds no item.")
    if n_items is not None and len(counts) > n_items:
        raise ValueError(
            f"n_items is the size of the catalogue; got {n_items}, but {len(counts)} different "
            "items are recommended."
        )
    return counts


#: Metrics by name; those that end in @ take a cut-off.
_METRICS: dict[str, Callable[..., Any]] = {
    "auc": lambda found, k, average=True: auc(found.ranks, found.n_candidates, average=average),
    "mrr": lambda found, k, average=True: mrr(found.ranks, average=average),
    "hit_rate@": lambda found, k, average=True: hit_rate_at_k(found.ranks, k, average=average),
    "ndcg@": lambda found, k, average=True: ndcg_at_k(found.ranks, k, average=average),
}


#: Metrics of lists of K items, which `embrec.evaluation.evaluating.evaluate` knows.
LIST_METRICS = ("coverage", "gini", "novelty", "popularity")


def parse_metric(name: str) -> tuple[Callable[..., Any], int]:
    """Find the function of a metric's name, and its cut-off (1 if it has none)."""
    matched = re.fullmatch(r"([a-z_]+@?)(\d*)", name) if isinstance(name, str) else None
    if matched is None or matched[1] not in _METRICS or (matched[1][-1] == "@") != bool(matched[2]):
        raise ValueError(
            f"Unknown metric {name!r}; expected 'auc', 'mrr', 'hit_rate@K' or 'ndcg@K', with a "
            "number for K, such as 'hit_rate@50'; evaluate also knows 'coverage@K', 'gini@K', "
            "'novelty@K' and 'popularity@K'."
        )
    return _METRICS[matched[1]], check_k(int(matched[2] or 1))


class RankingScorer:
    """A scorer that ranks once and gives every figure asked for; see `ranking_scorer`.

    Parameters
    ----------
    metrics : str or sequence of str
        "auc", "mrr", "hit_rate@K", "ndcg@K".
    exclude_seen : bool, default=False
        Whether a query's own items are out of the running (the thesis leaves them in).
    ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
        How items that score as the relevant one count.
    """

    def __init__(
        self,
        metrics: str | Sequence[str],
        *,
        exclude_seen: bool = False,
        ties: Ties = "pessimistic",
    ) -> None:
        self.metrics = metrics
        self.exclude_seen = exclude_seen
        self.ties = ties
        names = [metrics] if isinstance(metrics, str) else list(metrics)
        if not names:
            raise ValueError("metrics is empty; name at least one, such as 'hit_rate@50'.")
        for name in names:
            parse_metric(name)
        check_ties(ties)

    def __repr__(self) -> str:
        return (
            f"ranking_scorer({self.metrics!r}, exclude_seen={self.exclude_seen}, "
            f"ties={self.ties!r})"
        )

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> Any:
        """Score a fitted recommender, or a Pipeline or search that holds one.

        Parameters
        ----------
        estimator : recommender, Pipeline or fitted search
        X : log or list of sequences
        y : array-like of shape (n,), optional
            The next item of each sequence. Without it, each sequence's last item is the target and
            what precedes it the query.

        Returns
        -------
        dict of str to float, or float if ``metrics`` is one name
        """
        recommender, X = look_through(estimator, X)
        found = recommender.rank_targets(X, y, exclude_seen=self.exclude_seen, ties=self.ties)
        if isinstance(self.metrics, str):
            return _figure(self.metrics, found)
        return {name: _figure(name, found) for name in self.metrics}


def look_through(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Find the recommender in pipelines and searches, and what of ``X`` reaches it."""
    if isinstance(estimator, Pipeline):
        transformed = estimator[:-1].transform(X) if len(estimator) > 1 else X
        return look_through(estimator[-1], transformed)
    if hasattr(estimator, "best_estimator_"):
        return look_through(estimator.best_estimator_, X)
    if not hasattr(estimator, "rank_targets"):
        raise TypeError(
            "ranking_scorer needs a recommender with a rank_targets method (or a Pipeline or "
            f"fitted search that holds one); got {type(estimator).__name__}."
        )
    return estimator, X


def _figure(name: str, found: TargetRanks) -> float:
    function, k = parse_metric(name)
    return float(function(found, k))


def ranking_scorer(
    metrics: str | Sequence[str] = ("auc", "hit_rate@50"),
    *,
    exclude_seen: bool = False,
    ties: Ties = "pessimistic",
) -> RankingScorer:
    """Make a scorer for ``scoring=`` of scikit-learn's cross-validation and searches.

    Parameters
    ----------
    metrics : str or sequence of str, default=("auc", "hit_rate@50")
        "auc", "mrr", "hit_rate@K", "ndcg@K". One name makes a scorer that returns a number,
        several one that returns a dict; a search then needs ``refit="hit_rate@50"``, say.
    exclude_seen : bool, default=False
        Whether a query's own items are out of the running (the thesis leaves them in).
    ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
        How items that score exactly as the relevant one count: ahead of it, half, or not.

    Returns
    -------
    RankingScorer

    Examples
    --------
    >>> from embrec.metrics import ranking_scorer
    >>> ranking_scorer(["auc", "ndcg@10"])
    ranking_scorer(['auc', 'ndcg@10'], exclude_seen=False, ties='pessimistic')
    """
    return RankingScorer(metrics, exclude_seen=exclude_seen, ties=ties)
