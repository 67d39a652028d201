"""Featurizers and the like in a file of skops: what can be saved, what is read."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
from torch import nn

from embrec import featurizers, index
from embrec._utils.pickles import of_saved_folder
from embrec.encoders.reads import is_found_by_name

T = TypeVar("T")

#: What scikit-learn's featurizers are made of, beside what skops trusts of itself. Never functions:
#: numpy has some that read files.
HARMLESS_TYPES = (
    "embrec.featurizers._vectorizer.FirstTokens",
    "embrec.featurizers._vectorizer.LongWords",
    "numpy.dtype",
    "numpy.number",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "scipy.sparse._csc.csc_array",
    "scipy.sparse._csc.csc_matrix",
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.compose._column_transformer._RemainderColsList",  # until scikit-learn 1.8
    "sklearn.compose._column_transformer.make_column_selector",
    "torch.device",
)
_OTHERWISE = "Or keep it with pickle: joblib.dump(estimator, path)."


def dump_objects(objects: Mapping[str, Any], path: Path) -> None:
    """Write objects so that `load_objects` can read them.

    Parameters
    ----------
    objects : mapping of str to object
    path : Path

    Raises
    ------
    ValueError
        If another process could not read them: they hold a torch network, or a function that its
        module does not have.
    """
    import skops.io  # takes seconds: it imports pytest and all of scikit-learn

    for name, network in _parameters(objects, nn.Module):
        raise ValueError(
            f"{name} is a {type(network).__name__} in memory, and a saved recommender holds no "
            "networks of others. Build the featurizer with its name or the path of its files "
            f"instead. {_OTHERWISE}"
        )
    for name, function in _parameters(objects, FunctionType):
        if not is_found_by_name(function):
            raise ValueError(
                f"{name} is {function.__qualname__}, which its module {function.__module__} does "
                "not have by that name, so that nobody could import it who loads the recommender. "
                f"Write it by def at the top of a module. {_OTHERWISE}"
            )
    skops.io.dump(dict(objects), path)
    if "numpy.memmap" in skops.io.get_untrusted_types(file=path):
        skops.io.dump(_with_plain_arrays(dict(objects)), path)
    lost = [name for name in skops.io.get_untrusted_types(file=path) if not _is_importable(name)]
    if lost:
        raise ValueError(
            f"The featurizer holds {', '.join(lost)}, which nobody could import who loads the "
            "recommender. Write a function by def, or a class, at the top of a module, and use "
            f"that. {_OTHERWISE}"
        )


class _ArraysAside(pickle.Pickler):
    """Puts arrays aside as they are, and in place of maps of files plain arrays over them."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        self.arrays: list[np.ndarray] = []

    def persistent_id(self, value: Any) -> int | None:
        if type(value) not in (np.ndarray, np.memmap):
            return None
        self.arrays.append(np.asarray(value))
        return len(self.arrays) - 1


class _ArraysBack(pickle.Unpickler):
    def __init__(self, file: BytesIO, arrays: Sequence[np.ndarray]) -> None:
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, number: int) -> np.ndarray:
        return self._arrays[number]


def _with_plain_arrays(objects: T) -> T:
    """Copy objects, but not their arrays; none lies in a file that joblib has mapped."""
    file = BytesIO()
    pickler = _ArraysAside(file)
    pickler.dump(objects)
    file.seek(0)
    copied: T = _ArraysBack(file, pickler.arrays).load()
    return copied


def load_objects(path: Path, trusted: Sequence[str]) -> dict[str, Any]:
    """Read what `dump_objects` wrote.

    Parameters
    ----------
    path : Path
    trusted : sequence of str
        Types and functions beside those that are known to do no harm.

    Raises
    ------
    ValueError
        If the file is made of others, or of what is not to be found here.
    """
    import skops.io  # as above

    known = {*own_types(), *HARMLESS_TYPES, *trusted}
    needed = skops.io.get_untrusted_types(file=path)
    foreign = [name for name in needed if name not in known]
    if foreign:
        raise ValueError(
            f"{path} is made of types that embrec does not know: {', '.join(foreign)}. If you "
            f"trust where it comes from, pass trusted={[*trusted, *foreign]!r}."
        )
    lost = [name for name in needed if name in trusted and not _is_importable(name)]
    if lost:
        raise ValueError(
            f"{path} needs {', '.join(lost)}, which cannot be imported here. What is defined in "
            "a script or notebook is found by that alone: put it into a module, and save again."
        )
    with of_saved_folder():
        loaded: dict[str, Any] = skops.io.load(path, trusted=needed)
    return loaded


def own_types() -> set[str]:
    """Name the classes of embrec that a file may hold."""
    types = (getattr(room, name) for room in (featurizers, index) for name in room.__all__)
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in types if isinstance(cls, type)}


def _parameters(objects: Mapping[str, Any], kind: type[T]) -> Iterator[tuple[str, T]]:
    """Yield parameters of estimators that are of some kind, and where they are."""
    for estimator in objects.values():
        if not hasattr(estimator, "get_params") or isinstance(estimator, type):
            continue
        for name, value in estimator.get_params(deep=True).items():
            if isinstance(value, kind):
                owner, _, parameter = f"{type(estimator).__name__}__{name}".rpartition("__")
                yield f"{parameter}= of {owner}", value


def _is_importable(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(import_module(module), attribute)
    except ImportError:
        return False
