"""Metrics by name: figures of each query, and of the lists that are shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from embrec._utils.checks import check_positive
from embrec.metrics import TargetRanks, catalog_coverage, gini_index
from embrec.metrics.names import LIST_METRICS, parse_metric
from embrec.metrics.of_lists import self_information


def check_metrics(metrics: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of metrics as a tuple, or raise ValueError."""
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not names:
        raise ValueError("metrics is empty; name at least one, such as 'hit_rate@50'.")
    for name in names:
        check: Any = list_length if is_of_lists(name) else parse_metric
        check(name)
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must name each metric once; got {names}.")
    return names


def figures_per_query(
    names: tuple[str, ...], found: TargetRanks, best: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the metrics that are means over queries, for each query."""
    figures = {}
    for metric in names:
        if not is_of_lists(metric):
            function, at = parse_metric(metric)
            figures[metric] = function(found, at, average=False)
        elif _per_item(metric, counts) is not None:
            shown = best[:, : list_length(metric)]
            figures[metric] = _mean_of_lists(_per_item(metric, counts), shown)
    return figures


def is_of_lists(metric: Any) -> bool:
    """Tell whether a metric is of what is shown, rather than of ranks."""
    return isinstance(metric, str) and metric.partition("@")[0] in LIST_METRICS


def list_length(metric: str) -> int:
    """Read from the name of a metric how many items it looks at, or raise ValueError."""
    _, _, at = metric.partition("@")
    if not at.isdecimal():
        raise ValueError(
            f"{metric!r} needs a number of items, such as '{metric.split('@')[0]}@10'."
        )
    return check_positive(int(at), metric)


def longest_list(names: tuple[str, ...]) -> int:
    """Say how many items the longest list of these metrics has; 0 if none is of lists."""
    return max((list_length(name) for name in names if is_of_lists(name)), default=0)


def _per_item(metric: str, counts: np.ndarray) -> np.ndarray | None:
    """Say what each item brings to a metric that is a mean over lists; None if it is none."""
    if metric.startswith("popularity"):
        return counts.astype(np.float64)
    if metric.startswith("novelty"):
        information: np.ndarray = self_information(counts)
        return information
    return None


def _mean_of_lists(values: Any, rows: np.ndarray) -> np.ndarray:
    there = rows >= 0
    total = np.where(there, values[np.maximum(rows, 0)], 0).sum(axis=1)
    means: np.ndarray = total / np.maximum(there.sum(axis=1), 1)
    return means


def of_lists(metric: str, recommended: np.ndarray, n_items: int) -> float:
    """Compute a metric of all lists together."""
    name, _, at = metric.partition("@")
    function = catalog_coverage if name == "coverage" else gini_index
    return function(recommended[:, : int(at)], n_items)
