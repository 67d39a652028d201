"""Last events of some users, held out of a log."""

from typing import Any

import narwhals as nw
import numpy as np

from embrec.data.interactions import LogColumns, read_sequences, sort_log
from embrec.data.store import InteractionStore
from embrec.data.tables import is_table


def hold_out_last(X: Any, columns: LogColumns, n_users: int) -> tuple[Any, Any]:
    """Hold out the last events of some users, spread over the log, who have two at least.

    Parameters
    ----------
    X : table or list of sequences
    columns : LogColumns
    n_users : int
        At most so many, and no more than half of those there are.

    Returns
    -------
    train, valid : as ``X``
        What is left, and the whole sequences of these users.

    Raises
    ------
    ValueError
        If nobody has two events.
    TypeError
        If ``X`` is on disk.
    """
    if isinstance(X, InteractionStore):
        raise TypeError("Nothing can be held out of an InteractionStore; pass X_val.")
    if is_table(X):
        order, offsets = sort_log(X, columns)[:2]
    else:
        sequences = read_sequences(X, columns)[0]
        order, offsets = np.arange(len(sequences.values)), sequences.offsets
    may = np.flatnonzero(np.diff(offsets) >= 2)
    if len(may) == 0:
        raise ValueError("Nobody has two events, of which the last could be held out; pass X_val.")
    n = max(1, min(n_users, len(may) // 2))
    chosen = np.zeros(len(offsets) - 1, dtype=bool)
    chosen[may[np.linspace(0, len(may) - 1, n).astype(np.int64)]] = True
    if not is_table(X):
        rows = [row.tolist() for row in np.split(sequences.values, offsets[1:-1])]
        train = [row[:-1] if held else row for row, held in zip(rows, chosen, strict=True)]
        return train, [rows[i] for i in np.flatnonzero(chosen)]
    lengths = np.diff(offsets)
    is_last = np.zeros(len(order), dtype=bool)
    is_last[offsets[1:] - 1] = chosen
    frame = nw.from_native(X, eager_only=True)
    masks = ~is_last, np.repeat(chosen, lengths)
    train, valid = (frame[np.sort(order[mask]).tolist()].to_native() for mask in masks)
    return train, valid
