"""Files that hold weights: found, told apart, fingerprinted."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

#: When a file was written (nanoseconds), and its size.
Stamp = tuple[int, int]


def check_file(path: Any, what: str) -> Path:
    """Return the path of a file, or say that there is none.

    Raises
    ------
    OSError
        FileNotFoundError or IsADirectoryError.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        raise IsADirectoryError(f"{what}={os.fspath(path)!r} is a folder; pass a file in it.")
    if not found.is_file():
        raise FileNotFoundError(f"{what}={os.fspath(path)!r}: there is no such file.")
    return found


def file_stamp(path: Path) -> Stamp:
    """Tell one version of a file from the next: a model that was loaded before may be stale."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def hash_arrays(arrays: Mapping[str, np.ndarray], *settings: Any) -> str:
    """Hash named arrays and settings: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    digest.update(repr(settings).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def folder_stamp(path: Path) -> tuple[Stamp, ...]:
    """Tell one version of a folder of files from the next."""
    return tuple(file_stamp(file) for file in sorted(path.rglob("*")) if file.is_file())


def name_of(function: Any) -> str | None:
    """Return where a function of the user's is defined; its code is taken to stay the same."""
    if function is None:
        return None
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', None)}.{named.__qualname__}"
