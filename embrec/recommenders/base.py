"""What all recommenders share: they answer from query vectors, item vectors and an index.

A recommender turns a history into a query vector and an item's content into an item vector; the
score of an item is their inner product. All the rest - reading interactions, filters, top-k,
ranks, ids in and out - is here, once.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_k
from embrec.data.ids import check_ids, short_repr
from embrec.data.interactions import LogColumns, encode, read_sequences
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
from embrec.data.tables import is_table
from embrec.data.targets import split_targets
from embrec.index.filters import Filter
from embrec.metrics import TargetRanks, hit_rate_at_k
from embrec.persistence.folder import load_estimator, save_estimator
from embrec.scoring.ranks import Ties
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalogMixin
from embrec.serving.reranking import Reranking, choose, discounted

#: Cut-off of ``score``.
SCORE_K = 50


class BaseRecommender(LiveCatalogMixin, BaseEstimator):
    """Base of all recommenders.

    A subclass sets ``user_col``, ``item_col``, ``timestamp_col`` and ``on_unknown`` in its
    constructor, sets ``catalog_`` and ``index_`` in ``fit``, and writes three small methods:
    `_featurize`, `_item_vectors` and `_query_vectors`.
    """

    #: Parameters of a run rather than of what it made: they are not saved.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ()

    # scikit-learn routes these to fit unasked
    __metadata_request__fit = {"items": True, "X_val": True}
    __metadata_request__partial_fit = {"items": True, "replay": True}

    @abstractmethod
    def _query_vectors(self, histories: Ragged) -> Any:
        """Turn histories of item rows into query vectors: ndarray or CSR of shape (n, d)."""

    def _step_query_vectors(self, sequences: Ragged) -> Any:
        """Make query vectors after every item of sequences of rows: (n_values, d).

        None if there is no shorter way than through every prefix.
        """
        return None

    # ---- reading what users pass

    @property
    def _columns(self) -> LogColumns:
        return LogColumns(self.user_col, self.item_col, self.timestamp_col)

    def _read_sequences(self, X: Any, *, what: str = "X") -> Ragged:
        if isinstance(X, InteractionStore):
            stored = X.sequences()
            return Ragged(X.ids[stored.values], stored.offsets, X.users)
        sequences, _ = read_sequences(X, self._columns, what=what)
        return sequences

    def _read_histories(self, X: Any, on_unknown: str | None = None) -> Ragged:
        return self._encode(self._read_sequences(X), on_unknown)

    def _encode(self, sequences: Ragged, on_unknown: str | None = None) -> Ragged:
        policy = self.on_unknown if on_unknown is None else on_unknown
        if policy not in ("raise", "skip"):
            raise ValueError(f"on_unknown must be 'raise' or 'skip'; got {policy!r}.")
        return encode(sequences, self.catalog_.ids, on_unknown=policy)

    # ---- answers

    def recommend(
        self,
        X: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        include: Any = None,
        exclude: Any = None,
        popularity_discount: float = 0.0,
        diversity: float = 0.0,
        n_candidates: int | None = None,
        on_unknown: str | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the next items.

        Parameters
        ----------
        X : list of sequences, or log
            Histories: one sequence of item ids per visitor, oldest first, or a table with one row
            per interaction. Neither the visitors nor their sequences need have been seen before. An
            empty sequence is a visitor of whom nothing is known.
        k : int, default=10
            How many items to recommend to each.
        exclude_seen : bool, default=True
            Whether to leave out what is in the history.
        include : list of ids, or one list per row, optional
            Recommend nothing but these.
        exclude : list of ids, or one list per row, optional
            Recommend none of these. Ids that are not in the catalogue do no harm.
        popularity_discount : float, default=0.0
            An item of ``n`` events in training loses ``popularity_discount * log(1 + n)`` of its
            score. With logits for scores, as after cross-entropy, 1 ranks items by how much
            likelier they are after this history than after any [1]_.
        diversity : float, default=0.0
            Between 0 and 1: how much being like what is above it in the list counts against an
            item, and its score the less for it. Maximal marginal relevance [2]_, over the cosines
            of item embeddings and scores scaled to between 0 and 1.
        n_candidates : int, optional
            How many of the best by score the last two choose from; by default 100, or
            ``10 * k`` if that is more.
        on_unknown : {"raise", "skip"}, optional
            What to do with an item in a history that the catalogue never had; by default what the
            constructor says. An item that was removed is not unknown.

        Returns
        -------
        ids : ndarray of shape (n, k)
            Item ids, best first; one row per sequence, or per user of a log in order of first
            appearance. int64 or object (of str), as the catalogue's ids. If fewer than ``k`` items
            qualify the row is filled up with None (and the array is of objects).
        scores : ndarray of shape (n, k), float32
            Their scores, comparable within a row, with the discount taken off; -inf beside None.
            They fall from left to right unless ``diversity`` is asked for.

        Raises
        ------
        ValueError
            If a history or ``include`` holds an unknown id, or ``k`` is not a positive integer, or
            another number is out of its range.
        TypeError
            If ids are of another kind than the catalogue's: integers, where those are strings.

        References
        ----------
        .. [1] H. Steck. "Item popularity and recommendation accuracy". RecSys 2011.
        .. [2] J. Carbonell, J. Goldstein. "The use of MMR, diversity-based reranking for
           reordering documents and producing summaries". SIGIR 1998.
        """
        check_is_fitted(self)
        reranking = Reranking(popularity_discount, diversity, n_candidates)
        reranking.pool_size(check_k(k))  # what is wrong with these is said first
        histories = self._read_histories(X, on_unknown)
        rules = self._filter(histories, exclude_seen, include, exclude)
        return self._answer(self._query_vectors(histories), k, rules, reranking)

    def _answer(
        self, queries: Any, k: int, rules: Filter, reranking: Reranking
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best k for each query vector: ids and scores, both (n, k)."""
        scores, rows = self.index_.search(queries, reranking.pool_size(k), rules)
        return self._choose(scores, rows, k, reranking)

    def _choose(
        self, scores: np.ndarray, rows: np.ndarray, k: int, reranking: Reranking
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose k of each query's candidates: ids and scores, both (n, k)."""
        if reranking.is_off:
            return self._ids_at(rows), scores
        if reranking.popularity_discount:
            counts = self._training_counts(np.maximum(rows, 0).ravel()).reshape(rows.shape)
            scores = discounted(scores, counts, reranking.popularity_discount)
        snapshot, n_columns = self.index_.snapshot, self._n_embedding_columns
        chosen = choose(
            scores,
            k,
            reranking.diversity,
            lambda some: snapshot.take(np.maximum(rows[some], 0).ravel())[:, :n_columns],
        )
        none = chosen < 0
        ids = self._ids_at(np.where(none, -1, np.take_along_axis(rows, chosen, 1)))
        return ids, np.where(none, -np.inf, np.take_along_axis(scores, chosen, 1))

    @abstractmethod
    def _training_counts(self, rows: np.ndarray) -> np.ndarray:
        """Say how many events of training each of these rows has: (n,) int."""

    @property
    def _n_embedding_columns(self) -> int | None:
        """How many columns of an item's vector say what it is; None if all do."""
        return None

    def predict(self, X: Any) -> np.ndarray:
        """Recommend one next item each: the first of ``recommend(X)``.

        Parameters
        ----------
        X : list of sequences, or log

        Returns
        -------
        ndarray of shape (n,)
            Item ids.
        """
        return self.recommend(X, k=1)[0][:, 0]

    def rank_targets(
        self,
        X: Any,
        y: Any = None,
        *,
        exclude_seen: bool = False,
        ties: Ties = "pessimistic",
    ) -> TargetRanks:
        """Rank each visitor's true next item among all items, in bounded memory.

        Parameters
        ----------
        X : list of sequences, or log
            Without ``y``, each sequence's last item is its target and the items before it, of which
            there may be none, the history.
        y : array-like of shape (n,), optional
            The next item of each sequence; all of ``X`` is history then.
        exclude_seen : bool, default=False
            Whether the other items of the history are out of the running. (The thesis ranks all.)
        ties : {"pessimistic", "average", "optimistic"}, default="pessimistic"
            How items that score exactly as the target count: ahead of it, half, or not.

        Returns
        -------
        TargetRanks
            ``ranks`` and ``n_candidates``, each of shape (n,).

        Raises
        ------
        ValueError
            If a target is missing, unknown or removed from the catalogue.
        """
        check_is_fitted(self)
        sequences = self._read_sequences(X)
        sequences, targets = split_targets(sequences, y, self._rows_of)
        histories = self._encode(sequences)
        rules = Filter(excluded=(histories,) if exclude_seen else ())
        queries = self._query_vectors(histories)
        return TargetRanks(*self.index_.rank(queries, targets, rules, ties=ties))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Hit rate at 50 of each visitor's next item.

        Parameters
        ----------
        X : list of sequences, or log
            Without ``y``, each sequence's last item is its target.
        y : array-like of shape (n,), optional
            The next item of each sequence.
        sample_weight : array-like of shape (n,), optional
            Weight of each sequence in the mean.

        Returns
        -------
        float
            Between 0 and 1. For other figures see `embrec.metrics.ranking_scorer`.
        """
        hits = hit_rate_at_k(self.rank_targets(X, y).ranks, SCORE_K, average=False)
        return float(np.average(hits, weights=sample_weight))

    def similar_items(self, ids: Any, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Find the items whose vectors have the largest cosine with those of the given items.

        Parameters
        ----------
        ids : list of n ids
            Items of the catalogue.
        k : int, default=10

        Returns
        -------
        ids : ndarray of shape (n, k)
            Most similar first, the item itself left out; None where there are no more.
        scores : ndarray of shape (n, k), float32
            Cosines; -inf beside None.
        """
        check_is_fitted(self)
        check_k(k)
        rows = self._rows_of(ids, what="ids")
        by_cosine = self.index_.companion(self._n_embedding_columns)
        vectors = by_cosine.snapshot.take(rows)
        scores, found = by_cosine.search(vectors, k, Filter.without_itself(rows))
        return self._ids_at(found), scores

    # ---- from ids to candidates and back

    def _filter(self, histories: Ragged, exclude_seen: bool, include: Any, exclude: Any) -> Filter:
        rules = Filter(excluded=(histories,) if exclude_seen else ())
        if include is not None:
            rows = self._filter_rows(include, len(histories), what="include")
            if isinstance(rows, Ragged):
                rules = replace(rules, included=rows)
            else:
                rules = replace(rules, include=rows)
        if exclude is not None:
            rows = self._filter_rows(exclude, len(histories), what="exclude")
            if isinstance(rows, Ragged):
                rules = replace(rules, excluded=(*rules.excluded, rows))
            else:
                rules = replace(rules, exclude=rows)
        return rules

    def _filter_rows(self, ids: Any, n: int, *, what: str) -> np.ndarray | Ragged:
        """Catalogue rows of a filter: one array for all, or a Ragged with one row per query."""
        if isinstance(ids, Mapping) or is_table(ids):
            raise TypeError(f"{what} must be a list of ids; got a {type(ids).__name__}.")
        if isinstance(ids, (str, bytes)) or not isinstance(ids, Collection):
            got = short_repr(ids)
            raise TypeError(f"{what} must be a list of ids; got {got}. Pass [{got}].")
        values = [list(row) if isinstance(row, Set) else row for row in ids]
        if not values or isinstance(values[0], str) or not isinstance(values[0], Collection):
            return self._known_rows(values, what)
        sequences, _ = read_sequences(values, what=what)
        if len(sequences) != n:
            raise ValueError(
                f"{what} must be one list of ids, or one list per row of X: X has {n} rows, "
                f"{what} {len(sequences)}."
            )
        if what == "include":
            return Ragged(
                self._rows_of(sequences.values, what=what, removed=True), sequences.offsets
            )
        return encode(sequences, self.catalog_.ids, on_unknown="skip", what=what)

    def _known_rows(self, ids: Sequence[Any], what: str) -> np.ndarray:
        if what == "include":
            return self._rows_of(ids, what=what, removed=True)
        checked = check_ids(ids, what=what)
        self.catalog_.ids.check_kind(checked, what=what)
        rows = self.catalog_.ids.rows(checked)
        return rows[rows >= 0]

    def _ids_at(self, rows: np.ndarray) -> np.ndarray:
        ids = self.catalog_.ids.take(rows)
        none = rows < 0
        if none.any():
            ids = ids.astype(object)
            ids[none] = None
        return ids

    # ---- persistence

    def save(self, path: str | Path) -> None:
        """Save to a folder: JSON, safetensors, and skops for the featurizer; no pickle.

        Parameters
        ----------
        path : str or Path
            Folder to write. One that a recommender was saved to before is replaced, as a whole,
            once everything is written; anything else that is there is an error.

        Raises
        ------
        FileExistsError
            If ``path`` is there and is not a saved recommender.
        """
        check_is_fitted(self)
        save_estimator(self, Path(path))

    @classmethod
    def load(
        cls, path: str | Path, *, trusted: Sequence[str] = (), mmap_mode: str | None = None
    ) -> Self:
        """Load what `save` wrote.

        Parameters
        ----------
        path : str or Path
        trusted : sequence of str
            Types that the featurizer may be made of, besides those of embrec and scikit-learn, as
            in `skops.io.load`. Look at them before you name them.
        mmap_mode : {"r"}, optional
            "r" maps items' vectors and features from the file instead of reading them, as in
            `joblib.load`: processes that serve one model then share them. The folder must not be
            written to but by `save`, which replaces it.

        Returns
        -------
        A fitted recommender.

        Raises
        ------
        ValueError
            If the folder holds something else, or was written by a newer format.
        """
        estimator: Self = load_estimator(cls, Path(path), trusted=trusted, mmap_mode=mmap_mode)
        return estimator

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "index_" in state:
            # of one moment, though others may change them while the rest is copied
            with state["catalog_"].writing():
                state = dict(super().__getstate__())
                index, catalog = state.pop("index_"), state.pop("catalog_")
                state["_live"] = type(index), index.__getstate__(), catalog.__getstate__()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        live = state.pop("_live", None)
        super().__setstate__(state)
        if live is not None:
            kind, index, catalog = live
            self.index_ = kind.__new__(kind)
            self.index_.__setstate__(index)
            self.catalog_ = ItemCatalog.__new__(ItemCatalog)
            self.catalog_.__setstate__(catalog)

    # ---- scikit-learn

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # X is a log or a list of sequences, so scikit-learn's checks on numeric matrices do not
        # apply; the tests run them through an adapter that reads each row as a history
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.required = False
        return tags
