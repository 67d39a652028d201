"""How often each item was touched."""

import numpy as np

from embrec.data.ragged import Ragged


def count_items(sequences: Ragged, n_items: int) -> np.ndarray:
    """Count the events of each catalogue row: (n_items,) int64."""
    return np.bincount(sequences.values, minlength=n_items).astype(np.int64)


def counts_of(counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Look up the counts of rows; rows that are newer than the counts have none."""
    counted = rows < len(counts)
    return np.where(counted, counts[np.where(counted, rows, 0)], 0)
