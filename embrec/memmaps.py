"""Arrays that lie on disk, and are read when they are needed."""

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


def reopened(array: np.ndarray) -> np.ndarray:
    """Map a file anew: pages that were read through the last mapping no longer count as ours."""
    if not isinstance(array, np.memmap) or array.filename is None or array.mode != "r":
        return array
    return np.memmap(
        array.filename, dtype=array.dtype, mode="r", offset=array.offset, shape=array.shape
    )


def row_blocks(matrix: Any, n_rows: int = ROWS_AT_A_TIME) -> Iterator[tuple[int, Any]]:
    """Go through a matrix some rows at a time: yield the first row's number, and the rows."""
    for start in range(0, matrix.shape[0], n_rows):
        yield start, matrix[start : start + n_rows]
