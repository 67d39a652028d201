"""Arrays that lie on disk, and are read when they are needed."""

import json
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

#: Rows of features that are read, or go through a tower, together.
ROWS_AT_A_TIME = 2**16


def is_stored(matrix: Any) -> bool:
    """Whether an array or CSR matrix is memory-mapped, or a view of something that is.

    `StackedRows` count: they are made where a part is.
    """
    if isinstance(matrix, StackedRows):
        return True
    array = matrix.data if sp.issparse(matrix) else matrix
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


#: numpy's names of the types in files of safetensors.
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map the arrays of a safetensors file into memory, to be read only.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to ndarray
        Processes that map the same file share its pages; they stay valid if the file is replaced.
    """
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(n_header))
    file_map = np.memmap(path, dtype=np.uint8, mode="r")
    arrays = {}
    for name, described in header.items():
        if name == "__metadata__":
            continue
        start, stop = (8 + n_header + offset for offset in described["data_offsets"])
        values = file_map[start:stop].view(_TYPES[described["dtype"]])
        arrays[name] = values.reshape(described["shape"])
    return arrays


class StackedRows:
    """Rows of several dense matrices as one, read when they are needed.

    Parameters
    ----------
    parts : list of ndarray or StackedRows of shape (n_part, n_columns)
    positions : ndarray of shape (n_rows,), int64
        Where each row is among the parts, one below the other.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, parts: Sequence[Any], positions: np.ndarray) -> None:
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._positions = positions
        self.shape = (len(positions), int(self._parts[0].shape[1]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Read rows: a slice, or integers of shape (n,); (n, n_columns) float32."""
        positions = self._positions[rows]
        found = np.empty((len(positions), self.shape[1]), dtype=self.dtype)
        part_of = np.searchsorted(self._starts, positions, side="right") - 1
        for i, part in enumerate(self._parts):
            here = part_of == i
            if here.any():
                found[here] = part[positions[here] - self._starts[i]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


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


def update_digest(digest: Any, block: Any) -> None:
    """Feed a matrix of features to a hash, some rows at a time."""
    digest.update(f"{block.shape} {block.dtype}".encode())
    for _, rows in row_blocks(block):
        for part in (rows.indptr, rows.indices, rows.data) if sp.issparse(rows) else (rows,):
            # 8 bytes for indices: their width is no part of what they say
            wide = part.astype(np.int64) if part.dtype.kind == "i" else np.ascontiguousarray(part)
            digest.update(wide.tobytes())
