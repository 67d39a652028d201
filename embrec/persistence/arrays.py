"""Arrays, ids and matrices in a file of safetensors."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import save_file

from embrec.data.memmaps import is_stored, map_arrays


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


def pack_ids(ids: np.ndarray) -> dict[str, np.ndarray]:
    """Integers as they are; strings as UTF-8 bytes and where each one ends."""
    if ids.dtype != object:
        return {"ids": ids}
    encoded = [id_.encode() for id_ in ids.tolist()]
    ends = np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
    return {"ids:utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8), "ids:ends": ends}


def unpack_ids(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Take back what `pack_ids` made: int64 or object (str)."""
    if "ids" in arrays:
        return arrays["ids"]
    text, ends = arrays["ids:utf8"].tobytes(), arrays["ids:ends"].tolist()
    ids = np.empty(len(ends), dtype=object)
    ids[:] = [text[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return ids


def describe_matrix(matrix: Any) -> dict[str, Any]:
    return {"format": "csr" if sp.issparse(matrix) else "dense", "shape": list(matrix.shape)}


def pack_matrix(matrix: Any, name: str) -> dict[str, np.ndarray]:
    if not sp.issparse(matrix):
        return {name: matrix}
    return {f"{name}:{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def unpack_matrix(arrays: dict[str, np.ndarray], name: str, description: dict[str, Any]) -> Any:
    if description["format"] == "dense":
        array = arrays[name]  # what lay on disk may be of other floats, and may stay there
        return array if is_stored(array) else np.asarray(array, dtype=np.float32)
    parts = tuple(arrays[f"{name}:{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_array(parts, shape=tuple(description["shape"]))
