"""Folders that are replaced as a whole, and files that survive a power failure."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def is_empty_folder(path: Path) -> bool:
    """Whether there is a folder with nothing in it."""
    return path.is_dir() and not any(path.iterdir())


def write_folder(path: Path, write: Callable[[Path], None], *, marker: str, what: str) -> None:
    """Write a folder whole or not at all, in the place of an older one of its kind.

    Parameters
    ----------
    path : Path
    write : callable
        Writes the files to the empty folder it is given.
    marker : str
        The file that tells such a folder.
    what : str
        What such a folder holds, for the error message.

    Raises
    ------
    FileExistsError
        If something else is there.
    """
    if path.exists() and not (path / marker).is_file() and not is_empty_folder(path):
        raise FileExistsError(
            f"{path} is there and holds no {what}; choose another path or remove it."
        )
    path = path.resolve()  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        folder = staging / "new"
        folder.mkdir()  # with the usual permissions, unlike what mkdtemp makes
        write(folder)
        replace_folder(folder, path, aside=staging / "old")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def replace_folder(folder: Path, path: Path, *, aside: Path) -> None:
    """Give a folder the place of another, which is first moved aside, or back if that fails."""
    if not path.exists():
        os.rename(folder, path)
        return
    # a folder cannot be renamed onto a full one: move the old one aside first
    os.rename(path, aside)
    try:
        os.rename(folder, path)
    except OSError:
        os.rename(aside, path)
        raise


def sync(path: Path) -> None:
    """See a file, or the names in a folder, reach the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no such call for folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
