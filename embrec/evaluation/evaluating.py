"""How good a recommender is, with what can be said of the figures: one ranking pass, all metrics.

A figure that is measured on a sample of visitors has an error: `evaluate` gives it along, and
`compare` says whether one model is better than another on the same visitors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from embrec.data.ids import check_ids
from embrec.data.interactions import encode
from embrec.data.ragged import Ragged
from embrec.evaluation.resampling import bootstrap_interval, check_confidence, sign_test
from embrec.index import ExactIndex
from embrec.index.base import BaseIndex
from embrec.index.filters import Filter
from embrec.metrics import (
    LIST_METRICS,
    TargetRanks,
    catalog_coverage,
    gini_index,
    look_through,
    parse_metric,
)
from embrec.recommenders.base import BaseRecommender, last_items
from embrec.scoring.ranking import Ties, check_positive
from embrec.serving.reranking import Reranking

__all__ = ["Comparison", "Evaluation", "compare", "evaluate"]

History = Literal["all", "last", "shuffled"]

#: Items of histories that are encoded together: with every step of a sequence, they are many.
STEPS_AT_A_TIME = 2**20
#: Context lengths that make a slice, up to each; then all longer ones.
CONTEXTS = (0, 1, 2, 4, 8, 16)
METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10", "mrr")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found.

    Parameters
    ----------
    name : str
        Of the model.
    queries : DataFrame of n rows
        One row per query: ``sequence`` (its number in ``X``), ``user`` (if ``X`` is a log),
        ``target`` (id), ``context_length``, ``n_events`` (of the target in training), ``rank`` (0
        is best), ``n_candidates``, and each metric that is a mean over queries.
    recommended : ndarray of shape (n, k)
        Ids of what is recommended; None is no item. Of no columns if no metric needs them.
    metrics : tuple of str
    n_items : int
        Size of the catalogue.
    confidence : float
    n_bootstrap : int
    seed : int
    digest : str
        Tells what was asked: the sequences, which of their items were targets, how ties count.
    training_digest : str
        Tells what counts as training.
    """

    name: str
    queries: pd.DataFrame
    recommended: np.ndarray
    metrics: tuple[str, ...]
    n_items: int
    confidence: float
    n_bootstrap: int
    seed: int
    digest: str
    training_digest: str

    @property
    def table(self) -> pd.DataFrame:
        """A row per slice and metric: model, slice, n, metric, value, low, high.

        ``low`` and ``high`` bound a percentile bootstrap interval over sequences, each drawn with
        all its queries. Coverage and the Gini index have none: drawn with repeats, fewer different
        visitors see fewer items.
        """
        rows = [
            {"model": self.name, "slice": name, "n": int(mask.sum()), **figure}
            for name, mask in self._slices()
            for figure in self._figures(mask)
        ]
        return pd.DataFrame(rows)

    def _slices(self) -> Iterator[tuple[str, np.ndarray]]:
        n_events = self.queries["n_events"].to_numpy()
        lengths = self.queries["context_length"].to_numpy()
        yield "all", np.ones(len(self.queries), dtype=bool)
        slices = [("warm items", n_events > 0), ("cold items", n_events == 0)]
        for low, high in pairwise([-1, *CONTEXTS, np.inf]):
            slices.append((_length_name(low, high), (lengths > low) & (lengths <= high)))
        for name, mask in slices:
            if mask.any() and not mask.all():
                yield name, mask

    def _figures(self, mask: np.ndarray) -> Iterator[dict[str, Any]]:
        means = [metric for metric in self.metrics if metric in self.queries]
        values = self.queries.loc[mask, means].to_numpy()
        groups = self.queries.loc[mask, "sequence"].to_numpy()
        low, high = bootstrap_interval(values, self.confidence, self.n_bootstrap, self.seed, groups)
        bounds = dict(zip(means, zip(values.mean(axis=0), low, high, strict=True), strict=True))
        for metric in self.metrics:
            if metric not in bounds:
                value = _of_lists(metric, self.recommended[mask], self.n_items)
                bounds[metric] = value, np.nan, np.nan
            yield dict(
                zip(("metric", "value", "low", "high"), (metric, *bounds[metric]), strict=True)
            )

    def __str__(self) -> str:
        table = self.table
        table["shown"] = [
            _shown(*row) for row in table[["value", "low", "high"]].itertuples(index=False)
        ]
        pivot = table.pivot(index=["slice", "n"], columns="metric", values="shown")
        order = pd.MultiIndex.from_frame(table[["slice", "n"]].drop_duplicates())
        return f"{self.name}\n{pivot.loc[order, list(self.metrics)].to_string()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    table : DataFrame
        A row per metric: ``metric``, ``first``, ``second``, ``difference`` (second less first),
        ``low`` and ``high`` of it, ``p_value``, ``n``.
    names : tuple of str
    """

    table: pd.DataFrame
    names: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.names[1]} against {self.names[0]}\n{self.table.to_string(index=False)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


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
        Whether the other items of a history are out of the running. (The thesis ranks all.)
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
    recommender, X = look_through(estimator, X)
    check_is_fitted(recommender)
    names = _check_metrics(metrics)
    if history not in get_args(History):
        raise ValueError(f"history must be 'all', 'last' or 'shuffled'; got {history!r}.")
    check_confidence(confidence)
    check_positive(n_bootstrap, "n_bootstrap")
    Reranking(popularity_discount)  # raises if it is out of its range
    sequences = recommender.read_sequences(X)
    counts = recommender.training_counts(np.arange(len(recommender.catalog_)))
    index = recommender.index_
    if popularity_discount:  # as recommend does it
        index = _discounted(index, popularity_discount * np.log1p(counts))
    if train is not None:
        counts = _count(recommender, train)
    rng = check_random_state(random_state)
    seed = int(rng.randint(2**31 - 1))
    n_best = max((_list_length(name) for name in names if _is_of_lists(name)), default=0)
    parts = []
    asked = _asked(recommender, sequences, y, every_step, max_context, history == "all")
    for numbers, histories, targets, queries in asked:
        if queries is None:
            queries = recommender.query_vectors(_as_asked(histories, history, rng))
        if popularity_discount:
            queries = _with_column(queries, np.ones(len(histories)))
        rules = Filter(excluded=(histories,) if exclude_seen else ())
        ranked = index.rank_and_find(queries, targets, n_best, rules, ties=ties)
        parts.append((numbers, targets, histories.lengths, *ranked))
    joined = map(np.concatenate, zip(*parts, strict=True))
    numbers, targets, lengths, ranks, n_candidates, best = joined
    queries_table = {
        "sequence": numbers,
        **({} if sequences.names is None else {"user": sequences.names[numbers]}),
        "target": recommender.catalog_.ids.take(targets),
        "context_length": lengths,
        "n_events": counts[targets],
        "rank": ranks,
        "n_candidates": n_candidates,
    }
    queries_table |= _figures_per_query(names, TargetRanks(ranks, n_candidates), best, counts)
    return Evaluation(
        name=name or type(recommender).__name__,
        queries=pd.DataFrame(queries_table),
        recommended=recommender.catalog_.ids_at(best),
        metrics=names,
        n_items=recommender.index_.snapshot.n_active,
        confidence=confidence,
        n_bootstrap=n_bootstrap,
        seed=seed,
        digest=_digest(sequences, y, (every_step, max_context, ties)),
        training_digest=_digest_of([counts]),
    )


def compare(
    first: Evaluation,
    second: Evaluation,
    *,
    confidence: float | None = None,
    n_resamples: int = 10_000,
    random_state: Any = 0,
) -> Comparison:
    """Compare two models on the same queries.

    Parameters
    ----------
    first, second : Evaluation
        Of the same visitors, in the same order.
    confidence : float, optional
        Of the interval of the difference; by default that of `first`.
    n_resamples : int, default=10000
        Of the paired bootstrap over sequences, and of the randomisation test, which turns the sign
        of each sequence's differences at random [1]_.
    random_state : int, RandomState or None, default=0

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If they are not of the same queries, or have no metric in common.

    References
    ----------
    .. [1] M. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests for
       information retrieval evaluation", CIKM 2007.
    """
    for found in (first, second):
        if not isinstance(found, Evaluation):
            raise TypeError(
                f"compare takes what evaluate returns; got {type(found).__name__}. Evaluate both "
                "models on the same X first."
            )
    keys = ["target", "n_candidates"]
    if first.digest != second.digest or not first.queries[keys].equals(second.queries[keys]):
        raise ValueError(
            "The evaluations are not of the same queries: they differ in their sequences or the "
            "order of these, in which items are targets, in how ties count or in the number of "
            "candidates. Evaluate both with the same arguments on the same X."
        )
    common = [m for m in first.metrics if m in first.queries and m in second.queries]
    counted = [m for m in common if _is_of_lists(m)]
    if counted and first.training_digest != second.training_digest:
        raise ValueError(
            f"{counted} say how often what is shown was seen in training, and the two models "
            "counted other events. Pass the log they were trained on as train= to both calls of "
            "evaluate."
        )
    if not common:
        raise ValueError(
            f"The evaluations share no metric that is a mean over queries: {first.metrics} and "
            f"{second.metrics}."
        )
    check_positive(n_resamples, "n_resamples")
    pairs = first.queries[common].to_numpy(), second.queries[common].to_numpy()
    differences = pairs[1] - pairs[0]
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    level = first.confidence if confidence is None else confidence
    groups = first.queries["sequence"].to_numpy()
    low, high = bootstrap_interval(differences, level, n_resamples, seed, groups)
    table = pd.DataFrame(
        {
            "metric": common,
            "first": pairs[0].mean(axis=0),
            "second": pairs[1].mean(axis=0),
            "difference": differences.mean(axis=0),
            "low": low,
            "high": high,
            "p_value": sign_test(differences, n_resamples, seed, groups),
            "n": len(differences),
        }
    )
    return Comparison(table, (first.name, second.name))


# ---- what is asked


#: Numbers of sequences, histories of rows, rows of next items and, if already known, queries.
Asked = tuple[np.ndarray, Ragged, np.ndarray, Any]


def _asked(
    recommender: BaseRecommender,
    sequences: Ragged,
    y: Any,
    every_step: bool,
    max_context: Any,
    whole: bool,
) -> Iterator[Asked]:
    """Yield what is asked, some at a time; ``whole`` is whether histories are asked as they are."""
    if every_step:
        if y is not None:
            raise ValueError("every_step takes its targets from X; leave y out.")
        yield from _every_step(recommender, sequences, max_context, whole)
        return
    if max_context is not None:
        raise ValueError("max_context is for every_step=True.")
    if y is None:
        targets = recommender.catalog_.rows_of(last_items(sequences), what="the last items of X")
        histories = sequences.drop_last()
    else:
        targets = recommender.catalog_.rows_of(y, what="y")
        histories = sequences
        if len(targets) != len(sequences):
            raise ValueError(f"X has {len(sequences)} sequences and y {len(targets)} items.")
    yield np.arange(len(targets)), recommender.encode(histories), targets, None


def _every_step(
    recommender: BaseRecommender, sequences: Ragged, max_context: Any, whole: bool
) -> Iterator[Asked]:
    longest = np.inf if max_context is None else check_positive(max_context, "max_context")
    numbers = sequences.row_numbers
    places = np.arange(len(sequences.values)) - sequences.offsets[numbers]
    asked = np.flatnonzero((places > 0) & (places <= longest))
    if len(asked) == 0:
        raise ValueError("No sequence of X has two items: there is nothing to predict.")
    targets = recommender.catalog_.rows_of(sequences.values[asked], what="the targets in X")
    encoded = recommender.encode(sequences)
    # unknown items that are skipped put what follows in other places: then prefixes are of ids
    complete = len(encoded.values) == len(sequences.values)
    source = encoded if complete else sequences
    ends = np.cumsum(places[asked])
    starts = np.searchsorted(ends, np.arange(0, ends[-1], STEPS_AT_A_TIME))
    for start, stop in zip(starts, [*starts[1:], len(asked)], strict=True):
        some = asked[start:stop]
        if len(some) == 0:
            continue
        names = None if sequences.names is None else sequences.names[numbers[some]]
        histories = Ragged.from_spans(source.values, some - places[some], places[some], names)
        if not complete:
            histories = recommender.encode(histories)
        queries = None
        if whole and complete:
            first, last = numbers[some[0]], numbers[some[-1]] + 1
            queries = recommender.step_query_vectors(encoded.slice_rows(first, last))
        if queries is not None:
            queries = queries[some - 1 - encoded.offsets[first]]
        yield numbers[some], histories, targets[start:stop], queries


def _count(recommender: BaseRecommender, train: Any) -> np.ndarray:
    """Count the events of each catalogue row in a log."""
    sequences = recommender.read_sequences(train, what="train")
    rows = encode(sequences, recommender.catalog_.ids, on_unknown="skip", what="train").values
    if len(rows) == 0:
        raise ValueError("train holds no item of the catalogue: it is not what it was trained on.")
    return np.bincount(rows, minlength=len(recommender.catalog_))


def _digest(sequences: Ragged, y: Any, how: tuple[Any, ...]) -> str:
    """Hash what is asked, in ids: catalogues may number items in other ways."""
    targets = [] if y is None else [check_ids(y, what="y")]
    return _digest_of([sequences.values, sequences.offsets, *targets], how)


def _digest_of(arrays: Sequence[np.ndarray], how: tuple[Any, ...] = ()) -> str:
    digest = blake2b(repr(how).encode(), digest_size=16)
    for values in arrays:
        if values.dtype == object:
            digest.update("\x00".join(values.tolist()).encode())
        else:
            digest.update(values.tobytes())
    return digest.hexdigest()


def _as_asked(histories: Ragged, history: History, rng: np.random.RandomState) -> Ragged:
    if history == "last":
        return histories.keep_last(1)
    if history == "all":
        return histories
    order = np.lexsort((rng.random_sample(len(histories.values)), histories.row_numbers))
    return histories.with_values(histories.values[order])


def _discounted(index: BaseIndex, discounts: np.ndarray) -> ExactIndex:
    """Copy an index, each item's score lowered: by a column that queries have a one in."""
    snapshot = index.snapshot
    lowered = ExactIndex().fit(_with_column(snapshot.whole(), -discounts))
    lowered.remove(np.flatnonzero(~snapshot.active))
    return lowered


def _with_column(matrix: Any, column: np.ndarray) -> Any:
    """Append a column to an ndarray or a CSR matrix."""
    column = column.astype(np.float32)[:, None]
    if sp.issparse(matrix):
        return sp.hstack([matrix, sp.csr_array(column)], format="csr")
    return np.hstack([matrix, column])


# ---- figures


def _check_metrics(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of metrics as a tuple, or raise ValueError."""
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not names:
        raise ValueError("metrics is empty; name at least one, such as 'hit_rate@50'.")
    for name in names:
        check: Any = _list_length if _is_of_lists(name) else parse_metric
        check(name)
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must name each metric once; got {names}.")
    return names


def _figures_per_query(
    names: tuple[str, ...], found: TargetRanks, best: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the metrics that are means over queries, for each query."""
    figures = {}
    for metric in names:
        if not _is_of_lists(metric):
            function, at = parse_metric(metric)
            figures[metric] = function(found, at, average=False)
        elif _per_item(metric, counts) is not None:
            shown = best[:, : _list_length(metric)]
            figures[metric] = _mean_of_lists(_per_item(metric, counts), shown)
    return figures


def _is_of_lists(metric: Any) -> bool:
    return isinstance(metric, str) and metric.partition("@")[0] in LIST_METRICS


def _list_length(metric: str) -> int:
    _, _, at = metric.partition("@")
    if not at.isdecimal():
        raise ValueError(
            f"{metric!r} needs a number of items, such as '{metric.split('@')[0]}@10'."
        )
    return check_positive(int(at), metric)


def _per_item(metric: str, counts: np.ndarray) -> np.ndarray | None:
    """Say what each item brings to a metric that is a mean over lists; None if it is none."""
    if metric.startswith("popularity"):
        return counts.astype(np.float64)
    if metric.startswith("novelty"):  # as `embrec.metrics.novelty` has it
        information: np.ndarray = -np.log2((counts + 1) / (counts.sum() + len(counts)))
        return information
    return None


def _mean_of_lists(values: Any, rows: np.ndarray) -> np.ndarray:
    there = rows >= 0
    total = np.where(there, values[np.maximum(rows, 0)], 0).sum(axis=1)
    means: np.ndarray = total / np.maximum(there.sum(axis=1), 1)
    return means


def _of_lists(metric: str, recommended: np.ndarray, n_items: int) -> float:
    name, _, at = metric.partition("@")
    function = catalog_coverage if name == "coverage" else gini_index
    return function(recommended[:, : int(at)], n_items)


def _length_name(low: float, high: float) -> str:
    if high == np.inf:
        return f"context > {low:.0f}"
    return f"context {high:.0f}" if high - low == 1 else f"context {low + 1:.0f} to {high:.0f}"


def _shown(value: float, low: float, high: float) -> str:
    return f"{value:.4f}" if np.isnan(low) else f"{value:.4f} [{low:.4f}, {high:.4f}]"
