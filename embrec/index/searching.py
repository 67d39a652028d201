"""The best k rows of a snapshot, exactly or through its static search, filters applied."""

from typing import Any

import numpy as np

from embrec.data.ragged import Ragged
from embrec.index.fetching import Found, search_all, search_static
from embrec.index.filters import Filter, SlotFilter
from embrec.index.snapshot import Snapshot
from embrec.scoring.candidates import Candidates
from embrec.scoring.pairs import Pairs
from embrec.scoring.top_k import best_of_pairs, nothing, top_k

#: Candidates that are a smaller share of all are scored one by one.
LISTED_SHARE = 1 / 32


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
        Best first, equal scores by row; -1 where fewer qualify. Those for one k are the first of
        those for any larger one: what an approximate search misses at first, and finds when it is
        asked for more, follows what it had found.
    scores : ndarray of shape (n_queries, k), float32
        -inf where the row is -1. The score of a pair depends neither on the other queries nor on
        how it was found.
    """
    listed = rules.slots(snapshot)
    if _is_short(listed, queries.shape[0]):
        slots, scores = _search_listed(listed, queries, k, memory)
    elif exactly or snapshot.static is None:
        slots, scores = search_all(listed, queries, k, memory)
    else:
        slots, scores = search_static(listed, queries, k, memory)
    return snapshot.rows_at(slots.ravel()).reshape(slots.shape), scores


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
    snapshot = rules.snapshot
    lists = _without_repeats(rules.included, snapshot.n_slots)
    lists = lists.where(rules.may_answer(lists.row_numbers, lists.values))
    numbers, slots = lists.row_numbers, lists.values
    scores = Pairs(queries, snapshot.parts).scores(numbers, slots)
    return best_of_pairs(numbers, slots, scores, queries.shape[0], k, snapshot.slot_rows)


def _search_shared(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Score the candidates of one list for all queries."""
    snapshot = rules.snapshot
    listed = np.unique(rules.include)  # type: ignore[arg-type]
    listed = listed[snapshot.are_alive(listed)]
    if rules.exclude is not None:
        listed = np.setdiff1d(listed, rules.exclude)
    if len(listed) == 0:
        return nothing(queries.shape[0], k)
    excluded = tuple(_places(slots, listed) for slots in rules.excluded)
    order = None if snapshot.slot_rows is None else snapshot.slot_rows[listed]
    found, scores = top_k(
        queries, snapshot.at(listed), k, Candidates(excluded=excluded), order=order, memory=memory
    )
    return np.where(found < 0, -1, listed[found]), scores


def _places(slots: Ragged, listed: np.ndarray) -> Ragged:
    """Find slots in a sorted list; those that are not there fall away."""
    places = np.minimum(np.searchsorted(listed, slots.values), len(listed) - 1)
    return Ragged(places, slots.offsets).where(listed[places] == slots.values)


def _without_repeats(lists: Ragged, n_slots: int) -> Ragged:
    pairs = np.unique(lists.row_numbers * n_slots + lists.values)
    lengths = np.bincount(pairs // n_slots, minlength=len(lists))
    return Ragged.from_lengths(pairs % n_slots, lengths)
