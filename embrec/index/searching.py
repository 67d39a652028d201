"""The best k rows of a snapshot, exactly or through its static search, filters applied."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from embrec.data.ragged import Ragged
from embrec.index.filters import Filter, SlotFilter
from embrec.index.snapshot import Snapshot
from embrec.scoring.candidates import Candidates
from embrec.scoring.products import Vectors
from embrec.scoring.top_k import top_k

#: To fetch more than this share of all vectors is slower than to score all of them.
FETCHED_SHARE = 1 / 16
#: Candidates that are a smaller share of all are scored one by one.
LISTED_SHARE = 1 / 32
#: Bytes that a fetched slot takes on its way.
FETCHED_BYTES = 64
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
        Best first, equal scores by row; -1 where fewer qualify. Which of several that score as the
        k-th does are among them, is not defined.
    scores : ndarray of shape (n_queries, k), float32
        -inf where the row is -1. The score of a pair depends neither on the other queries nor on
        how it was found.
    """
    listed = rules.slots(snapshot)
    if _is_short(listed, queries.shape[0]):
        slots, scores = _search_listed(listed, queries, k, memory)
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


def _search_listed(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Score candidates that are listed, and nothing else."""
    if rules.included is None:
        return _search_shared(rules, queries, k, memory)
    n_queries = queries.shape[0]
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


def _search_shared(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Score the candidates of one list for all queries."""
    snapshot = rules.snapshot
    listed = np.unique(rules.include)  # type: ignore[arg-type]
    listed = listed[snapshot.are_alive(listed)]
    if rules.exclude is not None:
        listed = np.setdiff1d(listed, rules.exclude)
    if len(listed) == 0:
        return _nothing(queries.shape[0], k)
    excluded = tuple(_places(slots, listed) for slots in rules.excluded)
    candidates = Candidates(excluded=excluded)
    found, _ = top_k(queries, snapshot.at(listed), k, candidates, memory=memory)
    return _scored(snapshot, queries, np.where(found < 0, -1, listed[found]))


def _places(slots: Ragged, listed: np.ndarray) -> Ragged:
    """Find slots in a sorted list; those that are not there fall away."""
    places = np.minimum(np.searchsorted(listed, slots.values), len(listed) - 1)
    return Ragged(places, slots.offsets).where(listed[places] == slots.values)


def _without_repeats(lists: Ragged, n_slots: int) -> Ragged:
    pairs = np.unique(lists.row_numbers * n_slots + lists.values)
    lengths = np.bincount(pairs // n_slots, minlength=len(lists))
    return Ragged.from_lengths(pairs % n_slots, lengths)


# ---- through a static search


def _search_static(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Fetch more than k until k of them may answer; if that takes too many, score all."""
    snapshot = rules.snapshot
    n_queries, limit = queries.shape[0], snapshot.n_base * FETCHED_SHARE
    slots, scores = _nothing(n_queries, k)
    waiting, given_up = np.arange(n_queries), []
    fetched = _first_fetch(rules, k)
    while len(waiting) and fetched <= limit:
        step = max(1, memory // (FETCHED_BYTES * fetched))
        short = []
        for start in range(0, len(waiting), step):
            block = waiting[start : start + step]
            found, values, says_nothing = _fetch(rules, queries, block, fetched)
            enough = (found >= 0).sum(axis=1) >= k
            done = block[enough]
            slots[done], scores[done] = _best(found[enough], values[enough], k)
            given_up.append(block[says_nothing])
            short.append(block[~enough & ~says_nothing])
        waiting = np.concatenate(short)
        fetched *= 4
    if len(snapshot.tail_rows):
        new = _search_tail(rules, queries, k, memory)
        slots = np.concatenate([slots, new[0]], axis=1)
        scores = np.concatenate([scores, new[1]], axis=1)
        slots, scores = _best(slots, scores, k)
    left = np.concatenate([*given_up, waiting])
    if len(left):
        some = _take(rules, left)
        slots[left], scores[left] = _search_all(some, queries[left], k, memory)
    return slots, scores


def _fetch(
    rules: SlotFilter, queries: Any, numbers: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find those of the n best for some queries that may answer, -1 elsewhere.

    The last that is returned tells which queries should be answered by scoring everything.
    """
    snapshot = rules.snapshot
    found = snapshot.static.search(queries[numbers], n)
    says_nothing = (found < 0).all(axis=1)
    found, scores = _scored(snapshot, queries[numbers], found)
    may = rules.may_answer(numbers[:, None], found)
    if found.shape[1] > n:
        # what is worse than the n-th best is no better than what was left out
        least = -np.partition(-scores, n - 1, axis=1)[:, n - 1 : n]
        may &= scores >= least
    return np.where(may, found, -1), np.where(may, scores, -np.inf), says_nothing


def _first_fetch(rules: SlotFilter, k: int) -> int:
    """Guess how many must be fetched for k to be left."""
    snapshot = rules.snapshot
    n_held = max(snapshot.static.n_held, 1)
    share = min(max(_n_left(rules), 1) / n_held, 1.0)
    seen = sum(float(np.median(slots.lengths)) for slots in rules.excluded if len(slots))
    # the seen resemble the query more than others do; the rest is spread as if by chance
    return int(np.ceil((k + seen) / share + (0 if share == 1 else 2 * np.sqrt(k / share))))


def _n_left(rules: SlotFilter) -> int:
    """Count what may be found of the base, but for what single queries exclude."""
    snapshot = rules.snapshot
    if rules.include is not None and rules.exclude is not None:
        listed = np.zeros(snapshot.n_slots, dtype=bool)
        listed[rules.include] = True
        listed[rules.exclude] = False
        return _n_alive_in_base(snapshot, np.flatnonzero(listed))
    if rules.include is not None:
        return _n_alive_in_base(snapshot, rules.include)
    n_left = snapshot.n_base - snapshot.n_dead_in_base
    return n_left if rules.exclude is None else n_left - _n_alive_in_base(snapshot, rules.exclude)


def _n_alive_in_base(snapshot: Snapshot, slots: np.ndarray) -> int:
    # repeats count twice, which a guess can bear
    return int(np.count_nonzero(snapshot.are_alive(slots[slots < snapshot.n_base])))


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
