"""How good a recommender is: one ranking pass, all metrics, each with what can be said of it.

A figure that is measured on a sample of visitors has an error: `evaluate` gives it along.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_positive
from embrec._utils.moments import as_of_now
from embrec.data.ragged import Ragged
from embrec.data.targets import are_seen, warn_of_misses
from embrec.evaluation.asked import (
    Asking,
    History,
    count_events,
    digest_of,
    digest_of_queries,
)
from embrec.evaluation.discounting import discounted_index, discounted_queries
from embrec.evaluation.figures import check_metrics, figures_per_query, longest_list
from embrec.evaluation.resampling import check_confidence
from embrec.evaluation.results import Evaluation
from embrec.index.filters import Filter
from embrec.metrics import TargetRanks
from embrec.metrics.scorer import unwrap
from embrec.recommenders.base import BaseRecommender
from embrec.scoring.ranks import Ties
from embrec.serving.reranking import Reranking

METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10", "mrr")


def evaluate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    metrics: str | Sequence[str] = METRICS,
    every_step: bool = False,
    max_context: int | None = None,
    history: History = "all",
    train: Any = None,
    exclude_seen: bool = False,
    popularity_discount: float = 0.0,
    ties: Ties = "pessimistic",
    confidence: float = 0.95,
    n_bootstrap: int = 1000,
    random_state: Any = 0,
    name: str | None = None,
) -> Evaluation:
    """Rank each visitor's true next item among all items, and say how well that went.

    Parameters
    ----------
    estimator : fitted recommender, or Pipeline or search that holds one
    X : list of sequences, or log
        The test part of a split. Without ``y``, each sequence's last item is the target and what
        precedes it the history.
    y : array-like of shape (n,), optional
        The next item of each sequence; all of ``X`` is history then.
    metrics : str or sequence of str
        "auc", "mrr", "hit_rate@K", "ndcg@K"; and of the K items recommended: "coverage@K" (share of
        the catalogue that anybody is shown), "gini@K", "novelty@K" (bits), "popularity@K" (mean
        number of training events).
    every_step : bool, default=False
        Whether all items of a sequence but the first are targets, each after those before it: for
        visitors whom training never saw (thesis section 4.3). Of others it asks what was learned.
    max_context : int, optional
        With ``every_step``, leave out targets after more items than these.
    history : {"all", "last", "shuffled"}, default="all"
        What of each history the model gets. The last item alone, or all in random order, tell how
        much the rest, or the order, is worth.
    train : log or list of sequences, optional
        What counts as training when it is said which targets are cold, how novel and how popular
        items are. By default what the model itself counted, which need not be what another did: one
        that is trained on the last events of each user has not seen the others. Items that the
        catalogue lacks are passed over.
    exclude_seen : bool, default=False
        Whether what is in a history is out of the running, as in ``recommend`` by default. A target
        that is in it then ranks last, with a warning. The result says which it is. (The thesis
        ranks all.)
    popularity_discount : float, default=0.0
        An item of ``n`` events in training loses ``popularity_discount * log(1 + n)`` of its score,
        as in ``recommend``; here all items are ranked so, and not some candidates.
    ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
        How items that score exactly as the target count.
    confidence : float, default=0.95
        Of the intervals.
    n_bootstrap : int, default=1000
        Resamples they are made of.
    random_state : int, RandomState or None, default=0
        Of the resamples and the shuffling.
    name : str, optional
        Of the model; by default its class.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If a metric is unknown, or a target is missing or not in the catalogue.
    """
    recommender, X = unwrap(estimator, X)
    check_is_fitted(recommender)
    recommender = as_of_now(recommender)
    names = check_metrics(metrics)
    asking = Asking(every_step, max_context, history)
    check_confidence(confidence)
    check_positive(n_bootstrap, "n_bootstrap")
    Reranking(popularity_discount)  # raises if it is out of its range
    sequences = recommender.read_log(X)
    counts = recommender.training_counts(np.arange(len(recommender.catalog_)))
    rank = _Ranking(
        recommender, counts, longest_list(names), exclude_seen, popularity_discount, ties
    )
    if train is not None:
        counts = count_events(recommender, train)
    rng = check_random_state(random_state)
    seed = int(rng.randint(2**31 - 1))
    answers = rank(asking, sequences, y, rng)
    warn_of_misses(answers.are_seen & exclude_seen)
    queries = _describe(answers, sequences, recommender.catalog_.ids.take(answers.targets), counts)
    found = TargetRanks(answers.ranks, answers.n_candidates)
    queries |= figures_per_query(names, found, answers.best, counts)
    return Evaluation(
        name=name or type(recommender).__name__,
        queries=pd.DataFrame(queries),
        recommended=recommender.catalog_.ids_at(answers.best),
        metrics=names,
        exclude_seen=exclude_seen,
        n_items=recommender.index_.snapshot.n_active,
        confidence=confidence,
        n_bootstrap=n_bootstrap,
        seed=seed,
        digest=digest_of_queries(sequences, y, (every_step, max_context, ties, exclude_seen)),
        training_digest=digest_of([counts]),
    )


class _Answers(NamedTuple):
    """What a model made of the queries: one value or row per query."""

    numbers: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    are_seen: np.ndarray
    ranks: np.ndarray
    n_candidates: np.ndarray
    best: np.ndarray


class _Ranking:
    """Ranks the targets of queries among all items, and finds the best of them."""

    def __init__(
        self,
        recommender: BaseRecommender,
        counts: np.ndarray,
        n_best: int,
        exclude_seen: bool,
        popularity_discount: float,
        ties: Ties,
    ) -> None:
        self.recommender = recommender
        self.n_best = n_best
        self.exclude_seen = exclude_seen
        self.is_discounted = bool(popularity_discount)
        self.ties: Ties = ties
        self.index = recommender.index_
        if popularity_discount:  # as recommend does it
            self.index = discounted_index(self.index, counts, popularity_discount)

    def __call__(
        self, asking: Asking, sequences: Ragged, y: Any, rng: np.random.RandomState
    ) -> _Answers:
        parts = []
        for asked in asking.ask(self.recommender, sequences, y):
            queries = asking.query_vectors(self.recommender, asked, rng)
            if self.is_discounted:
                queries = discounted_queries(queries)
            rules = Filter(excluded=(asked.histories,) if self.exclude_seen else ())
            ranked = self.index.rank_and_find(
                queries, asked.targets, self.n_best, rules, ties=self.ties
            )
            seen = are_seen(asked.histories, asked.targets)
            lengths = asked.histories.lengths
            parts.append((asked.numbers, asked.targets, lengths, seen, *ranked))
        return _Answers(*map(np.concatenate, zip(*parts, strict=True)))


def _describe(
    answers: _Answers, sequences: Ragged, targets: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Say of each query what it was and how it went, but for the metrics."""
    users = {} if sequences.names is None else {"user": sequences.names[answers.numbers]}
    return {
        "sequence": answers.numbers,
        **users,
        "target": targets,
        "context_length": answers.lengths,
        "seen": answers.are_seen,
        "n_events": counts[answers.targets],
        "rank": answers.ranks,
        "n_candidates": answers.n_candidates,
    }
