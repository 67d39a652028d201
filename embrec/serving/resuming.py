"""Sessions begun from histories, and gone on with from bytes."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from embrec._utils.moments import as_of_now
from embrec.data.ids import short_repr
from embrec.data.interactions import read_sequences
from embrec.data.ragged import Ragged
from embrec.serving.events import read_visitors
from embrec.serving.serialized_session import SerializedSession
from embrec.serving.sessions import SessionBatch, SessionModel, rows_in_histories


def started(
    recommender: SessionModel, histories: Ragged, users: Any = None, *, what: str
) -> SessionBatch:
    """Start sessions from histories of ids, and from what is known of users."""
    model, times = as_of_now(recommender), _last_times(histories)
    if users is not None and histories.visitors is not None:
        raise ValueError(
            "A log says itself who its visitors are; leave users= out, or pass lists of ids."
        )
    if users is not None:
        visitors = read_visitors(model.log_reader().visitors, users, len(histories))
        histories = replace(histories, visitors=visitors)
    rows = histories.with_values(rows_in_histories(model, histories.values, what))
    rows = rows.where(rows.values >= 0)
    states = model.session_states(rows)
    return SessionBatch(recommender, model, states, rows, times=times)


def _last_times(histories: Ragged) -> np.ndarray:
    """Say when the last event of each history was: NaN where that is not known."""
    found = np.full(len(histories), np.nan)
    if histories.events is not None and histories.events.times is not None:
        some = histories.lengths > 0
        found[some] = histories.events.times[histories.offsets[1:][some] - 1]
    return found


def unpacked(data: Iterable[bytes]) -> list[SerializedSession]:
    """Read the bytes of sessions; an error says of which, if there are several."""
    serialized, every = [], list(data)
    for number, one in enumerate(every):
        try:
            serialized.append(SerializedSession.from_bytes(one))
        except ValueError as error:
            which = f" (data[{number}])" if len(every) > 1 else ""
            raise ValueError(f"{error}{which}") from error
    return serialized


def resumed(
    recommender: SessionModel, serialized: list[SerializedSession], *, restart: bool
) -> SessionBatch:
    """Go on with sessions; ``restart`` those of another model from their histories.

    Those that were packed without their state start again too.
    """
    model = as_of_now(recommender)
    foreign = np.array([one.model != model.fingerprint_ for one in serialized], dtype=bool)
    if foreign.any() and not restart:
        other = serialized[int(foreign.argmax())].model
        raise ValueError(
            f"This session belongs to another model (fingerprint {other}, this one is "
            f"{model.fingerprint_}): it was trained again or is a different one. Start "
            "again from its history with resume_session(data, restart=True)."
        )
    states = model.network_.initial_states(len(serialized)).detach().clone()
    has_state = np.array([len(one.state) > 0 for one in serialized], dtype=bool)
    again = foreign | (~has_state & (model.network_.state_size > 0))
    kept = np.flatnonzero(~again)
    if len(kept):
        states[torch.from_numpy(kept)] = _kept_states(serialized, kept, states)
    histories = _serialized_histories(model, serialized, foreign)
    rows = Ragged(
        rows_in_histories(model, histories.values, "histories", on_unknown="skip"),
        histories.offsets,
    )
    starts_again = again[rows.row_numbers]
    unknown = np.flatnonzero((rows.values < 0) & ~starts_again)
    rows.values[unknown] = -1 - np.arange(len(unknown))
    # one that starts again does so from what this catalogue knows
    rows = rows.where((rows.values >= 0) | ~starts_again)
    if again.any():
        states[torch.from_numpy(again)] = model.session_states(rows.take(np.flatnonzero(again)))
    times = np.array([np.nan if one.time is None else one.time for one in serialized])
    ids = histories.values[unknown].tolist()
    return SessionBatch(recommender, model, states, rows, ids, times)


def _kept_states(
    serialized: list[SerializedSession], kept: np.ndarray, states: torch.Tensor
) -> torch.Tensor:
    width = states.shape[1]
    wrong = [i for i in kept.tolist() if len(serialized[i].state) != width]
    if wrong:
        raise ValueError(
            f"data[{wrong[0]}] was not made by to_bytes: its state has "
            f"{len(serialized[wrong[0]].state)} numbers, those of this model have {width}."
        )
    return torch.from_numpy(np.stack([serialized[i].state for i in kept.tolist()])).to(
        states.device
    )


def _serialized_histories(
    recommender: SessionModel, serialized: list[SerializedSession], foreign: np.ndarray
) -> Ragged:
    """Ids of histories; of those of another model, such as this catalogue could have."""
    kind = str if recommender.catalog_.ids.holds_strings else int
    histories = [one.history for one in serialized]
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
