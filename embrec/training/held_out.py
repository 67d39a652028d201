"""Which users validate: their last events are kept from training."""

import numpy as np
from sklearn.utils.random import sample_without_replacement

from embrec.data.memmaps import release
from embrec.data.ragged import Ragged
from embrec.training.sequences import parts

#: Users whose last event validates: a tenth of them, and no more than this.
MAX_VALIDATION_USERS = 10_000


def choose_held_out(sequences: Ragged, rng: np.random.RandomState) -> np.ndarray:
    """Choose the users whose last event validates.

    Those who leave a next item to train on; if nobody does, those of two events, as long as another
    one of them is left to train on.

    Parameters
    ----------
    sequences : Ragged
    rng : RandomState
        Draws the users.

    Returns
    -------
    ndarray of int64
        Numbers of sequences, sorted; none if nobody can be spared.
    """
    counts = [_count_lengths(sequences, part) for part in parts(len(sequences))]
    pairs, longer = np.array(counts).reshape(-1, 2).T
    # one of the users of two events must be left to train on
    least = 3 if longer.sum() or pairs.sum() < 2 else 2
    n_eligible = longer if least == 3 else pairs
    total = int(n_eligible.sum())
    if total == 0:
        return np.empty(0, dtype=np.int64)
    n = min(MAX_VALIDATION_USERS, max(1, total // 10))
    drawn = np.sort(sample_without_replacement(total, n, random_state=rng))
    starts = np.cumsum(n_eligible) - n_eligible
    drawn_of_part = np.split(drawn, np.searchsorted(drawn, starts[1:]))
    chosen = [
        part[_lengths(sequences, part) >= least][places - start]
        for part, places, start in zip(parts(len(sequences)), drawn_of_part, starts, strict=True)
    ]
    return np.concatenate(chosen)


def _lengths(sequences: Ragged, part: np.ndarray) -> np.ndarray:
    found = np.diff(sequences.offsets[part[0] : part[-1] + 2])
    release(sequences.offsets)
    return np.asarray(found)


def _count_lengths(sequences: Ragged, part: np.ndarray) -> tuple[int, int]:
    """How many sequences have two items, and how many have more."""
    lengths = _lengths(sequences, part)
    return int(np.count_nonzero(lengths == 2)), int(np.count_nonzero(lengths > 2))
