"""Arrays that lie on disk, and are read when they are needed."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

#: Rows of features that are read, or go through a tower, together.
ROWS_AT_A_TIME = 2**16


def is_stored(matrix: Any) -> bool:
    """Whether an array or CSR matrix is memory-mapped, or a view of something that is."""
    array = matrix.data if sp.issparse(matrix) else matrix
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def release(array: np.ndarray) -> None:
    """Let go of the pages of a file that were read through a map; they count as ours until then.

    What is read later comes from the file again. Arrays in memory, and maps that can be written
    to, stay as they are.
    """
    if not isinstance(array, np.memmap) or array.mode != "r":
        return
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        base.madvise(mmap.MADV_DONTNEED)


def row_blocks(matrix: Any, n_rows: int = ROWS_AT_A_TIME) -> Iterator[tuple[int, Any]]:
    """Go through a matrix some rows at a time: yield the first row's number, and the rows."""
    for start in range(0, matrix.shape[0], n_rows):
        yield start, matrix[start : start + n_rows]
