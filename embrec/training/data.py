"""What of the sequences is trained on, and what is kept to validate with."""

import numpy as np

from embrec.ragged import Ragged

#: Users whose last event validates: a tenth of them, and no more than this.
MAX_VALIDATION_USERS = 10_000


def trainable(sequences: Ragged, max_length: int) -> Ragged:
    """Cut sequences to their last events, and leave out those that have no next item.

    Parameters
    ----------
    sequences : Ragged of item rows
    max_length : int
        Events that are kept of each.

    Returns
    -------
    Ragged of item rows
        Each of two events at least.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    cut = sequences.keep_last(max_length)
    cut = cut.take(np.flatnonzero(cut.lengths >= 2))
    if len(cut) == 0:
        raise ValueError(
            f"None of the {len(sequences)} sequences in X has two items or more (besides the "
            "last one, if it is kept for validation), so there is no next item to learn from."
        )
    return cut


def hold_out_last_events(
    sequences: Ragged, rng: np.random.RandomState
) -> tuple[Ragged, Ragged | None]:
    """Keep the last events of some users from training.

    Parameters
    ----------
    sequences : Ragged of item rows
    rng : RandomState
        Draws the users.

    Returns
    -------
    training : Ragged of item rows
        All users, some without their last event.
    held_out : Ragged of item rows, or None
        The whole sequences of those users; None if nobody can be spared.
    """
    eligible = _who_may_validate(sequences.lengths)
    if len(eligible) == 0:
        return sequences, None
    n = min(MAX_VALIDATION_USERS, max(1, len(eligible) // 10))
    chosen = rng.choice(eligible, size=n, replace=False)
    kept = np.ones(len(sequences.values), dtype=bool)
    kept[sequences.offsets[1:][chosen] - 1] = False
    return sequences.where(kept), sequences.take(chosen)


def _who_may_validate(lengths: np.ndarray) -> np.ndarray:
    """Choose the users who leave a next item to train on.

    If nobody does, those of two events, as long as another one of them is left to train on.
    """
    eligible = np.flatnonzero(lengths >= 3)
    pairs = np.flatnonzero(lengths >= 2)
    return eligible if len(eligible) or len(pairs) < 2 else pairs
