"""Visitors' sessions: one GRU step per item, however long the history."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from embrec._utils.checks import check_k, check_positive
from embrec.data.growing import GrowingRagged
from embrec.data.ids import IdIndex, check_ids, short_repr
from embrec.data.interactions import read_sequences
from embrec.data.ragged import Ragged
from embrec.index.rows import Snapshot
from embrec.network.inference import encode_queries, encode_states, encode_steps
from embrec.recommenders.base import BaseRecommender
from embrec.serving.reranking import Reranking
from embrec.serving.serialized_session import ParkedSession


class ItemVectors:
    """The vectors of a snapshot, by tensors of rows.

    Parameters
    ----------
    snapshot : Snapshot
    """

    device = torch.device("cpu")

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._snapshot.take(rows.numpy()))


class SessionRecommender(BaseRecommender):
    """Base of the recommenders whose recurrent network can go on from a state."""

    network_: Any  # a SequenceNetwork
    fingerprint_: str

    def start_session(self, history: Iterable[Any] = ()) -> "Session":
        """Start a session of one visitor.

        Parameters
        ----------
        history : iterable of ids, default=()
            What the visitor touched before, oldest first.

        Returns
        -------
        Session
        """
        check_is_fitted(self)
        if isinstance(history, (str, bytes)) or not isinstance(history, Iterable):
            raise TypeError(f"history must be a list of ids; got {history!r}. Pass [{history!r}].")
        ids = check_ids(list(history), what="history")
        whole = Ragged.from_lengths(ids, np.array([len(ids)]))
        return _started(self, whole, what="history")[0]

    def start_sessions(self, histories: Any) -> "SessionBatch":
        """Start sessions of many visitors, to be served together.

        Parameters
        ----------
        histories : list of n sequences of ids, or log
            What each touched before, oldest first; empty ones for visitors who are new. Of a log,
            one session per user, in order of first appearance.

        Returns
        -------
        SessionBatch
            Of n sessions.
        """
        check_is_fitted(self)
        return _started(self, self._read_sequences(histories, what="histories"), what="histories")

    def resume_session(self, data: bytes, *, restart: bool = False) -> "Session":
        """Go on with a session from the bytes of ``Session.to_bytes``.

        Parameters
        ----------
        data : bytes
        restart : bool, default=False
            Whether to take a session of another model for its history, and start again from that:
            for visitors who stayed while the model was trained. Items that this catalogue never
            had are left out of it.

        Returns
        -------
        Session

        Raises
        ------
        ValueError
            If they are no session, or one of another model.
        """
        return self.resume_sessions([data], restart=restart)[0]

    def resume_sessions(self, data: Iterable[bytes], *, restart: bool = False) -> "SessionBatch":
        """Go on with many sessions, to be served together.

        Parameters
        ----------
        data : list of n bytes
            Each from ``to_bytes``.
        restart : bool, default=False
            As for `resume_session`.

        Returns
        -------
        SessionBatch
            Of n sessions.

        Raises
        ------
        ValueError
            If one of them is no session, or one of another model.
        """
        check_is_fitted(self)
        if isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"Expected a list of bytes; got {type(data).__name__}. Pass [data].")
        parked = _unpacked(data)
        if not parked:
            raise ValueError("data is empty: expected the bytes of at least one session.")
        return _resumed(self, parked, restart=restart)

    def _query_vectors(self, histories: Ragged) -> np.ndarray:
        vectors = ItemVectors(self.index_.snapshot)
        return encode_queries(self.network_, vectors, histories).cpu().numpy()

    def _step_query_vectors(self, sequences: Ragged) -> np.ndarray:
        vectors = ItemVectors(self.index_.snapshot)
        return encode_steps(self.network_, vectors, sequences).cpu().numpy()

    @property
    def _n_embedding_columns(self) -> int:
        # a bias tells nothing of what an item is
        n_columns: int = self.network_.embedding_size
        return n_columns

    def _states(self, histories: Ragged) -> torch.Tensor:
        return encode_states(self.network_, ItemVectors(self.index_.snapshot), histories)


class SessionBatch:
    """What many visitors have touched so far, and what to recommend to each of them next.

    Made by ``start_sessions`` and ``resume_sessions`` of a fitted `EmbRecEstimator`. A click costs
    one step of the GRU, and the steps of all visitors who clicked are taken at once; the answers
    are those of ``recommend`` on the same histories. ``batch[i]`` is visitor ``i``'s `Session`.

    Sessions read the live catalogue: items added or removed meanwhile count. Items of a history
    that are updated count as they were when they were touched. They belong to the weights they were
    started with: after ``fit`` or ``partial_fit`` start others from the histories.

    Pickling one takes the recommender along; what `to_bytes` makes does not.

    One thread at a time may use a batch, and the sessions that are parts of it.

    Parameters
    ----------
    recommender : fitted recommender
        Whose sessions they are.
    states : Tensor of shape (n, state_size)
        The network's state after each history.
    histories : Ragged of codes
        Rows of the catalogue, and ``-1 - i`` for ``unknown[i]``.
    unknown : list of ids
        Items of histories that this catalogue does not have, or did not when it was asked.
    """

    def __init__(
        self,
        recommender: SessionRecommender,
        states: torch.Tensor,
        histories: Ragged,
        unknown: Sequence[Any] = (),
    ) -> None:
        self._recommender = recommender
        self._fingerprint = recommender.fingerprint_
        self._identity, self._ids = recommender.catalog_.identity, recommender.catalog_.ids
        self._states = states
        self._histories = GrowingRagged(histories)
        self._unknown = list(unknown)

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, position: int) -> "Session":
        at = self._positions([position])
        return Session(self, int(at[0]))

    def __repr__(self) -> str:
        return f"SessionBatch(n_sessions={len(self)})"

    @property
    def histories(self) -> list[list[Any]]:
        """Ids of the items that each visitor touched so far, oldest first."""
        return self._ids_of(np.arange(len(self)))

    def add(self, items: Sequence[Any], *, at: Any = None) -> "SessionBatch":
        """Add the items that visitors just touched, one each.

        Parameters
        ----------
        items : list of n ids
            Of the catalogue; removed ones will do. One that the catalogue never had is ignored if
            the recommender's ``on_unknown`` is "skip".
        at : list of n int, optional
            Which sessions they are for, no session twice; all, in order, by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the catalogue never had an item; no session changes then.
        RuntimeError
            If the recommender was trained since the sessions started.
        """
        positions = self._positions(at)
        self._check_model()
        if not isinstance(items, (Sequence, np.ndarray)) or isinstance(items, (str, bytes)):
            raise TypeError(f"items must be a list of ids, in order; got {short_repr(items)}.")
        if len(np.unique(positions)) < len(positions):
            raise ValueError("at must name each session once: a visitor's items go one by one.")
        if len(items) != len(positions):
            raise ValueError(f"Got {len(items)} items for {len(positions)} sessions.")
        return self._add(items, positions, what="items")

    def _add(self, items: Sequence[Any], at: np.ndarray, *, what: str) -> "SessionBatch":
        rows = _rows_of(self._recommender, check_ids(items, what=what), what)
        known = rows >= 0
        at, rows = at[known], rows[known]
        self._advance(at, rows)
        self._histories.append(at, rows)
        return self

    @torch.inference_mode()
    def _advance(self, at: np.ndarray, rows: np.ndarray) -> None:
        if len(at) == 0:
            return
        network, states = self._recommender.network_, self._states
        inputs = torch.from_numpy(self._recommender.index_.snapshot.take(rows)).to(states.device)
        if len(at) == len(states) and (at[1:] > at[:-1]).all():
            self._states = network.advance(states, inputs)
            return
        places = torch.from_numpy(at).to(states.device)
        states[places] = network.advance(states[places], inputs)

    def recommend(
        self,
        k: int = 10,
        *,
        at: Any = None,
        exclude_seen: bool = True,
        include: Any = None,
        exclude: Any = None,
        popularity_discount: float = 0.0,
        diversity: float = 0.0,
        n_candidates: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the next items, as ``EmbRecEstimator.recommend`` does for the same histories.

        Parameters
        ----------
        k : int, default=10
        at : list of n int, optional
            For which sessions; for all, in order, by default.
        exclude_seen : bool, default=True
            Whether to leave out what is in a visitor's history.
        include, exclude : list of ids, or one list per session asked for, optional
            Recommend nothing but these; none of these.
        popularity_discount, diversity : float, default=0.0
        n_candidates : int, optional
            As for ``EmbRecEstimator.recommend``.

        Returns
        -------
        ids : ndarray of shape (n, k)
            Best first; None where fewer qualify.
        scores : ndarray of shape (n, k), float32
        """
        check_k(k)
        positions = self._positions(at)
        self._check_model()
        recommender = self._recommender
        seen = self._seen_rows(positions, exclude_seen)
        rules = recommender._filter(seen, exclude_seen, include, exclude)
        reranking = Reranking(popularity_discount, diversity, n_candidates)
        return recommender._answer(self._queries(positions), k, rules, reranking)

    @torch.inference_mode()
    def _queries(self, at: np.ndarray) -> np.ndarray:
        states = self._states[torch.from_numpy(at).to(self._states.device)]
        queries: np.ndarray = self._recommender.network_.predict(states).cpu().numpy()
        return queries

    def _seen_rows(self, at: np.ndarray, exclude_seen: bool) -> Ragged:
        if not exclude_seen:
            return Ragged(np.empty(0, dtype=np.int64), np.zeros(len(at) + 1, dtype=np.int64))
        seen = self._histories.take(at)
        foreign = seen.values < 0
        if not foreign.any():
            return seen
        # another process may have learned of items that this one has not: they cannot be shown
        ids = [self._unknown[-1 - code] for code in seen.values[foreign].tolist()]
        rows = self._recommender.catalog_.ids.rows(check_ids(ids, what="histories"))
        values = seen.values.copy()
        values[foreign] = rows
        return Ragged(values, seen.offsets).where(values >= 0)

    def to_bytes(self, *, at: Any = None, max_history: int | None = None) -> list[bytes]:
        """Pack sessions, to keep them in a cache between requests.

        Parameters
        ----------
        at : list of n int, optional
            Which; all, in order, by default.
        max_history : int, optional
            As for ``Session.to_bytes``.

        Returns
        -------
        list of n bytes
            To be given to ``resume_sessions`` of the same model, in this process or another.
        """
        positions = self._positions(at)
        states = self._states[torch.from_numpy(positions).to(self._states.device)].cpu().numpy()
        return [
            ParkedSession(self._fingerprint, state, ids).to_bytes()
            for state, ids in zip(states, self._ids_of(positions, max_history), strict=True)
        ]

    def _ids_of(self, at: np.ndarray, max_history: int | None = None) -> list[list[Any]]:
        codes = self._histories.take(at)
        if max_history is not None:
            longest = max(1, int(codes.lengths.max(initial=0)))
            codes = codes.keep_last(min(check_positive(max_history, "max_history"), longest))
        known = np.maximum(codes.values, 0)
        ids = self._known_ids().take(known).tolist()  # without numpy's types
        for place in np.flatnonzero(codes.values < 0).tolist():
            ids[place] = self._unknown[-1 - codes.values[place]]
        return [ids[start:stop] for start, stop in pairwise(codes.offsets.tolist())]

    def _positions(self, at: Any) -> np.ndarray:
        if at is None:
            return np.arange(len(self))
        positions = np.asarray(at)
        if positions.ndim != 1 or (len(positions) and positions.dtype.kind not in "iu"):
            raise TypeError(f"at must be a list of integers; got {at!r}.")
        if len(positions) and not (-len(self) <= positions.min() <= positions.max() < len(self)):
            raise IndexError(
                f"There are sessions 0 to {len(self) - 1}; got at={short_repr(positions.tolist())}."
            )
        return positions.astype(np.int64) % max(1, len(self))

    def _is_current(self) -> bool:
        return self._identity == self._recommender.catalog_.identity

    def _known_ids(self) -> IdIndex:
        """Return the ids that rows of histories belong to, whatever was trained since."""
        if self._is_current():
            self._ids = self._recommender.catalog_.ids  # copies of a batch and its model differ
        return self._ids

    def _check_model(self) -> None:
        if not self._is_current():
            raise RuntimeError(
                "The recommender was trained since this session started, so its state means "
                "nothing to the new weights. Start another: recommender.start_session("
                "session.history)."
            )


class Session:
    """What one visitor has touched so far, and what to recommend next.

    Made by ``start_session`` and ``resume_session`` of a fitted `EmbRecEstimator`, or by
    ``batch[i]`` of a `SessionBatch`, of which it is a part then. Adding an item costs one step of
    the GRU whatever came before; the answers are those of ``recommend`` on the same history, all of
    it: ``max_length`` is a matter of training.

    A session reads the live catalogue: items added or removed meanwhile count. Items of its history
    that are updated count as they were when they were touched. It belongs to the weights it was
    started with: after ``fit`` or ``partial_fit`` start another with
    ``start_session(old.history)``, or with ``resume_session(data, restart=True)``.

    Parameters
    ----------
    batch : SessionBatch
    position : int
        Which of the batch it is.
    """

    def __init__(self, batch: SessionBatch, position: int) -> None:
        self._batch = batch
        self._at = np.array([position])

    @property
    def history(self) -> list[Any]:
        """Ids of the items added so far, oldest first."""
        return self._batch._ids_of(self._at)[0]

    def __len__(self) -> int:
        return int(self._batch._histories.lengths[self._at[0]])

    def __repr__(self) -> str:
        return f"Session(history={self.history!r})"

    def add(self, item: Any) -> "Session":
        """Add the item just touched.

        Parameters
        ----------
        item : str or int
            Id of an item of the catalogue; one that was removed will do. One that the catalogue
            never had is ignored if the recommender's ``on_unknown`` is "skip".

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the catalogue never had this item; the session is as it was.
        RuntimeError
            If the recommender was trained since the session started.
        """
        if not isinstance(item, (str, Integral)):
            raise TypeError(
                f"item must be one id; got {short_repr(item)}. Add items one by one, or start the "
                "session with a history."
            )
        self._batch._check_model()
        self._batch._add([item], self._at, what="item")
        return self

    def recommend(
        self,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        include: Any = None,
        exclude: Any = None,
        popularity_discount: float = 0.0,
        diversity: float = 0.0,
        n_candidates: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the next items, as ``EmbRecEstimator.recommend`` does for the same history.

        Parameters
        ----------
        k : int, default=10
        exclude_seen : bool, default=True
            Whether to leave out what is in the history.
        include, exclude : list of ids, optional
            Recommend nothing but these; none of these.
        popularity_discount, diversity : float, default=0.0
        n_candidates : int, optional
            As for ``EmbRecEstimator.recommend``.

        Returns
        -------
        ids : ndarray of shape (k,)
            Best first; None where fewer qualify.
        scores : ndarray of shape (k,), float32
        """
        ids, scores = self._batch.recommend(
            k,
            at=self._at,
            exclude_seen=exclude_seen,
            include=include,
            exclude=exclude,
            popularity_discount=popularity_discount,
            diversity=diversity,
            n_candidates=n_candidates,
        )
        return ids[0], scores[0]

    def to_bytes(self, *, max_history: int | None = None) -> bytes:
        """Pack the session, to keep it in a cache or a cookie between requests.

        Parameters
        ----------
        max_history : int, optional
            How many of the last ids to keep, so that the bytes grow no further; all by default.
            The state knows the others all the same, but ``exclude_seen`` does not.

        Returns
        -------
        bytes
            To be given to ``resume_session`` of the same model, in this process or another.
        """
        return self._batch.to_bytes(at=self._at, max_history=max_history)[0]


def _rows_of(
    recommender: SessionRecommender, ids: np.ndarray, what: str, on_unknown: str | None = None
) -> np.ndarray:
    """Catalogue rows of checked ids: -1 for unknown ones, if the recommender skips them."""
    if (on_unknown or recommender.on_unknown) != "skip":
        return recommender._rows_of(ids, what=what, removed=True)
    known = recommender.catalog_.ids
    known.check_kind(ids, what=what)
    return known.rows(ids)


def _started(recommender: SessionRecommender, histories: Ragged, *, what: str) -> SessionBatch:
    rows = Ragged(_rows_of(recommender, histories.values, what), histories.offsets)
    rows = rows.where(rows.values >= 0)
    return SessionBatch(recommender, recommender._states(rows), rows)


def _unpacked(data: Iterable[bytes]) -> list[ParkedSession]:
    """Read the bytes of sessions; an error says of which, if there are several."""
    parked, every = [], list(data)
    for number, one in enumerate(every):
        try:
            parked.append(ParkedSession.from_bytes(one))
        except ValueError as error:
            which = f" (data[{number}])" if len(every) > 1 else ""
            raise ValueError(f"{error}{which}") from error
    return parked


def _resumed(
    recommender: SessionRecommender, parked: list[ParkedSession], *, restart: bool
) -> SessionBatch:
    foreign = np.array([one.model != recommender.fingerprint_ for one in parked], dtype=bool)
    if foreign.any() and not restart:
        model = parked[int(foreign.argmax())].model
        raise ValueError(
            f"This session belongs to another model (fingerprint {model}, this one is "
            f"{recommender.fingerprint_}): it was trained again or is a different one. Start "
            "again from its history with resume_session(data, restart=True)."
        )
    states = recommender.network_.initial_states(len(parked)).detach().clone()
    kept = np.flatnonzero(~foreign)
    if len(kept):
        states[torch.from_numpy(kept)] = _kept_states(parked, kept, states)
    histories = _parked_histories(recommender, parked, foreign)
    rows = Ragged(
        _rows_of(recommender, histories.values, "histories", on_unknown="skip"), histories.offsets
    )
    is_foreign = foreign[rows.row_numbers]
    unknown = np.flatnonzero((rows.values < 0) & ~is_foreign)
    rows.values[unknown] = -1 - np.arange(len(unknown))
    # one of another model starts again from what this catalogue knows
    rows = rows.where((rows.values >= 0) | ~is_foreign)
    if foreign.any():
        again = rows.take(np.flatnonzero(foreign))
        states[torch.from_numpy(foreign)] = recommender._states(again)
    return SessionBatch(recommender, states, rows, histories.values[unknown].tolist())


def _kept_states(
    parked: list[ParkedSession], kept: np.ndarray, states: torch.Tensor
) -> torch.Tensor:
    width = states.shape[1]
    wrong = [i for i in kept.tolist() if len(parked[i].state) != width]
    if wrong:
        raise ValueError(
            f"data[{wrong[0]}] was not made by to_bytes: its state has "
            f"{len(parked[wrong[0]].state)} numbers, those of this model have {width}."
        )
    return torch.from_numpy(np.stack([parked[i].state for i in kept.tolist()])).to(states.device)


def _parked_histories(
    recommender: SessionRecommender, parked: list[ParkedSession], foreign: np.ndarray
) -> Ragged:
    """Ids of histories; of those of another model, such as this catalogue could have."""
    kind = str if recommender.catalog_.ids.holds_strings else int
    histories = [one.history for one in parked]
    for i, history in enumerate(histories):
        if history and type(history[0]) is not kind:
            if not foreign[i]:
                raise ValueError(
                    f"data[{i}] was not made by to_bytes: its history holds "
                    f"{short_repr(history[0])}, and ids of this catalogue are of type "
                    f"{kind.__name__}."
                )
            histories[i] = []  # ids that this catalogue never had
    return read_sequences(histories, what="histories")[0]
