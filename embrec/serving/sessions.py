"""Visitors' sessions: one step of the encoder per item, however long the history."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch

from embrec._utils.checks import check_k, check_positive
from embrec._utils.moments import as_of_now
from embrec.data.growing import GrowingRagged
from embrec.data.ids import IdIndex, check_ids, short_repr
from embrec.data.ragged import Ragged
from embrec.index.snapshot import Snapshot
from embrec.network.events import EventTensors
from embrec.network.model import SequenceNetwork
from embrec.serving.answering import Answering, answer, make_filter
from embrec.serving.events import ReadsLogs, read_clicks
from embrec.serving.reranking import Reranking
from embrec.serving.serialized_session import SerializedSession
from embrec.serving.session import Session


class SnapshotRows:
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


class SessionModel(Answering, Protocol):
    """What a recommender must have for its visitors' sessions."""

    on_unknown: str
    timestamp_col: str | None
    fingerprint_: str
    network_: SequenceNetwork

    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Read histories of rows: the network's states after them, (n, state_size)."""

    def query_vectors(self, histories: Ragged) -> np.ndarray:
        """Read histories of rows: queries, (n, vector_size)."""

    def log_reader(self) -> ReadsLogs:
        """Return what makes features of events and of visitors."""


class SessionBatch:
    """What many visitors have touched so far, and what to recommend to each of them next.

    Made by ``start_sessions`` and ``resume_sessions`` of a fitted recommender. A click costs
    one step of the encoder, and the steps of all visitors who clicked are taken at once; the
    answers are those of ``recommend`` on the same histories. ``batch[i]`` is visitor ``i``'s
    `Session`.

    Sessions read the live catalogue: items added or removed meanwhile count. Items of a history
    that are updated count as they were when they were touched. They belong to the weights they were
    started with: after ``fit`` or ``partial_fit`` start others from the histories.

    Pickling one takes the recommender along; what `to_bytes` makes does not.

    One thread at a time may use a batch, and the sessions that are parts of it.

    Parameters
    ----------
    recommender : fitted recommender
        Whose sessions they are.
    model : fitted recommender
        As it was when the states were computed.
    states : Tensor of shape (n, state_size)
        The network's state after each history.
    histories : Ragged of codes
        Rows of the catalogue, and ``-1 - i`` for ``unknown[i]``.
    unknown : list of ids
        Items of histories that this catalogue does not have, or did not when it was asked.
    times : ndarray of shape (n,), float64, optional
        When each one's last event was, in seconds; NaN if that is not known, as by default.
    """

    def __init__(
        self,
        recommender: SessionModel,
        model: SessionModel,
        states: torch.Tensor,
        histories: Ragged,
        unknown: Sequence[Any] = (),
        times: np.ndarray | None = None,
    ) -> None:
        self._recommender = recommender
        self._fingerprint = model.fingerprint_
        self._identity, self._ids = model.catalog_.identity, model.catalog_.ids
        self._states = states
        self._histories = GrowingRagged(histories)
        self._unknown = list(unknown)
        self._times = np.full(len(states), np.nan) if times is None else times

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, position: int) -> Session:
        at = self._positions([position])
        return Session(self, int(at[0]))

    def __repr__(self) -> str:
        return f"SessionBatch(n_sessions={len(self)})"

    @property
    def histories(self) -> list[list[Any]]:
        """Ids of the items that each visitor touched so far, oldest first."""
        return self._ids_of(np.arange(len(self)))

    def add(self, items: Sequence[Any], *, at: Any = None, events: Any = None) -> "SessionBatch":
        """Add the items that visitors just touched, one each.

        Parameters
        ----------
        items : list of n ids
            Of the catalogue; removed ones will do. One that the catalogue never had is ignored if
            the recommender's ``on_unknown`` is "skip".
        at : list of n int, optional
            Which sessions they are for, no session twice; all, in order, by default.
        events : list of n dict or None, or table of n rows, optional
            What is known of each besides, by column of the log that the model was fitted to. Of a
            dict's missing keys, and of None, nothing is.

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
        model = self._model()
        if not isinstance(items, (Sequence, np.ndarray)) or isinstance(items, (str, bytes)):
            raise TypeError(f"items must be a list of ids, in order; got {short_repr(items)}.")
        if len(np.unique(positions)) < len(positions):
            raise ValueError("at must name each session once: a visitor's items go one by one.")
        if len(items) != len(positions):
            raise ValueError(f"Got {len(items)} items for {len(positions)} sessions.")
        return self._add(model, items, positions, events, what="items")

    def _add(
        self,
        model: SessionModel,
        items: Sequence[Any],
        at: np.ndarray,
        events: Any = None,
        *,
        what: str,
    ) -> "SessionBatch":
        rows = rows_in_histories(model, check_ids(items, what=what), what)
        tensors, times = None, self._times[at]
        if events is not None:
            device = self._states.device
            tensors, times = read_clicks(
                model.log_reader().events, events, len(at), model.timestamp_col, times, device
            )
        self._times[at] = times  # also where the item is skipped: recommend counts it too
        known = rows >= 0
        at, rows = at[known], rows[known]
        if not known.all() and tensors is not None:
            tensors = tensors.take(np.flatnonzero(known))
        self._advance(model, at, rows, tensors)
        self._histories.append(at, rows)
        return self

    @torch.inference_mode()
    def _advance(
        self, model: SessionModel, at: np.ndarray, rows: np.ndarray, events: EventTensors | None
    ) -> None:
        network, states = model.network_, self._states
        if len(at) == 0 or not network.state_size:  # the history is all there is
            return
        inputs = torch.from_numpy(model.catalog_.index.snapshot.take(rows)).to(states.device)
        if len(at) == len(states) and (at[1:] > at[:-1]).all():
            self._states = network.advance(states, inputs, events)
            return
        places = torch.from_numpy(at).to(states.device)
        states[places] = network.advance(states[places], inputs, events)

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
        model = self._model()
        seen = self._seen_rows(model, positions, exclude_seen)
        rules = make_filter(model.catalog_, seen, exclude_seen, include, exclude)
        reranking = Reranking(popularity_discount, diversity, n_candidates)
        return answer(model, self._queries(model, positions), k, rules, reranking)

    @torch.inference_mode()
    def _queries(self, model: SessionModel, at: np.ndarray) -> np.ndarray:
        network = model.network_
        if not network.state_size:  # the history is all there is
            return model.query_vectors(self._seen_rows(model, at, exclude_seen=True))
        states = self._states[torch.from_numpy(at).to(self._states.device)]
        queries: np.ndarray = network.predict(states).cpu().numpy()
        return queries

    def _seen_rows(self, model: SessionModel, at: np.ndarray, exclude_seen: bool) -> Ragged:
        if not exclude_seen:
            return Ragged(np.empty(0, dtype=np.int64), np.zeros(len(at) + 1, dtype=np.int64))
        seen = self._histories.take(at)
        foreign = seen.values < 0
        if not foreign.any():
            return seen
        # another process may have learned of items that this one has not: they cannot be shown
        ids = [self._unknown[-1 - code] for code in seen.values[foreign].tolist()]
        rows = model.catalog_.ids.rows(check_ids(ids, what="histories"))
        values = seen.values.copy()
        values[foreign] = rows
        return Ragged(values, seen.offsets).where(values >= 0)

    def to_bytes(
        self, *, at: Any = None, max_history: int | None = None, with_state: bool = True
    ) -> list[bytes]:
        """Pack sessions, to keep them in a cache between requests.

        Parameters
        ----------
        at : list of n int, optional
            Which; all, in order, by default.
        max_history : int, optional
        with_state : bool, default=True
            As for ``Session.to_bytes``.

        Returns
        -------
        list of n bytes
            To be given to ``resume_sessions`` of the same model, in this process or another.
        """
        positions = self._positions(at)
        states = self._states[torch.from_numpy(positions).to(self._states.device)].cpu().numpy()
        states = states if with_state else states[:, :0]
        times = [None if np.isnan(time) else time for time in self._times[positions].tolist()]
        kept = zip(states, self._ids_of(positions, max_history), times, strict=True)
        return [
            SerializedSession(self._fingerprint, state, ids, time).to_bytes()
            for state, ids, time in kept
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

    def _known_ids(self) -> IdIndex:
        """Return the ids that rows of histories belong to, whatever was trained since."""
        catalog = self._recommender.catalog_
        if self._identity == catalog.identity:
            self._ids = catalog.ids  # copies of a batch and its model differ
        return self._ids

    def _model(self) -> SessionModel:
        """Return the recommender as it is now, if the sessions belong to that."""
        model = as_of_now(self._recommender)
        if self._identity != model.catalog_.identity:
            raise RuntimeError(
                "The recommender was trained since this session started, so its state means "
                "nothing to the new weights. Start another: recommender.start_session("
                "session.history)."
            )
        return model


def rows_in_histories(
    recommender: SessionModel, ids: np.ndarray, what: str, on_unknown: str | None = None
) -> np.ndarray:
    """Catalogue rows of checked ids: -1 for unknown ones, if the recommender skips them."""
    if (on_unknown or recommender.on_unknown) != "skip":
        return recommender.catalog_.rows_of(ids, what=what, removed=True)
    known = recommender.catalog_.ids
    known.check_kind(ids, what=what)
    return known.rows(ids)
