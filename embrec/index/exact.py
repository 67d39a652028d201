"""Exact search by inner product."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.preprocessing import normalize

from embrec.ranking import SCORE_MEMORY, Candidates, Ties, Vectors, rank_targets, top_k


class ExactIndex:
    """Exact top-k search over vectors that come, change and go.

    It knows rows of vectors, not ids. Removing keeps a vector's row and its value: rows never
    move, so whoever keeps row numbers may go on using them.

    Parameters
    ----------
    memory : int, default=64 MiB
        Bytes of scores held at a time, whatever the number of queries and vectors.
    """

    def __init__(self, memory: int = SCORE_MEMORY) -> None:
        self.memory = memory

    def fit(self, vectors: Any) -> "ExactIndex":
        """Take the vectors to search.

        Parameters
        ----------
        vectors : ndarray or CSR of shape (n_vectors, d), float32
            Never written to: the first `replace` makes a copy.

        Returns
        -------
        self
        """
        self._sparse = sp.issparse(vectors)
        # "W": torch takes no memory that is read-only, such as joblib maps from disk
        self._store = vectors if self._sparse else np.require(vectors, np.float32, ["C", "W"])
        self._owns_store = False
        if not self._sparse and not self._store.flags.writeable:
            self._own_store()  # torch takes no memory that it must not write to
        self._n = vectors.shape[0]
        self._active = np.ones(self._n, dtype=bool)
        self._unit: ExactIndex | None = None
        return self

    def __len__(self) -> int:
        """Count the rows, removed ones included."""
        return self._n

    @property
    def vectors(self) -> Any:
        """Vectors in row order, removed ones included: shape (n_vectors, d)."""
        return self._store[: self._n]

    @property
    def active(self) -> np.ndarray:
        """Which rows may be found, shape (n_vectors,), bool."""
        return self._active

    def add(self, vectors: Any) -> np.ndarray:
        """Append vectors, at a cost that does not depend on how many there are already.

        (Amortised; a CSR index is copied.)

        Parameters
        ----------
        vectors : ndarray or CSR of shape (n_new, d)

        Returns
        -------
        ndarray of shape (n_new,)
            Their rows.
        """
        n = self._n + vectors.shape[0]
        if self._sparse:
            self._store = sp.vstack([self._store, vectors], format="csr")
        else:
            if n > len(self._store):
                grown = np.empty((max(n, 2 * self._n), self._store.shape[1]), dtype=np.float32)
                grown[: self._n] = self._store[: self._n]
                self._store, self._owns_store = grown, True
            self._store[self._n : n] = vectors
        rows = np.arange(self._n, n)
        self._active = np.concatenate([self._active, np.ones(len(rows), dtype=bool)])
        self._n = n
        self._unit = None
        return rows

    def replace(self, rows: np.ndarray, vectors: Any) -> None:
        """Give rows new vectors, and make them findable if they were removed.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
        vectors : ndarray or CSR of shape (n, d)
        """
        if len(rows) == 0:
            return
        if self._sparse:
            position = np.arange(self._n)
            position[rows] = np.arange(self._n, self._n + len(rows))
            self._store = sp.vstack([self._store, vectors], format="csr")[position]
        else:
            self._own_store()
            self._store[rows] = vectors
        self._active[rows] = True
        self._unit = None

    def remove(self, rows: np.ndarray) -> None:
        """Never return these rows again.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
        """
        self._active[rows] = False
        self._unit = None

    def kneighbors(
        self, queries: Any, n_neighbors: int, candidates: Candidates | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the vectors with the largest inner products.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        n_neighbors : int
        candidates : Candidates, optional
            Further limits on what may be found.

        Returns
        -------
        scores : ndarray of shape (n_queries, n_neighbors), float32
            Inner products, largest first; -inf where fewer may be found.
        rows : ndarray of shape (n_queries, n_neighbors), int64
            Their rows; -1 where fewer may be found.
        """
        rows, scores = top_k(
            self._as_vectors(queries),
            self._as_vectors(self.vectors),
            n_neighbors,
            self._candidates(candidates),
            memory=self.memory,
        )
        return scores, rows

    def rank(
        self,
        queries: Any,
        targets: np.ndarray,
        candidates: Candidates | None = None,
        *,
        ties: Ties = "pessimistic",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank one row per query among all that may be found, by counting.

        Parameters
        ----------
        queries : ndarray or CSR of shape (n_queries, d)
        targets : ndarray of shape (n_queries,), int
            The row to rank for each query.
        candidates : Candidates, optional
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
        return rank_targets(
            self._as_vectors(queries),
            self._as_vectors(self.vectors),
            targets,
            self._candidates(candidates),
            ties=ties,
            memory=self.memory,
        )

    def normalized(self, n_columns: int | None = None) -> "ExactIndex":
        """Return an index of the same rows scaled to length 1: its inner products are cosines.

        It is made at the first call after a change, and kept.

        Parameters
        ----------
        n_columns : int, optional
            How many of the first columns to compare; all by default, and the same at every call.

        Returns
        -------
        ExactIndex
        """
        if self._unit is None:
            self._unit = ExactIndex(self.memory).fit(normalize(self.vectors[:, :n_columns]))
            self._unit.remove(np.flatnonzero(~self._active))
        return self._unit

    def _own_store(self) -> None:
        if not self._owns_store:
            self._store, self._owns_store = np.array(self._store), True

    def __getstate__(self) -> dict[str, Any]:
        return {"memory": self.memory, "vectors": self.vectors, "active": self._active}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # joblib may give memory that is mapped read-only, and rows here change
        self.memory = state["memory"]
        self.fit(state["vectors"])
        self._active = np.array(state["active"])

    def _candidates(self, candidates: Candidates | None) -> Candidates | None:
        if candidates is not None and candidates.are_all:
            candidates = None
        if self._active.all():
            return candidates
        active = torch.from_numpy(self._active)
        if candidates is None:
            return Candidates(allowed=active)
        allowed = active if candidates.allowed is None else active & candidates.allowed
        return Candidates(allowed, candidates.included, candidates.excluded)

    def _as_vectors(self, matrix: Any) -> Vectors:
        if self._sparse:
            return matrix
        array = np.ascontiguousarray(matrix, dtype=np.float32)
        return torch.from_numpy(array if array.flags.writeable else array.copy())
