"""Scorers for scikit-learn: one ranking pass, all figures."""

from collections.abc import Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from embrec.metrics.names import parse_metric
from embrec.metrics.of_ranks import TargetRanks
from embrec.scoring.ranks import Ties, check_ties


class RankingScorer:
    """A scorer that ranks once and gives every figure asked for; see `ranking_scorer`.

    Parameters
    ----------
    metrics : str or sequence of str
        "auc", "mrr", "hit_rate@K", "ndcg@K".
    exclude_seen : bool, default=False
        Whether a query's own items are out of the running, as in ``recommend`` by default; a target
        that is one of them then ranks last. (The thesis leaves them in.)
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
        recommender, X = unwrap(estimator, X)
        found = recommender.rank_targets(X, y, exclude_seen=self.exclude_seen, ties=self.ties)
        if isinstance(self.metrics, str):
            return _figure(self.metrics, found)
        return {name: _figure(name, found) for name in self.metrics}


def unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Find the recommender in pipelines and searches, and what of ``X`` reaches it."""
    if isinstance(estimator, Pipeline):
        transformed = estimator[:-1].transform(X) if len(estimator) > 1 else X
        return unwrap(estimator[-1], transformed)
    if hasattr(estimator, "best_estimator_"):
        return unwrap(estimator.best_estimator_, X)
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
        Whether a query's own items are out of the running, as in ``recommend`` by default; a target
        that is one of them then ranks last. (The thesis leaves them in.)
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
