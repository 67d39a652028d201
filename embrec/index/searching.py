"""The best k rows of a snapshot, exactly or through its static search, filters applied."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from embrec.index.filters import Filter, SlotFilter
from embrec.index.rows import Snapshot
from embrec.ragged import Ragged
from embrec.ranking import Vectors, top_k

#: To fetch more than this share of all vectors is slower than to score all of them.
FETCHED_SHARE = 1 / 16
#: Candidates that are a smaller share of all are scored one by one.
LISTED_SHARE = 1 / 32
#: Numbers that are gathered at a time.
GATHERED = 2**22

Found = tuple[NDArray[np.int64], NDArray[np.float32]]


def search(
    snapshot: Snapshot, queries: Any, k: int, rules: Filter, *, memory: int, exactly: bool
) -> Found:
    """Find the rows with the largest inner products.

    Parameters
    ----------
    snapshot : Snapshot
    queries : ndarray or CSR of shape (n_queries, d), float32
    k : int
    rules : Filter
        As many as qualify are found, up to k.
    memory : int
        Bytes of scores held at a time.
    exactly : bool
        Whether not to use the static search.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), int64
        Best first, equal scores by row; -1 where fewer qualify.
    scores : ndarray of shape (n_queries, k), float32
        -inf where the row is -1. The score of a pair depends neither on the other queries nor on
        how it was found.
    """
    listed = rules.slots(snapshot)
    if _is_short(listed, queries.shape[0]):
        slots, scores = _search_listed(listed, queries, k)
    elif exactly or snapshot.static is None:
        slots, scores = _search_all(listed, queries, k, memory)
    else:
        slots, scores = _search_static(listed, queries, k, memory)
    return _in_order(snapshot.rows_at(slots.ravel()).reshape(slots.shape), scores)


def parts(snapshot: Snapshot) -> list[Vectors]:
    """Return the vectors of all slots, in two parts if there are two."""
    return [snapshot.base, snapshot.tail] if len(snapshot.tail_rows) else [snapshot.base]


def _search_all(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    found = top_k(queries, parts(rules.snapshot), k, rules.candidates(), memory=memory)
    return _scored(rules.snapshot, queries, found[0])


# ---- a few candidates


def _is_short(rules: SlotFilter, n_queries: int) -> bool:
    limit = rules.snapshot.n_slots * LISTED_SHARE
    if rules.included is not None:
        return len(rules.included.values) < limit * n_queries
    return rules.include is not None and len(rules.include) < limit


def _search_listed(rules: SlotFilter, queries: Any, k: int) -> Found:
    """Score candidates that are listed, and nothing else."""
    n_queries = queries.shape[0]
    if rules.included is None:
        every = np.unique(rules.include)  # type: ignore[arg-type]
        lists = Ragged.from_lengths(
            np.tile(every, n_queries), np.full(n_queries, len(every), dtype=np.int64)
        )
    else:
        lists = _without_repeats(rules.included, rules.snapshot.n_slots)
    lists = lists.where(rules.may_answer(lists.row_numbers, lists.values))
    scores = _score_pairs(rules.snapshot, queries, lists.row_numbers, lists.values)
    order = np.lexsort((-scores, lists.row_numbers))
    places = np.arange(len(order)) - np.repeat(lists.offsets[:-1], lists.lengths)
    best = places < k
    slots, values = _nothing(n_queries, k)
    where = lists.row_numbers[best], places[best]
    slots[where], values[where] = lists.values[order][best], scores[order][best]
    return slots, values


def _without_repeats(lists: Ragged, n_slots: int) -> Ragged:
    pairs = np.unique(lists.row_numbers * n_slots + lists.values)
    lengths = np.bincount(pairs // n_slots, minlength=len(lists))
    return Ragged.from_lengths(pairs % n_slots, lengths)


# ---- through a static search


def _search_static(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Fetch more than k until k of them may answer; if that takes too many, score all."""
    snapshot = rules.snapshot
    n_queries, limit = len(queries), snapshot.n_base * FETCHED_SHARE
    slots, scores = _nothing(n_queries, k)
    waiting = np.arange(n_queries)
    fetched = _first_fetch(rules, k)
    while len(waiting) and fetched <= limit:
        found = snapshot.static.search(queries[waiting], fetched)
        may = rules.may_answer(waiting[:, None], found)
        enough = may.sum(axis=1) >= k
        done = waiting[enough]
        best = np.where(may[enough], found[enough], -1)
        slots[done], scores[done] = _best(*_scored(snapshot, queries[done], best), k)
        waiting = waiting[~enough]
        fetched *= 4
    if len(snapshot.tail_rows):
        new = _search_tail(rules, queries, k, memory)
        slots = np.concatenate([slots, new[0]], axis=1)
        scores = np.concatenate([scores, new[1]], axis=1)
        slots, scores = _best(slots, scores, k)
    if len(waiting):
        left = _take(rules, waiting)
        slots[waiting], scores[waiting] = _search_all(left, queries[waiting], k, memory)
    return slots, scores


def _first_fetch(rules: SlotFilter, k: int) -> int:
    """Guess how many must be fetched for k to be left."""
    snapshot = rules.snapshot
    n_left = snapshot.n_base if rules.include is None else len(rules.include)
    n_left -= int(np.count_nonzero(snapshot.dead < snapshot.n_base))
    if rules.exclude is not None:
        n_left -= len(rules.exclude)
    share = min(max(n_left, 1) / snapshot.n_base, 1.0)  # lists may hold repeats
    seen = sum(float(np.median(slots.lengths)) for slots in rules.excluded if len(slots))
    # the seen resemble the query more than others do; the rest is spread as if by chance
    return int(np.ceil((k + seen) / share + (0 if share == 1 else 2 * np.sqrt(k / share))))


def _take(rules: SlotFilter, queries: np.ndarray) -> SlotFilter:
    return SlotFilter(
        rules.snapshot,
        rules.include,
        rules.exclude,
        None if rules.included is None else rules.included.take(queries),
        tuple(slots.take(queries) for slots in rules.excluded),
    )


def _search_tail(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    snapshot = rules.snapshot
    n_base = snapshot.n_base
    found, _ = top_k(queries, snapshot.tail, k, rules.candidates(n_base), memory=memory)
    return _scored(snapshot, queries, np.where(found < 0, -1, found + n_base))


# ---- scores


def _scored(snapshot: Snapshot, queries: Any, slots: np.ndarray) -> Found:
    """Score what was found, each pair in the same way whatever it was found with."""
    scores = np.full(slots.shape, -np.inf, dtype=np.float32)
    there = slots >= 0
    numbers = np.broadcast_to(np.arange(len(slots))[:, None], slots.shape)
    scores[there] = _score_pairs(snapshot, queries, numbers[there], slots[there])
    return slots, scores


def _score_pairs(
    snapshot: Snapshot, queries: Any, numbers: np.ndarray, slots: np.ndarray
) -> NDArray[np.float32]:
    """Inner products of queries, by number, and slots, pair by pair."""
    scores = np.empty(len(slots), dtype=np.float32)
    step = max(1, GATHERED // max(1, queries.shape[1]))
    for start in range(0, len(slots), step):
        part = slice(start, start + step)
        vectors = snapshot.at(slots[part])
        if sp.issparse(queries):
            products = queries[numbers[part]].multiply(vectors)
            scores[part] = np.asarray(products.sum(axis=1)).ravel()
        else:
            np.einsum("ij,ij->i", queries[numbers[part]], vectors, out=scores[part])
    return scores


def _nothing(n_queries: int, k: int) -> Found:
    slots = np.full((n_queries, k), -1, dtype=np.int64)
    return slots, np.full((n_queries, k), -np.inf, dtype=np.float32)


def _best(slots: np.ndarray, scores: np.ndarray, k: int) -> Found:
    """Keep the k largest scores of each query."""
    if slots.shape[1] <= k:
        return slots, scores
    kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return np.take_along_axis(slots, kept, 1), np.take_along_axis(scores, kept, 1)


def _in_order(rows: np.ndarray, scores: np.ndarray) -> Found:
    order = np.lexsort((rows, -scores), axis=1)
    rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
    rows[np.isneginf(scores)] = -1
    return rows, scores
