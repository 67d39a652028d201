"""Logs and catalogues, as those recommenders read them that are trained."""

import numpy as np

from embrec.data.ids import IdIndex
from embrec.data.interactions import encode
from embrec.data.items import ItemRows
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
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
    X: Ragged | InteractionStore, ids: IdIndex, what: str = "X"
) -> tuple[Ragged, np.ndarray | None]:
    """Read sequences: of catalogue rows, or of codes and the row of each code.

    Their names are the users', if those are known.
    """
    if not isinstance(X, InteractionStore):
        return encode(X, ids, what=what), None
    stored, rows = X.sequences(), ids.rows(X.ids).astype(np.int32)
    if (rows < 0).any():
        encode(with_rows(stored, X.ids), ids, what=what)  # says which are unknown
    return Ragged(stored.values, stored.offsets, X.users), rows


def read_training(
    X: Ragged | InteractionStore,
    X_val: Ragged | InteractionStore | None,
    ids: IdIndex,
    max_length: int,
    rng: np.random.RandomState | None,
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
        Draws the users whose last events validate, where there is no ``X_val``; None draws nobody.

    Returns
    -------
    sequences : TrainingSequences
    validation : Ragged of catalogue rows, or None
    """
    sequences, rows = encoded(X, ids)
    if X_val is not None:
        validation = with_rows(*encoded(X_val, ids, what="X_val"))
        if (validation.lengths < 1).any():
            raise ValueError("X_val holds an empty sequence, which has no last item.")
        return TrainingSequences(sequences, max_length, rows=rows), validation
    held_out = np.empty(0, dtype=np.int64) if rng is None else choose_held_out(sequences, rng)
    training = TrainingSequences(sequences, max_length, held_out, rows)
    if len(held_out) == 0:
        return training, None
    return training, with_rows(sequences.take(held_out), rows)


def with_rows(sequences: Ragged, rows: np.ndarray | None) -> Ragged:
    """Sequences of catalogue rows, from codes and the row of each code."""
    return sequences if rows is None else sequences.with_values(rows[sequences.values])
