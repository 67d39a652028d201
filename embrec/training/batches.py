"""Batches of sequences of similar length (thesis section 3.5.1, Figure 5)."""

from collections.abc import Iterator

import numpy as np

from embrec.data.ragged import Ragged
from embrec.training.sequences import TrainingSequences

#: Batches that are read together, and then cut by length.
BATCHES_PER_POOL = 20


def epoch_batches(sequences: TrainingSequences, batch_size: int, seed: int) -> Iterator[Ragged]:
    """Go through all sequences once, in batches of similar length.

    Sequences are shuffled, sorted by length within pools of some batches, cut, and the pool's
    batches shuffled: a batch holds similar lengths, but not the same company at every epoch.

    Parameters
    ----------
    sequences : TrainingSequences
    batch_size : int
        Sequences in a batch.
    seed : int
        Decides the order.

    Yields
    ------
    batch : Ragged of item rows
        The last pool may have a smaller one.
    """
    n, pool_size = len(sequences), batch_size * BATCHES_PER_POOL
    rng = np.random.RandomState(seed)
    for start in range(0, n, pool_size):
        numbers = np.arange(start, min(start + pool_size, n))
        members = random_order(numbers, n, seed)
        pool = sequences.take(members)
        by_length = np.argsort(pool.lengths, kind="stable")
        batches = np.array_split(by_length, np.arange(batch_size, len(pool), batch_size))
        for number in rng.permutation(len(batches)):
            yield pool.take(batches[number])


def random_order(places: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Tell what stands at some places of a random permutation, without making the rest of it.

    A Feistel network over the smallest even number of bits that hold ``n``, walked until the result
    is below ``n`` (Black & Rogaway 2002). A permutation of all users would be the largest array of
    training on a log that is read from disk.

    Parameters
    ----------
    places : ndarray of int64
        Each from 0 to ``n - 1``.
    n : int
        Length of the permutation.
    seed : int
        Which permutation.

    Returns
    -------
    ndarray of int64
    """
    half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
    keys = np.random.RandomState(seed).randint(2**31, size=6).astype(np.uint64)
    found = places.astype(np.uint64)
    outside = np.arange(len(found))
    while len(outside):
        found[outside] = _encrypt(found[outside], half, keys)
        outside = outside[found[outside] >= n]
    return found.astype(np.int64)


def _encrypt(values: np.ndarray, half: np.uint64, keys: np.ndarray) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + (key << np.uint64(32))) & mask)
    return (left << half) | right


def _mix(values: np.ndarray) -> np.ndarray:
    """Scramble bits: the finaliser of splitmix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
