"""A folder for a fitted recommender, and back: JSON, safetensors and skops, never pickle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

from embrec._utils.files import write_folder
from embrec._version import __version__
from embrec.data.memmaps import is_stored, map_arrays
from embrec.index.base import BaseIndex
from embrec.index.saving import IndexParts, describe_index, read_index
from embrec.persistence.objects import dump_objects, load_objects
from embrec.serving.catalog import ItemCatalog

#: Raised when what is written changes so that older code cannot read it.
FORMAT = 3

META = "embrec.json"
ARRAYS = "arrays.safetensors"
OBJECTS = "objects.skops"


@dataclass
class SavedState:
    """What a recommender consists of besides its catalogue and index.

    Parameters
    ----------
    values : dict
        What JSON can hold.
    arrays : dict of str to ndarray
    objects : dict
        scikit-learn objects, such as fitted featurizers.
    """

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted recommender to a folder, whole or not at all."""
    write_folder(
        path, lambda folder: _write(estimator, folder), marker=META, what="saved recommender"
    )


def _write(estimator: Any, folder: Path) -> None:
    with estimator.catalog_.writing():
        _write_fitted(estimator, folder)


def _write_fitted(estimator: Any, folder: Path) -> None:
    state: SavedState = estimator._get_state()
    params = estimator.get_params(deep=False)
    for name in estimator._unsaved_parameters:
        del params[name]
    objects = {f"param:{k}": v for k, v in params.items() if not _is_plain(v)}
    objects |= {f"state:{k}": v for k, v in state.objects.items()}
    arrays = {f"state:{k}": v for k, v in state.arrays.items()}
    index = describe_index(estimator.index_, folder)
    arrays |= index.arrays | _catalog_arrays(estimator.catalog_, index)
    meta = {
        "format": FORMAT,
        "embrec_version": __version__,
        "class": type(estimator).__name__,
        "params": {k: v for k, v in params.items() if _is_plain(v)},
        "values": state.values,
        "blocks": [_describe(block) for block in estimator.catalog_.blocks],
        "vectors": _describe(index.vectors),
        "new_vectors": None if index.new_vectors is None else _describe(index.new_vectors),
        "index": index.description,
        "objects": bool(objects),
    }
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    write_arrays(arrays, folder / ARRAYS)
    if objects:
        dump_objects(objects, folder / OBJECTS)


def write_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write arrays with safetensors, readable by whom the folder lets in."""
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    path.chmod(path.parent.stat().st_mode & 0o666)  # save_file lets nobody else read it


def load_estimator(
    cls: type, path: Path, *, trusted: Sequence[str] = (), mmap_mode: str | None = None
) -> Any:
    """Read what `save_estimator` wrote into a new instance of ``cls``."""
    if mmap_mode not in (None, "r"):
        raise ValueError(f"mmap_mode must be None or 'r'; got {mmap_mode!r}.")
    meta = _read_meta(cls, path)
    arrays = load_file(path / ARRAYS) if mmap_mode is None else _map_items(path / ARRAYS)
    objects = load_objects(path / OBJECTS, trusted) if meta["objects"] else {}
    params = meta["params"] | _with_prefix(objects, "param:")
    estimator = cls(**params)
    estimator.catalog_, estimator.index_ = _read_catalog(arrays, meta, path)
    if len(estimator.catalog_) != len(estimator.index_):
        raise ValueError(
            f"{path} is damaged: it holds {len(estimator.catalog_)} ids and "
            f"{len(estimator.index_)} vectors. Save the recommender again."
        )
    estimator._set_state(
        SavedState(meta["values"], _with_prefix(arrays, "state:"), _with_prefix(objects, "state:"))
    )
    return estimator


def _map_items(path: Path) -> dict[str, np.ndarray]:
    """Map what grows with the catalogue, and copy the rest, which may be written to."""
    return {
        name: array if name.startswith(("vectors", "block:")) else np.array(array)
        for name, array in map_arrays(path).items()
    }


def _read_meta(cls: type, path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"There is no {path} to load a recommender from.")
    if not (path / META).is_file():
        raise ValueError(f"{path} holds no saved recommender: there is no {META} in it.")
    meta: dict[str, Any] = json.loads((path / META).read_text(encoding="utf-8"))
    if meta["format"] > FORMAT:
        raise ValueError(
            f"{path} was written by embrec {meta['embrec_version']} in format {meta['format']}; "
            f"this is embrec {__version__}, which reads formats up to {FORMAT}. Upgrade it."
        )
    if meta["class"] != cls.__name__:
        raise ValueError(
            f"{path} holds a {meta['class']}, not a {cls.__name__}; call {meta['class']}.load."
        )
    return meta


def _with_prefix(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _is_plain(value: Any) -> bool:
    """Whether JSON gives a value back as it was; it would make lists of tuples."""
    return value is None or type(value) in (bool, int, float, str)


# ---- catalogue and index


def _catalog_arrays(catalog: ItemCatalog, index: IndexParts) -> dict[str, np.ndarray]:
    arrays = pack_ids(catalog.ids.ids)
    for i, block in enumerate(catalog.blocks):
        arrays |= _pack_matrix(block, f"block:{i}")
    if index.new_vectors is not None:
        arrays |= _pack_matrix(index.new_vectors, "new_vectors")
    return arrays | _pack_matrix(index.vectors, "vectors")


def _read_catalog(
    arrays: dict[str, np.ndarray], meta: dict[str, Any], folder: Path
) -> tuple[ItemCatalog, BaseIndex]:
    blocks = [
        _unpack_matrix(arrays, f"block:{i}", description)
        for i, description in enumerate(meta["blocks"])
    ]
    vectors, new_vectors = _unpack_matrix(arrays, "vectors", meta["vectors"]), None
    if meta.get("new_vectors") is not None:
        new_vectors = _unpack_matrix(arrays, "new_vectors", meta["new_vectors"])
    # until format 2 there were no changes since
    removed = np.flatnonzero(~arrays["active"]) if "active" in arrays else np.empty(0, np.int64)
    index = read_index(meta.get("index"), arrays, vectors, new_vectors, removed, folder)
    return ItemCatalog(unpack_ids(arrays), blocks), index


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


def _describe(matrix: Any) -> dict[str, Any]:
    return {"format": "csr" if sp.issparse(matrix) else "dense", "shape": list(matrix.shape)}


def _pack_matrix(matrix: Any, name: str) -> dict[str, np.ndarray]:
    if not sp.issparse(matrix):
        return {name: matrix}
    return {f"{name}:{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def _unpack_matrix(arrays: dict[str, np.ndarray], name: str, description: dict[str, Any]) -> Any:
    if description["format"] == "dense":
        array = arrays[name]  # what lay on disk may be of other floats, and may stay there
        return array if is_stored(array) else np.asarray(array, dtype=np.float32)
    parts = tuple(arrays[f"{name}:{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_array(parts, shape=tuple(description["shape"]))
