"""Batches of sequences of similar length (thesis section 3.5.1, Figure 5)."""

from collections.abc import Iterator

import numpy as np

#: Batches that are shuffled together before they are cut by length.
BATCHES_PER_POOL = 20


def length_buckets(
    lengths: np.ndarray, batch_size: int, rng: np.random.RandomState
) -> Iterator[np.ndarray]:
    """Cut sequences into batches of similar length, anew at each call.

    Sequences are shuffled, sorted by length within pools of some batches, cut, and the batches
    shuffled: a batch holds similar lengths, but not the same company at every epoch.

    Parameters
    ----------
    lengths : ndarray of shape (n_sequences,)
    batch_size : int
        Sequences in a batch.
    rng : RandomState

    Yields
    ------
    ndarray of shape (n_batch,)
        Numbers of the sequences in a batch.
    """
    shuffled = rng.permutation(len(lengths))
    pools = np.arange(len(lengths)) // (batch_size * BATCHES_PER_POOL)
    by_length = shuffled[np.lexsort((lengths[shuffled], pools))]
    batches = np.array_split(by_length, np.arange(batch_size, len(lengths), batch_size))
    for number in rng.permutation(len(batches)):
        yield batches[number]
