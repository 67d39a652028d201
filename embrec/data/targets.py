"""The next items that are to be predicted, and the histories before them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from embrec._utils.warn import warn
from embrec.data.events import check_weights
from embrec.data.ragged import Ragged


def split_targets(
    sequences: Ragged, y: Any, rows_of: Callable[..., np.ndarray]
) -> tuple[Ragged, np.ndarray]:
    """Part histories from the items that come next.

    Parameters
    ----------
    sequences : Ragged of ids
    y : array-like of shape (n,), optional
        The next item of each sequence. Without it, each sequence's last item is its target and the
        items before it the history.
    rows_of : callable
        Gives the catalogue rows of ids, and takes their name in messages as ``what``.

    Returns
    -------
    histories : Ragged of ids
    targets : ndarray of shape (n,)
        Catalogue rows.

    Raises
    ------
    ValueError
        If a sequence has no last item, or there is not one target for each.
    """
    if y is None:
        # before unknown items are skipped: a last item that is unknown has no rank
        targets = rows_of(last_items(sequences), what="the last items of X")
        return sequences.drop_last(), targets
    targets = rows_of(y, what="y")
    if len(targets) != len(sequences):
        raise ValueError(
            f"y must hold one next item per sequence: X has {len(sequences)} sequences, "
            f"y {len(targets)} items."
        )
    return sequences, targets


def are_seen(histories: Ragged, targets: np.ndarray) -> np.ndarray:
    """Tell which targets are in their own history: (n,) bool."""
    same = histories.values == np.repeat(targets, histories.lengths)
    return histories.where(same).lengths > 0


def warn_of_misses(seen: np.ndarray) -> None:
    """Warn of targets that `recommend` never shows, so that they rank last.

    Parameters
    ----------
    seen : ndarray of shape (n,), bool
        Which are left out for being in their own history.
    """
    if seen.any():
        warn(
            f"{int(seen.sum())} of {len(seen)} targets are in their own history, so "
            "exclude_seen=True never recommends them: they rank last and count as misses. Pass "
            "exclude_seen=False if visitors may be shown what they have seen, or leave repeated "
            "events out of the log."
        )


def target_weights(weights: Any, n: int, read: Callable[..., Ragged] | None) -> np.ndarray | None:
    """Say how much each target weighs.

    Parameters
    ----------
    weights : array-like of shape (n,) or (n_events,), or None
        Of sequences; or of their events, of which those of the last count.
    n : int
        How many sequences there are.
    read : callable or None
        Reads the sequences with ``weights=`` of their events; None if these are no targets.

    Returns
    -------
    ndarray of shape (n,), or None

    Raises
    ------
    ValueError, TypeError
        If they are not what they may be, or no target weighs anything.
    """
    if weights is None:
        return None
    if read is None or np.shape(weights) == (n,):
        return check_weights(weights, n, "sequences")
    sequences = read(weights=weights)
    assert sequences.events is not None
    assert sequences.events.weights is not None
    return check_weights(sequences.with_values(sequences.events.weights).last(), n, "targets")


def last_items(sequences: Ragged) -> np.ndarray:
    """Take the last item of each sequence, or raise ValueError if one has none."""
    empty = sequences.lengths == 0
    if empty.any():
        raise ValueError(
            f"{int(empty.sum())} of {len(sequences)} sequences are empty (the first is number "
            f"{int(empty.argmax())}) and have no last item to take as the target. Drop them, "
            "or pass the targets as y."
        )
    return sequences.last()
