"""Files and arrays that hold weights: found, told apart, fingerprinted."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from embrec.encoders.contents import hash_content

#: When a file was written (nanoseconds), and its size.
Stamp = tuple[int, int]


def check_file(path: Any, what: str) -> Path:
    """Return the path of a file, or say that there is none.

    Raises
    ------
    OSError
        FileNotFoundError or IsADirectoryError.
    """
    # workers may be in another folder
    found = Path(path).expanduser().absolute()
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


def absolute_folder(name: str) -> str:
    """Return the absolute path of a folder; any other name as it is."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.is_dir() else name


def network_stamp(network: nn.Module) -> str:
    """Tell one version of a network in memory from the next, by all that it holds.

    All weights are read: nothing else shows writes to ``weight.data``.
    """
    return hash_content(network, reads=False)
