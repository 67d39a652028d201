"""An index as arrays, what JSON can hold, and the file of its backend."""

from copy import deepcopy
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


def describe_index(index: BaseIndex, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Write the file of an index, if it has one, and return what else it consists of.

    Parameters
    ----------
    index : BaseIndex
    folder : Path

    Returns
    -------
    description : dict
        For JSON.
    arrays : dict of str to ndarray
        Its vectors are not among them.

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
    arrays = {} if index._sample is None else {"index:queries": np.asarray(index._sample)}
    snapshot = index.snapshot
    description: dict[str, Any] = {
        "class": type(index).__name__,
        "params": params,
        "quantized": isinstance(snapshot.static, QuantizedSearch),
    }
    # what was built covers the vectors of then alone
    if isinstance(snapshot.static, TunedSearch) and snapshot.n_changes == 0:
        static = snapshot.static
        static.backend.save(folder / FILE)
        description["backend"] = {
            "class": type(static.backend).__name__,
            "settings": static.backend.settings,
            "effort": int(static.backend.effort),
            "recall": static.recall,
        }
        arrays["index:slots"] = static.slots
    return description, arrays


def _plain(value: Any) -> Any:
    """Turn a parameter into what JSON holds: numpy's numbers, and generators into a seed."""
    if isinstance(value, np.random.RandomState):
        return int(deepcopy(value).randint(2**31 - 1))
    return value.item() if isinstance(value, np.generic) else value


def read_index(
    description: dict[str, Any] | None,
    arrays: dict[str, np.ndarray],
    vectors: Any,
    removed: np.ndarray,
    folder: Path,
) -> BaseIndex:
    """Make an index of what `describe_index` returned.

    Parameters
    ----------
    description : dict or None
        None means exact search.
    arrays : dict of str to ndarray
    vectors : ndarray or CSR of shape (n, d), float32
    removed : ndarray of int
    folder : Path
        Where the file is; it is mapped into memory.

    Returns
    -------
    BaseIndex
    """
    kind = _CLASSES["ExactIndex" if description is None else description["class"]]
    index: BaseIndex = kind(**({} if description is None else description["params"]))
    backend = None if description is None else description.get("backend")
    static: Any = None
    if backend is not None:
        opened = _BACKENDS[backend["class"]](folder / FILE, backend["settings"])
        opened.effort = backend["effort"]
        static = TunedSearch(opened, arrays["index:slots"], backend["recall"])
    elif description is not None and description.get("quantized") and is_available():
        static = QuantizedSearch(vectors)
    return index._restore(vectors, removed, static, arrays.get("index:queries"))
