"""A folder for a fitted recommender, and back: JSON, safetensors and skops, never pickle."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from embrec._utils.files import check_version, read_folder, write_folder
from embrec._utils.moments import as_of_now
from embrec._version import __version__
from embrec.components.base import Component, describe, make
from embrec.data.id_arrays import pack_ids, unpack_ids
from embrec.data.memmaps import is_stored
from embrec.index.base import BaseIndex
from embrec.index.saving import (
    FILE,
    IndexParts,
    describe_index,
    describe_settings,
    make_index,
    read_index,
)
from embrec.persistence.arrays import (
    describe_matrix,
    map_items,
    pack_matrix,
    unpack_matrix,
    write_arrays,
)
from embrec.persistence.objects import dump_objects, load_objects
from embrec.persistence.state import SavedState
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog

#: Raised when what is written changes so that older code cannot read it.
FORMAT = 6
#: The oldest that this version reads.
OLDEST = 5

META = "embrec.json"
ARRAYS = "arrays.safetensors"
OBJECTS = "objects.skops"


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted recommender to a folder, whole or not at all."""
    write_folder(
        path,
        partial(_write, as_of_now(estimator)),
        marker=META,
        what="saved recommender",
        former=(ARRAYS, OBJECTS, FILE),
    )


def _write(estimator: Any, folder: Path) -> dict[str, Any]:
    with estimator.catalog_.writing():
        return _write_fitted(estimator, folder)


def _write_fitted(estimator: Any, folder: Path) -> dict[str, Any]:
    state: SavedState = estimator.get_state()
    if state.recommenders:
        return _write_several(estimator, state, folder)
    params = estimator.get_params(deep=False)
    for name in estimator._unsaved_parameters:
        del params[name]
    described = {name: _described(value) for name, value in params.items()}
    objects = {f"param:{k}": params[k] for k, v in described.items() if v is None}
    objects |= {f"state:{k}": v for k, v in state.objects.items()}
    arrays = {f"state:{k}": v for k, v in state.arrays.items()}
    index = describe_index(estimator.index_, folder)
    arrays |= index.arrays | _catalog_arrays(estimator.catalog_, index)
    meta = {
        "format": FORMAT,
        "embrec_version": __version__,
        "class": type(estimator).__name__,
        "params": {k: v for k, v in described.items() if v is not None},
        "values": state.values,
        "parts": {name: describe(part) for name, part in state.parts.items()},
        "blocks": [describe_matrix(block) for block in estimator.catalog_.blocks],
        "vectors": describe_matrix(index.vectors),
        "new_vectors": None if index.new_vectors is None else describe_matrix(index.new_vectors),
        "index": index.description,
        "objects": bool(objects),
    }
    write_arrays(arrays, folder / ARRAYS)
    if objects:
        dump_objects(objects, folder / OBJECTS)
    return meta


def _write_several(estimator: Any, state: SavedState, folder: Path) -> dict[str, Any]:
    """Write what is made of other recommenders: each in a folder of its own, by number."""
    metas = {}
    for number, (name, each) in enumerate(state.recommenders.items()):
        kind = type(each).__name__
        if type(estimator).kind_of_recommender(kind) is not type(each):
            raise ValueError(
                f"{name!r} is a {kind}, which is none of embrec's: nobody else could load it. Keep "
                "the blend with pickle: joblib.dump(estimator, path)."
            )
        within = folder / str(number)
        within.mkdir()
        metas[name] = _write_fitted(each, within)
    return {
        "format": FORMAT,
        "embrec_version": __version__,
        "class": type(estimator).__name__,
        "values": state.values,
        "recommenders": metas,
    }


def load_estimator(
    cls: type, path: Path, *, trusted: Sequence[str] = (), mmap_mode: str | None = None
) -> Any:
    """Read what `save_estimator` wrote into a new instance of ``cls``."""
    if mmap_mode not in (None, "r"):
        raise ValueError(f"mmap_mode must be None or 'r'; got {mmap_mode!r}.")
    trusted = _checked_names(trusted)
    if not path.exists():
        raise FileNotFoundError(f"There is no {path} to load a recommender from.")
    if not (path / META).is_file():
        raise ValueError(f"{path} holds no saved recommender: there is no {META} in it.")
    return read_folder(path, partial(_read, cls, path, trusted, mmap_mode), marker=META)


def _read(
    cls: type, path: Path, trusted: Sequence[str], mmap_mode: str | None, meta: dict[str, Any]
) -> Any:
    _check_meta(cls, path, meta)
    folder = check_version(path, meta, mapped=() if mmap_mode is None else (ARRAYS, FILE))
    try:
        return _made_of(cls, folder, trusted, mmap_mode, meta)
    except ImportError:
        raise  # a library that it needs
    except Exception as error:  # whatever the libraries raise that read its files
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"{path} cannot be loaded: {kind}{error}") from error


def _several(
    cls: Any, path: Path, trusted: Sequence[str], mmap_mode: str | None, meta: dict[str, Any]
) -> Any:
    made = {}
    for number, (name, of_part) in enumerate(meta["recommenders"].items()):
        kind = cls.kind_of_recommender(of_part["class"])
        made[name] = _made_of(kind, path / str(number), trusted, mmap_mode, of_part)
    return cls.from_state(SavedState(meta["values"], recommenders=made))


def _made_of(
    cls: type, path: Path, trusted: Sequence[str], mmap_mode: str | None, meta: dict[str, Any]
) -> Any:
    if "recommenders" in meta:
        return _several(cls, path, trusted, mmap_mode, meta)
    arrays = load_file(path / ARRAYS) if mmap_mode is None else map_items(path / ARRAYS)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not is_stored(array) and not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite.")
    objects = load_objects(path / OBJECTS, trusted) if meta["objects"] else {}
    unsaved = getattr(cls, "_unsaved_parameters", ())
    saved = {k: v for k, v in meta["params"].items() if k not in unsaved}
    params = {name: _made(value, trusted) for name, value in saved.items()}
    parts = {name: make(value, trusted) for name, value in meta["parts"].items()}
    estimator = cls(**params, **_with_prefix(objects, "param:"))
    if not unsaved:  # which may be needed
        estimator._validate_params()
    estimator.catalog_ = _read_catalog(arrays, meta, path)
    estimator.index_.check()
    if len(estimator.catalog_) != len(estimator.index_):
        raise ValueError(
            f"{path} is damaged: it holds {len(estimator.catalog_)} ids and "
            f"{len(estimator.index_)} vectors. Save the recommender again."
        )
    state = _with_prefix(arrays, "state:"), _with_prefix(objects, "state:")
    estimator.set_state(SavedState(meta["values"], *state, parts))
    return estimator


def _check_meta(cls: type, path: Path, meta: dict[str, Any]) -> None:
    writer = f"embrec {meta.get('embrec_version')}"
    if meta["format"] > FORMAT:
        raise ValueError(
            f"{path} was written by {writer} in format {meta['format']}; "
            f"this is embrec {__version__}, which reads formats up to {FORMAT}. Upgrade it."
        )
    if meta["format"] < OLDEST:
        raise ValueError(
            f"{path} was written by {writer} in format {meta['format']}; "
            f"this is embrec {__version__}, which reads formats from {OLDEST} on. Fit and save it "
            f"again, or load it with {writer}."
        )
    if meta.get("class") != cls.__name__:
        raise ValueError(
            f"{path} holds a {meta.get('class')}, not a {cls.__name__}; call "
            f"{meta.get('class')}.load."
        )


def _checked_names(trusted: Any) -> list[str]:
    if isinstance(trusted, str) or not isinstance(trusted, Collection):
        raise TypeError(f"trusted must be a list of names of types; got {trusted!r}.")
    wrong = [name for name in trusted if not isinstance(name, str)]
    if wrong:
        raise TypeError(
            f"trusted must be a list of names of types, such as 'module.Class'; got {wrong[0]!r} "
            "in it."
        )
    return list(trusted)


def _with_prefix(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def _described(value: Any) -> dict[str, Any] | None:
    """Describe a parameter for JSON; None if it is an object that JSON cannot hold."""
    if isinstance(value, Component):
        return {"component": describe(value)}
    if isinstance(value, BaseIndex):
        return {"index": describe_settings(value)}
    # JSON would make lists of tuples
    is_plain = value is None or type(value) in (bool, int, float, str)
    return {"value": value} if is_plain else None


def _made(description: dict[str, Any], trusted: Sequence[str]) -> Any:
    if "component" in description:
        return make(description["component"], trusted)
    if "index" in description:
        return make_index(description["index"])
    return description["value"]


# ---- catalogue and index


def _catalog_arrays(catalog: LiveCatalog, index: IndexParts) -> dict[str, np.ndarray]:
    arrays = pack_ids(catalog.ids.ids)
    for i, block in enumerate(catalog.blocks):
        arrays |= pack_matrix(block, f"block:{i}")
    if index.new_vectors is not None:
        arrays |= pack_matrix(index.new_vectors, "new_vectors")
    return arrays | pack_matrix(index.vectors, "vectors")


def _read_catalog(arrays: dict[str, np.ndarray], meta: dict[str, Any], folder: Path) -> LiveCatalog:
    blocks = [
        unpack_matrix(arrays, f"block:{i}", description)
        for i, description in enumerate(meta["blocks"])
    ]
    vectors, new_vectors = unpack_matrix(arrays, "vectors", meta["vectors"]), None
    if meta.get("new_vectors") is not None:
        new_vectors = unpack_matrix(arrays, "new_vectors", meta["new_vectors"])
    index = read_index(meta["index"], arrays, vectors, new_vectors, folder)
    return LiveCatalog(ItemCatalog(unpack_ids(arrays), blocks), index)
