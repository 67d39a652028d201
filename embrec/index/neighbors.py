"""scikit-learn's neighbours: what makes an index a transformer too."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from embrec.index.filters import Filter
from embrec.index.searching import search
from embrec.index.snapshot import Snapshot
from embrec.scoring.products import squared_lengths


class NeighborsMixin:
    """Answers as scikit-learn's ``NearestNeighbors`` and ``KNeighborsTransformer`` do.

    Needs ``n_neighbors``, ``metric``, ``mode``, ``memory``, and the index's ``snapshot`` and checks
    of vectors and queries.
    """

    n_neighbors: int
    metric: str
    mode: str
    memory: int
    snapshot: Any
    n_samples_fit_: Any
    _validated: Any
    _as_queries: Any

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Find nearest neighbours, in the manner of scikit-learn.

        Parameters
        ----------
        X : array-like or CSR of shape (n_queries, d), optional
            Queries; without them, the vectors of the index that were not removed, none of which is
            its own neighbour.
        n_neighbors : int, optional
            How many; by default as the constructor says.
        return_distance : bool, default=True

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            Nearest first. For ``metric="angular"`` 1 minus the cosine. For "dot" what makes the
            largest inner product the nearest: the Euclidean distance to ``(v, sqrt(M**2 -
            |v|**2))``, ``M`` being the length of the longest vector, removed ones included
            [Bachrach et al. 2014].
        rows : ndarray of shape (n_queries, n_neighbors), int64

        Raises
        ------
        ValueError
            If there are not that many to be found.
        """
        check_is_fitted(self)
        distances, rows = self._neighbors(self.snapshot, X, n_neighbors)
        return (distances, rows) if return_distance else rows

    def _neighbors(
        self, snapshot: Snapshot, X: Any, n_neighbors: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise TypeError(f"n_neighbors must be an integer; got {k!r}.")
        n_left = snapshot.n_active - (X is None)
        if not 0 < k <= n_left:
            raise ValueError(
                f"Expected n_neighbors <= n_samples_fit, which is {n_left}, and at least 1; "
                f"got n_neighbors = {k}."
            )
        rules = Filter()
        if X is None:
            rows = np.flatnonzero(snapshot.active)
            queries = snapshot.take(rows)
            rules = Filter.without_itself(rows)
        else:
            queries = self._as_queries(self._validated(X, reset=False))
        rows, scores = search(snapshot, queries, k, rules, memory=self.memory, exactly=False)
        return self._distances(snapshot, queries, scores), rows

    def _distances(self, snapshot: Snapshot, queries: Any, scores: np.ndarray) -> np.ndarray:
        if self.metric == "angular":
            return np.maximum(1 - scores, 0)
        squares = snapshot.longest_square + squared_lengths(queries)[:, None] - 2 * scores
        return np.sqrt(np.maximum(squares, 0))

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> sp.csr_matrix:
        """Find nearest neighbours as a sparse graph, in the manner of scikit-learn.

        Parameters
        ----------
        X, n_neighbors
            As for `kneighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether the values are ones or distances.

        Returns
        -------
        CSR matrix of shape (n_queries, n_vectors)
            Without `X`, of shape (n_vectors, n_vectors); lines and columns of removed vectors are
            empty.
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(f"mode must be 'connectivity' or 'distance'; got {mode!r}.")
        check_is_fitted(self)
        snapshot = self.snapshot
        distances, rows = self._neighbors(snapshot, X, n_neighbors)
        active, n_vectors = snapshot.active, snapshot.n_rows
        lengths = np.full(len(rows), rows.shape[1])
        if X is None:
            lengths = np.where(active, rows.shape[1], 0)
        values = distances if mode == "distance" else np.ones_like(distances)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        shape = (len(lengths), n_vectors)
        return sp.csr_matrix((values.ravel(), rows.ravel(), indptr), shape=shape)

    def transform(self, X: Any) -> sp.csr_matrix:
        """Return the graph of the nearest neighbours of `X`: see `kneighbors_graph`.

        Parameters
        ----------
        X : array-like or CSR of shape (n_queries, d)

        Returns
        -------
        CSR matrix of shape (n_queries, n_vectors)
            With one neighbour more if ``mode="distance"``, as `KNeighborsTransformer` does, for
            which a vector is its own first neighbour (by cosine, but not by inner product).
        """
        check_is_fitted(self)
        k = min(self.n_neighbors + (self.mode == "distance"), self.snapshot.n_active)
        return self.kneighbors_graph(X, k, self.mode)

    @property
    def _n_features_out(self) -> int:
        # the name that scikit-learn's mixin reads
        return self.n_samples_fit_
