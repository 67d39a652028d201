"""From query vectors to ids: filters, candidates, re-ranking."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from embrec.data.ids import check_ids, short_repr
from embrec.data.interactions import encode, read_sequences
from embrec.data.ragged import Ragged
from embrec.data.tables import is_table
from embrec.index.filters import Filter
from embrec.serving.live import LiveCatalog
from embrec.serving.reranking import Reranking, choose, discounted


class Answering(Protocol):
    """What a recommender must have for its queries to be answered."""

    @property
    def catalog_(self) -> LiveCatalog:
        """Ids and vectors."""

    @property
    def n_embedding_columns(self) -> int | None:
        """How many columns of an item's vector say what it is; None if all do."""

    def training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each row has."""


def answer(
    model: Answering, queries: Any, k: int, rules: Filter, reranking: Reranking
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best k items for each query.

    Parameters
    ----------
    model : Answering
    queries : ndarray or CSR of shape (n, d)
    k : int
    rules : Filter
    reranking : Reranking

    Returns
    -------
    ids : ndarray of shape (n, k)
        None where fewer than ``k`` qualify.
    scores : ndarray of shape (n, k), float32
    """
    catalog = model.catalog_
    rounds = reranking.rounds(k)
    pool = min(rounds[-1][1], max(k, catalog.index.snapshot.n_active))
    scores, rows = catalog.index.search(queries, pool, rules)
    if reranking.is_off:
        return catalog.ids_at(rows), scores
    if reranking.popularity_discount:
        counts = model.training_counts(np.maximum(rows, 0).ravel()).reshape(rows.shape)
        scores = discounted(scores, counts, reranking.popularity_discount)
    snapshot, n_columns = catalog.index.snapshot, model.n_embedding_columns
    chosen = choose(
        scores,
        rounds,
        reranking.diversity,
        lambda some: snapshot.take(np.maximum(rows[some], 0).ravel())[:, :n_columns],
    )
    none = chosen < 0
    ids = catalog.ids_at(np.where(none, -1, np.take_along_axis(rows, chosen, 1)))
    return ids, np.where(none, -np.inf, np.take_along_axis(scores, chosen, 1))


def make_filter(
    catalog: LiveCatalog, histories: Ragged, exclude_seen: bool, include: Any, exclude: Any
) -> Filter:
    """Turn what a user asks for into limits on rows.

    Parameters
    ----------
    catalog : LiveCatalog
    histories : Ragged of rows
        One per query.
    exclude_seen : bool
    include, exclude : list of ids, or one list per query, or None

    Returns
    -------
    Filter
    """
    rules = Filter(excluded=(histories,) if exclude_seen else ())
    if include is not None:
        rows = _filter_rows(catalog, include, len(histories), what="include")
        if isinstance(rows, Ragged):
            rules = replace(rules, included=rows)
        else:
            rules = replace(rules, include=rows)
    if exclude is not None:
        rows = _filter_rows(catalog, exclude, len(histories), what="exclude")
        if isinstance(rows, Ragged):
            rules = replace(rules, excluded=(*rules.excluded, rows))
        else:
            rules = replace(rules, exclude=rows)
    return rules


def _filter_rows(catalog: LiveCatalog, ids: Any, n: int, *, what: str) -> np.ndarray | Ragged:
    """Catalogue rows of a filter: one array for all, or a Ragged with one row per query."""
    if isinstance(ids, Mapping) or is_table(ids):
        raise TypeError(f"{what} must be a list of ids; got a {type(ids).__name__}.")
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Collection):
        got = short_repr(ids)
        raise TypeError(f"{what} must be a list of ids; got {got}. Pass [{got}].")
    values = [list(row) if isinstance(row, Set) else row for row in ids]
    if not values or isinstance(values[0], str) or not isinstance(values[0], Collection):
        return _known_rows(catalog, values, what)
    sequences, _ = read_sequences(values, what=what)
    if len(sequences) != n:
        raise ValueError(
            f"{what} must be one list of ids, or one list per row of X: X has {n} rows, "
            f"{what} {len(sequences)}."
        )
    if what == "include":
        rows = catalog.rows_of(sequences.values, what=what, removed=True)
        return Ragged(rows, sequences.offsets)
    return encode(sequences, catalog.ids, on_unknown="skip", what=what)


def _known_rows(catalog: LiveCatalog, ids: Sequence[Any], what: str) -> np.ndarray:
    if what == "include":
        return catalog.rows_of(ids, what=what, removed=True)
    checked = check_ids(ids, what=what)
    catalog.ids.check_kind(checked, what=what)
    rows = catalog.ids.rows(checked)
    return rows[rows >= 0]
