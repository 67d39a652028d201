"""Recommenders that keep visitors' sessions."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from embrec.data.ids import check_ids
from embrec.data.ragged import Ragged
from embrec.network.model import SequenceNetwork
from embrec.recommenders.base import BaseRecommender
from embrec.serving.resuming import resumed, started, unpacked
from embrec.serving.session import Session
from embrec.serving.sessions import SessionBatch


class NoState:
    """Stands for the network of those that keep no state, and read histories anew."""

    state_size = 0

    def initial_states(self, n: int) -> torch.Tensor:
        """Return the states before any item: (n, 0)."""
        return torch.empty((n, 0))


class SessionRecommender(BaseRecommender):
    """Base of the recommenders whose network can go on from a state."""

    network_: SequenceNetwork
    fingerprint_: str

    @abstractmethod
    def session_states(self, histories: Ragged) -> torch.Tensor:
        """Read histories of rows: the network's states after them, (n, state_size)."""

    def start_session(self, history: Iterable[Any] = (), *, user: Any = None) -> Session:
        """Start a session of one visitor.

        Parameters
        ----------
        history : iterable of ids, default=()
            What the visitor touched before, oldest first.
        user : dict, optional
            What is known of the visitor, by column of the log that the model was fitted to.

        Returns
        -------
        Session
        """
        check_is_fitted(self)
        if isinstance(history, (str, bytes)) or not isinstance(history, Iterable):
            raise TypeError(f"history must be a list of ids; got {history!r}. Pass [{history!r}].")
        ids = check_ids(list(history), what="history")
        whole = Ragged.from_lengths(ids, np.array([len(ids)]))
        users = None if user is None else [user]
        return started(self, whole, users, what="history")[0]

    def start_sessions(self, histories: Any, *, users: Any = None) -> SessionBatch:
        """Start sessions of many visitors, to be served together.

        Parameters
        ----------
        histories : list of n sequences of ids, or log
            What each touched before, oldest first; empty ones for visitors who are new. Of a log,
            one session per user, in order of first appearance.
        users : list of n dict or None, or table of n rows, optional
            What is known of each visitor. A log says that itself.

        Returns
        -------
        SessionBatch
            Of n sessions.
        """
        check_is_fitted(self)
        sequences = self.read_sequences(histories, what="histories")
        return started(self, sequences, users, what="histories")

    def resume_session(self, data: bytes, *, restart: bool = False) -> Session:
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

    def resume_sessions(self, data: Iterable[bytes], *, restart: bool = False) -> SessionBatch:
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
        serialized = unpacked(data)
        if not serialized:
            raise ValueError("data is empty: expected the bytes of at least one session.")
        return resumed(self, serialized, restart=restart)
