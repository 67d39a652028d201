"""What evaluations and comparisons found, as tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from embrec.evaluation.figures import of_lists
from embrec.evaluation.resampling import bootstrap_interval

#: Context lengths that make a slice, up to each; then all longer ones.
CONTEXTS = (0, 1, 2, 4, 8, 16)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found.

    Parameters
    ----------
    name : str
        Of the model.
    queries : DataFrame of n rows
        One row per query: ``sequence`` (its number in ``X``), ``user`` (if ``X`` is a log),
        ``target`` (id), ``context_length``, ``seen`` (whether the history holds the target),
        ``n_events`` (of the target in training), ``rank`` (0 is best), ``n_candidates``, and each
        metric that is a mean over queries.
    recommended : ndarray of shape (n, k)
        Ids of what is recommended; None is no item. Of no columns if no metric needs them.
    metrics : tuple of str
    exclude_seen : bool
        Whether what is in a history was out of the running.
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
    exclude_seen: bool
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
                value = of_lists(metric, self.recommended[mask], self.n_items)
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
        ranked = "seen left out" if self.exclude_seen else "all ranked"
        return f"{self.name}, {ranked}\n{pivot.loc[order, list(self.metrics)].to_string()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def _length_name(low: float, high: float) -> str:
    if high == np.inf:
        return f"context > {low:.0f}"
    return f"context {high:.0f}" if high - low == 1 else f"context {low + 1:.0f} to {high:.0f}"


def _shown(value: float, low: float, high: float) -> str:
    return f"{value:.4f}" if np.isnan(low) else f"{value:.4f} [{low:.4f}, {high:.4f}]"


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
