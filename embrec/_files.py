"""Folders that are replaced as a whole, and files that survive a power failure."""

import os
from pathlib import Path


def is_empty_folder(path: Path) -> bool:
    """Whether there is a folder with nothing in it."""
    return path.is_dir() and not any(path.iterdir())


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
