"""What all recommenders share: they answer from query vectors, item vectors and an index.

A recommender turns a history into a query vector and an item's content into an item vector; the
score of an item is their inner product. All the rest is here, once.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_k
from embrec._utils.moments import of_one_moment
from embrec.data.ids import check_ids, preview
from embrec.data.items import read_items
from embrec.data.tables import Table
from embrec.data.targets import are_seen, split_targets, target_weights, warn_of_misses
from embrec.data.whole import Whole
from embrec.index.filters import Filter
from embrec.metrics import TargetRanks, hit_rate_at_k
from embrec.persistence.folder import load_estimator, save_estimator
from embrec.recommenders.contract import RecommenderContract
from embrec.scoring.ranks import Ties
from embrec.serving.answering import answer, make_filter
from embrec.serving.live import current_catalog
from embrec.serving.reranking import Reranking

#: Cut-off of ``score``.
SCORE_K = 50


class BaseRecommender(RecommenderContract):
    """Base of all recommenders.

    A subclass has the parameters below, beside its own, and writes six methods:

    - `fit`, which sets ``catalog_``, a `LiveCatalog`;
    - `query_vectors`, from histories to vectors;
    - `item_vectors`, from items to vectors;
    - `training_counts`, how often each item was in training;
    - `get_state` and `set_state`, what `save` keeps besides parameters and catalogue.

    It may also write `step_query_vectors`, if all steps of a sequence are cheaper together, and
    `n_embedding_columns`, if not all of an item's vector says what the item is.

    Parameters
    ----------
    user_col, item_col : str, default="user", "item"
        Columns of the log; ``item_col`` is the id column of ``items`` too.
    timestamp_col : str or None, default="timestamp"
        Column of the log with the times.
    on_unknown : {"raise", "skip"}, default="raise"
        What to do with an item in a history, at prediction, that the catalogue never had.
    """

    # ---- answers

    @of_one_moment
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
            How many of the best by score the last two choose from; by default 100 for the first 10
            items, 200 up to the 20th, 400 up to the 40th, and so on.
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
        reranking.rounds(check_k(k))  # what is wrong with these is said first
        histories = self.encode(self.read_sequences(X), on_unknown)
        rules = make_filter(self.catalog_, histories, exclude_seen, include, exclude)
        return answer(self, self.query_vectors(histories), k, rules, reranking)

    def predict(self, X: Any) -> np.ndarray:
        """Recommend one next item each: the first of ``recommend(X)``.

        Parameters
        ----------
        X : list of sequences, or log

        Returns
        -------
        ndarray of shape (n,) of item ids
        """
        return self.recommend(X, k=1)[0][:, 0]

    @of_one_moment
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
            Whether what is in the history is out of the running, as in `recommend` by default; a
            target that is in it ranks last then, with a warning. (The thesis ranks all.)
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
        sequences = self.read_sequences(X)
        sequences, targets = split_targets(sequences, y, self.catalog_.rows_of)
        histories = self.encode(sequences)
        warn_of_misses(are_seen(histories, targets) & exclude_seen)
        rules = Filter(excluded=(histories,) if exclude_seen else ())
        found = self.index_.rank(self.query_vectors(histories), targets, rules, ties=ties)
        return TargetRanks(*found)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Hit rate at 50 of each visitor's next item.

        Parameters
        ----------
        X, y
            As for `rank_targets`.
        sample_weight : array-like of shape (n,) or (n_events,), optional
            Weight of each sequence in the mean, or of each event of ``X``: the targets' count.

        Returns
        -------
        float
            Between 0 and 1. For other figures see `embrec.metrics.ranking_scorer`.
        """
        hits = hit_rate_at_k(self.rank_targets(X, y).ranks, SCORE_K, average=False)
        read = None if y is not None else partial(self.read_sequences, X)
        return float(np.average(hits, weights=target_weights(sample_weight, len(hits), read)))

    @of_one_moment
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
        rows = self.catalog_.rows_of(ids, what="ids")
        by_cosine = self.index_.companion(self.n_embedding_columns)
        vectors = by_cosine.snapshot.take(rows)
        scores, found = by_cosine.search(vectors, k, Filter.without_itself(rows))
        return self.catalog_.ids_at(found), scores

    # ---- the live catalogue

    def add_items(self, items: Table | Whole, *, exist_ok: bool = False) -> Self:
        """Add items to the catalogue: they are recommendable at once, without training.

        Only the new rows are featurized and embedded.

        Parameters
        ----------
        items : table
            With the id column and the content columns of the catalogue that was fitted.
        exist_ok : bool, default=False
            Whether items that are there already get the new content, rather than being an error: so
            a feed may be read again from any point.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is in the catalogue already, unless that is ``exist_ok``, or repeated, or
            missing. Nothing changes then.
        """
        check_is_fitted(self)
        rows = read_items(items, self.item_col)
        with current_catalog(self) as catalog:
            present = catalog.has(rows.ids, what=f"items[{self.item_col!r}]")
            if present.any() and not exist_ok:
                raise ValueError(
                    f"{int(present.sum())} of {len(rows.ids)} items are in the catalogue already: "
                    f"{preview(rows.ids[present])}. Use update_items to change them, or "
                    "exist_ok=True."
                )
            catalog.write(rows.ids, *self.item_vectors(rows))
        return self

    def update_items(self, items: Table | Whole) -> Self:
        """Replace the content of items of the catalogue.

        Parameters
        ----------
        items : table
            With the id column and the content columns of the catalogue that was fitted.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is not in the catalogue. Nothing changes then.
        """
        check_is_fitted(self)
        rows = read_items(items, self.item_col)
        with current_catalog(self) as catalog:
            absent = ~catalog.has(rows.ids, what=f"items[{self.item_col!r}]")
            if absent.any():
                raise ValueError(
                    f"{int(absent.sum())} of {len(rows.ids)} items are not in the catalogue: "
                    f"{preview(rows.ids[absent])}. Use add_items to add them."
                )
            catalog.write(rows.ids, *self.item_vectors(rows))
        return self

    def remove_items(self, ids: Any, *, missing_ok: bool = False) -> Self:
        """Take items out of the catalogue.

        They are never recommended again, but stay understood in histories. Adding them again
        brings them back.

        Parameters
        ----------
        ids : list of ids
        missing_ok : bool, default=False
            Whether ids that are not in the catalogue are passed over, rather than being an error.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an id is not in the catalogue, unless that is ``missing_ok``. Nothing changes then.
        """
        check_is_fitted(self)
        with current_catalog(self) as catalog:
            if missing_ok:
                checked = check_ids(ids, what="ids")
                ids = checked[catalog.has(checked, what="ids")]
            catalog.remove(catalog.rows_of(ids, what="ids"))
        return self

    # ---- persistence

    def save(self, path: str | Path) -> None:
        """Save to a folder: JSON, safetensors, and skops for the featurizer; no pickle.

        Parameters
        ----------
        path : str or Path
            Folder to write. A recommender that was saved there before is replaced as a whole.

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
            `joblib.load`: processes that serve one model then share them. Of what is mapped, the
            size and the first 64 KiB are checked, of all else a checksum.

        Returns
        -------
        A fitted recommender.

        Raises
        ------
        ValueError
            If the folder holds something else, is damaged, or was written by a newer format.
        """
        estimator: Self = load_estimator(cls, Path(path), trusted=trusted, mmap_mode=mmap_mode)
        return estimator

    def __copy__(self) -> Self:
        """Copy, with a catalogue of its own: items may come and go in one of the two."""
        copied = type(self).__new__(type(self))
        found: Any = self.__getstate__()
        state = dict(found)
        if "catalog_" in state:
            state["catalog_"] = deepcopy(state["catalog_"])
        copied.__setstate__(state)
        return copied

    # ---- scikit-learn

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # X is no matrix: the tests run scikit-learn's checks through an adapter that takes one
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.required = False
        return tags
