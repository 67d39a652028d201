"""An index as arrays, what JSON can hold, and the file of its backend."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embrec.index.annoy import AnnoyBackend
from embrec.index.approximate import TunedSearch
from embrec.index.base import BaseIndex
from embrec.index.choice import NAMES
from embrec.index.faiss import FaissBackend
from embrec.index.hnsw import HnswBackend
from embrec.index.quantized import QuantizedSearch, is_available

#: Where a backend is saved.
FILE = "index.bin"
_BACKENDS: dict[str, Any] = {b.__name__: b for b in (AnnoyBackend, FaissBackend, HnswBackend)}
_CLASSES = {kind.__name__: kind for kind in NAMES.values()}


@dataclass(frozen=True)
class IndexParts:
    """What an index consists of, but for the file of its backend.

    Parameters
    ----------
    description : dict
        For JSON.
    arrays : dict of str to ndarray
    vectors : ndarray or CSR of shape (n, d)
        Of the base.
    new_vectors : ndarray or CSR of shape (n_changed, d), optional
        Of rows that were written since.
    """

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    vectors: Any
    new_vectors: Any = None


def describe_index(index: BaseIndex, folder: Path) -> IndexParts:
    """Write the file of an index, if it has one, and return what else it consists of.

    Parameters
    ----------
    index : BaseIndex
    folder : Path

    Returns
    -------
    IndexParts

    Raises
    ------
    ValueError
        If it is of a class of the user's own, which nobody else could read.
    """
    arrays = {} if index._sample is None else {"index:queries": np.asarray(index._sample)}
    snapshot = index.snapshot
    description: dict[str, Any] = {
        **describe_settings(index),
        "quantized": isinstance(snapshot.static, QuantizedSearch),
    }
    removed, changes = snapshot.history()
    arrays["index:removed"] = removed
    if isinstance(snapshot.static, TunedSearch):
        static = snapshot.static
        static.backend.save(folder / FILE)
        description["backend"] = {
            "class": type(static.backend).__name__,
            "settings": static.backend.settings,
            "effort": int(static.backend.effort),
            "recall": static.recall,
            "recall_p10": static.recall_p10,
        }
        arrays["index:slots"] = static.slots
        if static.offsets is not None:
            arrays["index:offsets"] = static.offsets
    if changes is None:
        return IndexParts(description, arrays, snapshot.base)
    rows, vectors, gone = changes
    arrays |= {"index:changed": rows, "index:gone": gone}
    return IndexParts(description, arrays, snapshot.base, vectors)


def describe_settings(index: BaseIndex) -> dict[str, Any]:
    """Describe the class and the parameters of an index, for JSON.

    Raises
    ------
    ValueError
        If it is of a class of the user's own, which nobody else could read.
    """
    if _CLASSES.get(type(index).__name__) is not type(index):
        raise ValueError(
            f"The index is a {type(index).__name__}; those that can be saved are "
            f"{', '.join(_CLASSES)}. Keep it with pickle: joblib.dump(estimator, path)."
        )
    params = {name: _plain(value) for name, value in index.get_params().items()}
    return {"class": type(index).__name__, "params": params}


def make_index(description: dict[str, Any]) -> BaseIndex:
    """Make the index that `describe_settings` described; it is not fitted."""
    index: BaseIndex = _CLASSES[description["class"]](**description["params"])
    return index


def _plain(value: Any) -> Any:
    """Turn a parameter into what JSON holds: numpy's numbers, and generators into a seed."""
    if isinstance(value, np.random.RandomState):
        return int(deepcopy(value).randint(2**31 - 1))
    return value.item() if isinstance(value, np.generic) else value


def read_index(
    description: dict[str, Any],
    arrays: dict[str, np.ndarray],
    vectors: Any,
    new_vectors: Any,
    folder: Path,
) -> BaseIndex:
    """Make an index of what `describe_index` returned.

    Parameters
    ----------
    description : dict
    arrays : dict of str to ndarray
    vectors, new_vectors : ndarray or CSR, float32
        As in `IndexParts`.
    folder : Path
        Where the file is; it is mapped into memory.

    Returns
    -------
    BaseIndex
    """
    index = make_index(description)
    backend = description.get("backend")
    static: Any = None
    if backend is not None:
        opened = _BACKENDS[backend["class"]](folder / FILE, backend["settings"])
        opened.effort = backend["effort"]
        static = TunedSearch(
            opened,
            arrays["index:slots"],
            backend["recall"],
            backend.get("recall_p10", np.nan),
            offsets=arrays.get("index:offsets"),
        )
    elif description["quantized"] and is_available():
        static = QuantizedSearch(vectors)
    changes = None
    if new_vectors is not None:
        changes = arrays["index:changed"], new_vectors, arrays["index:gone"]
    removed = arrays["index:removed"]
    return index._restore(vectors, removed, static, arrays.get("index:queries"), changes)
