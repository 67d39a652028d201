"""Whether one model is better than another, on the same visitors."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from embrec._utils.checks import check_positive
from embrec.evaluation.figures import is_of_lists
from embrec.evaluation.resampling import bootstrap_interval, sign_test
from embrec.evaluation.results import Comparison, Evaluation


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
    _check_same_queries(first, second)
    common = _common_metrics(first, second)
    check_positive(n_resamples, "n_resamples")
    pairs = first.queries[common].to_numpy(), second.queries[common].to_numpy()
    differences: np.ndarray = pairs[1] - pairs[0]
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


def _check_same_queries(first: Evaluation, second: Evaluation) -> None:
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
            "order of these, in which items are targets, in how ties count, in whether seen "
            "items are left out or in the number of candidates. Evaluate both with the same "
            "arguments on the same X."
        )


def _common_metrics(first: Evaluation, second: Evaluation) -> list[str]:
    """Name the metrics that can be compared, or raise ValueError."""
    common = [m for m in first.metrics if m in first.queries and m in second.queries]
    counted = [m for m in common if is_of_lists(m)]
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
    return common
