"""The best k through a static search: fetch some, leave out what may not answer, fetch more."""

from typing import Any

import numpy as np

from embrec.index.filters import SlotFilter
from embrec.index.snapshot import Snapshot
from embrec.scoring.pairs import Pairs
from embrec.scoring.top_k import nothing, top_k

#: Slots that are fetched first for a query; then 4 times as many, and so on.
FETCHED = 64
#: To fetch more than this share of all vectors is slower than to score all of them.
FETCHED_SHARE = 1 / 16
#: Bytes that a fetched slot takes on its way.
FETCHED_BYTES = 64

Found = tuple[np.ndarray, np.ndarray]


def search_static(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Fetch some slots, and more where k of them may not answer; if that is too many, score all.

    How many are fetched at a time does not depend on k, and what is found later follows what was
    found before: so the list for one k is the beginning of that for any larger one.

    Parameters
    ----------
    rules : SlotFilter
        Of a snapshot that has a static search.
    queries : ndarray of shape (n_queries, d), float32
    k : int
    memory : int
        Bytes of scores held at a time.

    Returns
    -------
    slots : ndarray of shape (n_queries, k), int64
    scores : ndarray of shape (n_queries, k), float32
    """
    snapshot = rules.snapshot
    limit = snapshot.n_base * FETCHED_SHARE
    lists = _Lists(queries.shape[0], k, snapshot)
    waiting, given_up = np.arange(queries.shape[0]), []
    fetched, n_rounds = _first_fetch(rules), 0
    while len(waiting) and fetched <= limit:
        step = max(1, memory // (FETCHED_BYTES * fetched))
        short = []
        for start in range(0, len(waiting), step):
            block = waiting[start : start + step]
            found, says_nothing = _fetch(rules, queries, block, fetched)
            enough = lists.add(block, found, n_rounds) >= k
            given_up.append(block[says_nothing])
            short.append(block[~enough & ~says_nothing])
        waiting = np.concatenate(short)
        fetched, n_rounds = fetched * 4, n_rounds + 1
    left = np.concatenate([*given_up, waiting])
    if len(left):
        slots, scores = search_all(_take(rules, left), queries[left], k, memory)
        in_tail = slots >= snapshot.n_base  # which comes below
        found = np.where(in_tail, -1, slots), np.where(in_tail, -np.inf, scores)
        lists.add(left, found, n_rounds)
    if len(snapshot.tail_rows):
        lists.add(np.arange(queries.shape[0]), _search_tail(rules, queries, k, memory), 0)
    return lists.slots, lists.scores


class _Lists:
    """The best that was found so far for each query, in order.

    Parameters
    ----------
    n_queries, k : int
    snapshot : Snapshot
        It says whose slots they are: of equal scores the smaller row is first.
    """

    def __init__(self, n_queries: int, k: int, snapshot: Snapshot) -> None:
        self.slots, self.scores = nothing(n_queries, k)
        # a slot that was missed at first stands where it was found: after the last one before it
        self._ends = self.scores.copy()
        self._rounds = np.zeros((n_queries, k), dtype=np.int8)
        self._snapshot = snapshot

    def add(self, numbers: np.ndarray, found: Found, n_round: int) -> np.ndarray:
        """Add what was found, and say how many each of these queries has now: (n,) int.

        Parameters
        ----------
        numbers : ndarray of shape (n,), int
            Of the queries.
        found : tuple of ndarray of shape (n, m)
            Slots and scores; a slot of -1, of score -inf, is none.
        n_round : int
            What is found in a later round follows all that is there, but for 0.
        """
        slots, scores = found
        ends, rounds = scores, np.zeros(slots.shape, dtype=np.int8)
        if n_round:
            codes = np.arange(len(slots))[:, None] * self._snapshot.n_slots
            is_new = ~np.isin(
                codes + slots, (codes + self.slots[numbers])[self.slots[numbers] >= 0]
            )
            is_new &= slots >= 0
            slots, scores = np.where(is_new, slots, -1), np.where(is_new, scores, -np.inf)
            there = self.slots[numbers] >= 0
            last = np.min(self._ends[numbers], axis=1, keepdims=True, where=there, initial=np.inf)
            ends, rounds = np.minimum(scores, last), np.where(scores >= last, n_round, rounds)
        self._merge(numbers, slots, scores, ends, rounds)
        return np.count_nonzero(self.slots[numbers] >= 0, axis=1)

    def _merge(self, numbers: np.ndarray, *new: np.ndarray) -> None:
        kept = self.slots, self.scores, self._ends, self._rounds
        slots, scores, ends, rounds = (
            np.concatenate([old[numbers], more], axis=1)
            for old, more in zip(kept, new, strict=True)
        )
        rows = self._snapshot.rows_at(slots.ravel()).reshape(slots.shape)
        order = np.lexsort((rows, -scores, rounds, -ends), axis=1)[:, : self.slots.shape[1]]
        for old, both in zip(kept, (slots, scores, ends, rounds), strict=True):
            old[numbers] = np.take_along_axis(both, order, 1)


def _fetch(
    rules: SlotFilter, queries: Any, numbers: np.ndarray, n: int
) -> tuple[Found, np.ndarray]:
    """Find those of the n best for some queries that may answer, -1 elsewhere.

    The last that is returned tells which queries should be answered by scoring everything.
    """
    snapshot = rules.snapshot
    found = snapshot.static.search(queries[numbers], n)
    says_nothing = (found < 0).all(axis=1)
    scores = np.full(found.shape, -np.inf, dtype=np.float32)
    rows, columns = np.nonzero(found >= 0)
    pairs = Pairs(queries, snapshot.parts)
    scores[rows, columns] = pairs.scores(numbers[rows], found[rows, columns])
    may = rules.may_answer(numbers[:, None], found)
    if found.shape[1] > n:
        # what is worse than the n-th best is no better than what was left out
        least = -np.partition(-scores, n - 1, axis=1)[:, n - 1 : n]
        may &= scores >= least
    return (np.where(may, found, -1), np.where(may, scores, -np.inf)), says_nothing


def _first_fetch(rules: SlotFilter) -> int:
    """Say how many are fetched first, so that enough of them may answer."""
    n_held = max(rules.snapshot.static.n_held, 1)
    share = min(max(_n_left(rules), 1) / n_held, 1.0)
    # and twice the deviation of how many that takes, if they are spread as by chance
    return int(np.ceil((FETCHED + 2 * np.sqrt(FETCHED * (1 - share))) / share))


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


def search_all(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    """Score all."""
    snapshot = rules.snapshot
    return top_k(
        queries,
        snapshot.parts,
        k,
        rules.candidates(),
        order=snapshot.slot_rows,
        longest_square=snapshot.longest_square,
        memory=memory,
    )


def _search_tail(rules: SlotFilter, queries: Any, k: int, memory: int) -> Found:
    snapshot = rules.snapshot
    n_base = snapshot.n_base
    found, scores = top_k(
        queries,
        snapshot.tail,
        k,
        rules.candidates(n_base),
        order=snapshot.tail_rows,
        longest_square=snapshot.longest_square,
        memory=memory,
    )
    return np.where(found < 0, -1, found + n_base), scores
