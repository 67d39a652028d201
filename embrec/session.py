"""A visitor's session: one GRU step per item, however long the history."""

import json
import struct
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from embrec.base import BaseRecommender
from embrec.ids import check_ids
from embrec.index.filters import Filter
from embrec.index.rows import Snapshot
from embrec.network import EmbRecNetwork
from embrec.network.inference import encode_states
from embrec.ragged import Ragged
from embrec.ranking import check_k

_MAGIC = b"embrec-session-1"
#: Magic, fingerprint of the model, checksum of what follows, bytes of state and of history.
_HEADER = struct.Struct("<16s16sIII")


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

    network_: EmbRecNetwork
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
        return Session._start(self, history)

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
        check_is_fitted(self)
        return Session._from_bytes(self, data, restart=restart)

    def _states(self, histories: Ragged) -> torch.Tensor:
        return encode_states(self.network_, ItemVectors(self.index_.snapshot), histories)

    @torch.inference_mode()
    def _advance(self, state: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        inputs = torch.from_numpy(self.index_.snapshot.take(rows)).to(state.device)
        return self.network_.advance(state, inputs)

    @torch.inference_mode()
    def _recommend_from_state(
        self, state: torch.Tensor, rules: Filter, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        check_k(k)
        query = self.network_.predict(state).cpu().numpy()
        scores, rows = self.index_.search(query, k, rules)
        return self._ids_at(rows), scores


class Session:
    """What one visitor has touched so far, and what to recommend next.

    Made by ``start_session`` and ``resume_session`` of a fitted `EmbRecEstimator`. Adding an item
    costs one step of the GRU whatever came before; the answers are those of ``recommend`` on the
    same history.

    A session reads the live catalogue: items added or removed meanwhile count. Items of its history
    that are updated count as they were when they were touched. It belongs to the
    weights it was started with: after ``fit`` or ``partial_fit`` start another with
    ``start_session(old.history)``, or with ``resume_session(data, restart=True)``.

    Parameters
    ----------
    recommender : fitted recommender
        Whose session it is.
    state : Tensor of shape (1, state_size)
        The network's state after the history.
    """

    def __init__(self, recommender: SessionRecommender, state: torch.Tensor) -> None:
        self._recommender = recommender
        self._fingerprint = recommender.fingerprint_
        self._state = state
        self._history: list[Any] = []

    @property
    def history(self) -> list[Any]:
        """Ids of the items added so far, oldest first."""
        return list(self._history)

    def __len__(self) -> int:
        return len(self._history)

    def __repr__(self) -> str:
        return f"Session(history={self._history!r})"

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
        self._check_model()
        ids, rows = _understood(self._recommender, [item], what="item")
        if len(rows):
            self._state = self._recommender._advance(self._state, rows)
            self._history += ids.tolist()  # without numpy's types
        return self

    def recommend(
        self,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        include: Any = None,
        exclude: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the next items, as ``EmbRecEstimator.recommend`` does for the same history.

        Parameters
        ----------
        k : int, default=10
        exclude_seen : bool, default=True
            Whether to leave out what is in the history.
        include, exclude : list of ids, optional
            Recommend nothing but these; none of these.

        Returns
        -------
        ids : ndarray of shape (k,)
            Best first; None where fewer qualify.
        scores : ndarray of shape (k,), float32
        """
        self._check_model()
        seen = self._seen_rows()
        history = Ragged.from_lengths(seen, np.array([len(seen)]))
        rules = self._recommender._filter(history, exclude_seen, include, exclude)
        ids, scores = self._recommender._recommend_from_state(self._state, rules, k)
        return ids[0], scores[0]

    def _seen_rows(self) -> np.ndarray:
        # another process may have learned of items that this one has not: they cannot be shown
        if not self._history:
            return np.empty(0, dtype=np.int64)
        rows = self._recommender.catalog_.ids.rows(check_ids(self._history, what="history"))
        return rows[rows >= 0]

    def _check_model(self) -> None:
        if self._fingerprint != self._recommender.fingerprint_:
            raise RuntimeError(
                "The recommender was trained since this session started, so its state means "
                "nothing to the new weights. Start another: recommender.start_session("
                "session.history)."
            )

    def to_bytes(self) -> bytes:
        """Pack the session, to keep it in a cache or a cookie between requests.

        Returns
        -------
        bytes
            To be given to ``resume_session`` of the same model, in this process or another.
        """
        state = self._state.cpu().numpy().astype("<f4").tobytes()
        history = json.dumps(self._history, separators=(",", ":")).encode()
        model, checksum = bytes.fromhex(self._fingerprint), crc32(state + history)
        header = _HEADER.pack(_MAGIC, model, checksum, len(state), len(history))
        return header + state + history

    @classmethod
    def _from_bytes(
        cls, recommender: SessionRecommender, data: bytes, *, restart: bool
    ) -> "Session":
        model, state, history = _unpack(data)
        if model != recommender.fingerprint_:
            if restart:
                return cls._start(recommender, history, on_unknown="skip")
            raise ValueError(
                f"This session belongs to another model (fingerprint {model}, this one is "
                f"{recommender.fingerprint_}): it was trained again or is a different one. Start "
                "again from its history with resume_session(data, restart=True)."
            )
        like = recommender.network_.initial_states(1)
        values = torch.from_numpy(state.astype(np.float32)).reshape(like.shape)
        session = cls(recommender, values.to(like.device))
        session._history = history
        return session

    @classmethod
    def _start(
        cls,
        recommender: SessionRecommender,
        history: Iterable[Any],
        *,
        on_unknown: str | None = None,
    ) -> "Session":
        if isinstance(history, (str, bytes)) or not isinstance(history, Iterable):
            raise TypeError(f"history must be a list of ids; got {history!r}. Pass [{history!r}].")
        ids, rows = _understood(recommender, list(history), what="history", on_unknown=on_unknown)
        whole = Ragged.from_lengths(rows.astype(np.int32), np.array([len(rows)]))
        session = cls(recommender, recommender._states(whole))
        session._history = ids.tolist()
        return session


def _understood(
    recommender: SessionRecommender,
    items: list[Any],
    *,
    what: str,
    on_unknown: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and catalogue rows of items, unknown ones left out if the recommender skips them."""
    ids = check_ids(items, what=what)
    if (on_unknown or recommender.on_unknown) != "skip":
        return ids, recommender._rows_of(ids, what=what, removed=True)
    known = recommender.catalog_.ids
    known.check_kind(ids, what=what)
    rows = known.rows(ids)
    return ids[rows >= 0], rows[rows >= 0]


def _unpack(data: bytes) -> tuple[str, np.ndarray, list[Any]]:
    """Take apart what ``to_bytes`` packed: fingerprint of the model, state and history."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"Expected the bytes of Session.to_bytes; got {type(data).__name__}.")
    raw = bytes(data)
    if len(raw) < _HEADER.size or not raw.startswith(_MAGIC):
        raise ValueError(
            f"These {len(raw)} bytes are not a session of this version of embrec: they do not "
            f"begin with {_MAGIC!r}. Start another session."
        )
    _, model, checksum, n_state, n_history = _HEADER.unpack_from(raw)
    if len(raw) != _HEADER.size + n_state + n_history:
        raise ValueError(
            f"The session data is damaged: expected {_HEADER.size + n_state + n_history} bytes, "
            f"got {len(raw)}. Start another session."
        )
    if crc32(raw[_HEADER.size :]) != checksum:
        raise ValueError(
            "The session data is damaged: its checksum is wrong. Start another session."
        )
    state = np.frombuffer(raw, dtype="<f4", count=n_state // 4, offset=_HEADER.size)
    return model.hex(), state, json.loads(raw[_HEADER.size + n_state :])
