"""Metrics by name."""

import re
from collections.abc import Callable
from typing import Any

from embrec._utils.checks import check_k
from embrec.metrics.of_ranks import auc, hit_rate_at_k, mrr, ndcg_at_k

#: Metrics by name; those that end in @ take a cut-off.
_METRICS: dict[str, Callable[..., Any]] = {
    "auc": lambda found, k, average=True: auc(found.ranks, found.n_candidates, average=average),
    "mrr": lambda found, k, average=True: mrr(found.ranks, average=average),
    "hit_rate@": lambda found, k, average=True: hit_rate_at_k(found.ranks, k, average=average),
    "ndcg@": lambda found, k, average=True: ndcg_at_k(found.ranks, k, average=average),
}

#: Metrics of lists of K items, which `embrec.evaluation.evaluate` knows.
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
