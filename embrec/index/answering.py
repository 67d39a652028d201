"""What an index is asked: the best rows of all, and the rank of one."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_k
from embrec.data.side_by_side import SideBySide
from embrec.index.filters import Filter, present_slots
from embrec.index.searching import search
from embrec.scoring.products import Vectors, as_float32
from embrec.scoring.ranks import Ties, rank_and_find

_EVERYTHING = Filter()


class AnsweringMixin:
    """Finds and ranks rows of an index.

    Needs ``memory``, ``n_features_in_``, and the index's ``snapshot`` and how it makes vectors
    unit vectors.
    """

    memory: int
    n_features_in_: int
    snapshot: Any
    _as_unit: Any

    def search(
        self, queries: Any, k: int, rules: Filter = _EVERYTHING, *, exactly: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the vectors with the largest inner products, or cosines.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        k : int
        rules : Filter, optional
            Further limits on what may be found. As many are returned as qualify, up to k.
        exactly : bool, default=False
            Whether to score all vectors though the index is approximate.

        Returns
        -------
        scores : ndarray of shape (n_queries, k), float32
            Largest first; -inf where fewer may be found.
        rows : ndarray of shape (n_queries, k), int64
            Their rows; -1 where fewer may be found.

        Raises
        ------
        ValueError
            If queries are not of the vectors' length, or ``k`` is not a positive integer.
        """
        check_is_fitted(self)
        check_k(k)
        snapshot = self.snapshot
        rows, scores = search(
            snapshot,
            self._as_queries(queries),
            max(1, min(k, snapshot.n_active)),  # what is found takes memory on its way, by k
            rules,
            memory=self.memory,
            exactly=exactly,
        )
        return _filled_up(scores, k, -np.inf), _filled_up(rows, k, -1)

    def rank(
        self,
        queries: Any,
        targets: np.ndarray,
        rules: Filter = _EVERYTHING,
        *,
        ties: Ties = "pessimistic",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank one row per query among all that may be found, exactly, by counting.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        targets : ndarray of shape (n_queries,), int
            The row to rank for each query. One that the rules leave out is last.
        rules : Filter, optional
            Further limits on what it is ranked against.
        ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
            How vectors that score exactly as the target count.

        Returns
        -------
        ranks : ndarray of shape (n_queries,), float64
            How many are ahead of the target.
        n_candidates : ndarray of shape (n_queries,), int64
            How many there are, the target included.
        """
        return self.rank_and_find(queries, targets, 0, rules, ties=ties)[:2]

    def rank_and_find(
        self,
        queries: Any,
        targets: np.ndarray,
        k: int,
        rules: Filter = _EVERYTHING,
        *,
        ties: Ties = "pessimistic",
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Do as `rank` does, and find the best k rows in the same pass.

        Parameters
        ----------
        queries, targets
            As for `rank`.
        k : int
            May be 0.
        rules, ties
            As for `rank`.

        Returns
        -------
        ranks : ndarray of shape (n_queries,), float64
        n_candidates : ndarray of shape (n_queries,), int64
        rows : ndarray of shape (n_queries, k), int64
            Best first; -1 where fewer may be found.
        """
        check_is_fitted(self)
        snapshot = self.snapshot
        ranks, n_candidates, slots = rank_and_find(
            self._as_queries(queries),
            snapshot.parts,
            present_slots(snapshot, targets),
            min(k, snapshot.n_active),
            rules.slots(snapshot).candidates(),
            ties=ties,
            order=snapshot.slot_rows,
            longest_square=snapshot.longest_square,
            memory=self.memory,
        )
        rows = snapshot.rows_at(slots.ravel()).reshape(slots.shape)
        return ranks, n_candidates, _filled_up(rows, k, -1)

    def _as_queries(self, queries: Any) -> Vectors:
        SideBySide.check_alike(queries, self.snapshot.base, "queries")
        queries = as_float32(queries)
        if queries.ndim != 2 or queries.shape[1] != self.n_features_in_:
            raise ValueError(
                f"Expected queries of shape (n_queries, {self.n_features_in_}), as the vectors; "
                f"got {queries.shape}."
            )
        return self._as_unit(queries)


def _filled_up(found: np.ndarray, k: int, value: float) -> np.ndarray:
    """Widen what was found to k columns."""
    missing = k - found.shape[1]
    if missing <= 0:
        return found
    return np.pad(found, ((0, 0), (0, missing)), constant_values=value)
