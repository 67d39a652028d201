"""Logs and catalogues, as those recommenders read them that are trained."""

from dataclasses import replace
from typing import Any

import numpy as np

from embrec.data.ids import IdIndex
from embrec.data.interactions import encode, with_weights
from embrec.data.items import ItemRows
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
from embrec.recommenders.events import LogReader
from embrec.training.held_out import choose_held_out
from embrec.training.sequences import TrainingSequences


def ids_of(X: Ragged | InteractionStore) -> ItemRows:
    """Take the items of a log for the catalogue, without content.

    Raises
    ------
    ValueError
        If there is none.
    """
    if isinstance(X, InteractionStore):
        return ItemRows(X.ids, None)
    ids = np.array(list(dict.fromkeys(X.values.tolist())), X.values.dtype)
    if len(ids) == 0:
        raise ValueError("X holds no interaction; pass items=, the catalogue.")
    return ItemRows(ids, None)


def encoded(
    X: Ragged | InteractionStore, ids: IdIndex, what: str = "X", weights: Any = None
) -> tuple[Ragged, np.ndarray | None]:
    """Read sequences: of catalogue rows, or of codes and the row of each code.

    Their names are the users', if those are known. ``weights`` are of the events of a store.
    """
    if not isinstance(X, InteractionStore):
        return encode(X, ids, what=what), None
    stored, rows = X.sequences(), ids.rows(X.ids).astype(np.int32)
    if (rows < 0).any():
        encode(with_rows(stored, X.ids), ids, what=what)  # says which are unknown
    return with_weights(replace(stored, names=X.users), weights), rows


def read_training(
    X: Ragged | InteractionStore,
    X_val: Ragged | InteractionStore | None,
    ids: IdIndex,
    max_length: int,
    rng: np.random.RandomState | None,
    *,
    reader: LogReader | None = None,
    weights: Any = None,
) -> tuple[TrainingSequences, Ragged | None]:
    """Read what is trained on, and what is validated with.

    Parameters
    ----------
    X, X_val : Ragged of ids, or InteractionStore
    ids : IdIndex
        Of the catalogue.
    max_length : int
        Events that are read of each sequence, the last ones.
    rng : RandomState or None
        Draws the users whose last events that count validate, where there is no ``X_val``; None
        draws nobody.
    reader : LogReader, optional
        Makes features of what is known besides the items.
    weights : array-like of shape (n_events,), optional
        How much events of a store count; a Ragged has them.

    Returns
    -------
    sequences : TrainingSequences
    validation : Ragged of catalogue rows, or None
    """
    reader = LogReader.none() if reader is None else reader
    sequences, rows = encoded(X, ids, weights=weights)
    sequences = reader(sequences)
    if X_val is not None:
        validation = reader(with_rows(*encoded(X_val, ids, what="X_val")), what="X_val")
        if (validation.lengths < 1).any():
            raise ValueError("X_val holds an empty sequence, which has no last item.")
        return TrainingSequences(sequences, max_length, rows=rows), validation
    if rng is None:
        return TrainingSequences(sequences, max_length, rows=rows), None
    until = _until_last_counted(sequences)
    # only where they begin and end is looked at
    cut = sequences if until is None else Ragged.from_lengths(sequences.values[:0], until)
    held_out = choose_held_out(cut, rng)
    n_cut = None if until is None else sequences.lengths[held_out] - until[held_out] + 1
    training = TrainingSequences(sequences, max_length, held_out, rows, n_cut)
    if len(held_out) == 0:
        return training, None
    given = sequences.take(held_out)
    if until is not None:
        found = Ragged.from_spans(
            given.values, given.offsets[:-1], until[held_out], given.names, given.events
        )
        given = replace(found, visitors=given.visitors)
    return training, with_rows(given, rows)


def _until_last_counted(sequences: Ragged) -> np.ndarray | None:
    """Say how many events each sequence has up to the last that counts: (n_sequences,) int64.

    None if all events count.
    """
    weights = None if sequences.events is None else sequences.events.weights
    if weights is None or weights.all():
        return None
    last = np.maximum.accumulate(np.where(weights > 0, np.arange(1, len(weights) + 1), 0))
    ends, starts = sequences.offsets[1:], sequences.offsets[:-1]
    found = np.concatenate([[0], last])[ends] - starts
    return np.maximum(found, 0)


def with_rows(sequences: Ragged, rows: np.ndarray | None) -> Ragged:
    """Sequences of catalogue rows, from codes and the row of each code."""
    return sequences if rows is None else sequences.with_values(rows[sequences.values])
