"""Arrays, ids and matrices in a file of safetensors."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import save_file

from embrec.data.memmaps import is_stored, map_arrays
from embrec.data.side_by_side import SideBySide


def write_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write arrays with safetensors, readable by whom the folder lets in."""
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    path.chmod(path.parent.stat().st_mode & 0o666)  # save_file lets nobody else read it


def map_items(path: Path) -> dict[str, np.ndarray]:
    """Map what grows with the catalogue, and copy the rest, which may be written to."""
    return {
        name: array if name.startswith(("vectors", "block:")) else np.array(array)
        for name, array in map_arrays(path).items()
    }


def describe_matrix(matrix: Any) -> dict[str, Any]:
    """Say what JSON keeps of a matrix."""
    if isinstance(matrix, SideBySide):
        parts = [describe_matrix(part) for part in matrix.parts]
        return {"format": "side by side", "shape": list(matrix.shape), "parts": parts}
    return {"format": "csr" if sp.issparse(matrix) else "dense", "shape": list(matrix.shape)}


def pack_matrix(matrix: Any, name: str) -> dict[str, np.ndarray]:
    """Turn a matrix into arrays."""
    if isinstance(matrix, SideBySide):
        packed: dict[str, np.ndarray] = {}
        for number, part in enumerate(matrix.parts):
            packed |= pack_matrix(part, f"{name}:{number}")
        return packed
    if not sp.issparse(matrix):
        return {name: matrix}
    return {f"{name}:{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def unpack_matrix(arrays: dict[str, np.ndarray], name: str, description: dict[str, Any]) -> Any:
    """Take back what `pack_matrix` made."""
    if description["format"] == "side by side":
        return SideBySide(
            unpack_matrix(arrays, f"{name}:{number}", part)
            for number, part in enumerate(description["parts"])
        )
    if description["format"] == "dense":
        array = arrays[name]  # what lay on disk may be of other floats, and may stay there
        return array if is_stored(array) else np.asarray(array, dtype=np.float32)
    parts = tuple(arrays[f"{name}:{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_array(parts, shape=tuple(description["shape"]))
