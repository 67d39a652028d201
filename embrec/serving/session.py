"""One visitor's session: a part of a batch."""

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from embrec.data.ids import short_repr

if TYPE_CHECKING:
    from embrec.serving.sessions import SessionBatch


class Session:
    """What one visitor has touched so far, and what to recommend next.

    Made by ``start_session`` and ``resume_session`` of a fitted recommender, or by
    ``batch[i]`` of a `SessionBatch`, of which it is a part then. Adding an item costs one step of
    the encoder whatever came before; the answers are those of ``recommend`` on the same history,
    all of it: ``max_length`` is a matter of training.

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

    def __init__(self, batch: "SessionBatch", position: int) -> None:
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

    def add(self, item: Any, *, event: Any = None) -> "Session":
        """Add the item just touched.

        Parameters
        ----------
        item : str or int
            Id of an item of the catalogue; one that was removed will do. One that the catalogue
            never had is ignored if the recommender's ``on_unknown`` is "skip".
        event : dict, optional
            What is known of the event besides, by column of the log that the model was fitted to,
            such as ``{"event": "purchase", "timestamp": datetime.now()}``. Of what is left out,
            nothing is.

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
        events = None if event is None else [event]
        self._batch._add(self._batch._model(), [item], self._at, events, what="item")
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

    def to_bytes(self, *, max_history: int | None = None, with_state: bool = True) -> bytes:
        """Pack the session, to keep it in a cache or a cookie between requests.

        Parameters
        ----------
        max_history : int, optional
            How many of the last ids to keep, so that the bytes grow no further; all by default.
            The state knows the others all the same, but ``exclude_seen`` does not; nor does an
            encoder that keeps no state.
        with_state : bool, default=True
            Whether to keep the encoder's state. Without it the bytes are few, and a session that
            goes on from them reads what is kept of its history anew.

        Returns
        -------
        bytes
            To be given to ``resume_session`` of the same model, in this process or another.
        """
        packed = self._batch.to_bytes(at=self._at, max_history=max_history, with_state=with_state)
        return packed[0]
