"""Folders that hold one version at a time, and files that survive a power failure.

Such a folder holds a file of JSON, its *marker*, and a sub-folder of a fresh name that the marker
names, with sizes and checksums of the files in it. Nothing in a sub-folder is ever changed: a new
version gets another one, and takes the place of the old one when its marker is renamed.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: What is checked of a file that is mapped rather than read.
HEAD = 2**16
#: Sub-folders, and markers that were not yet in their place.
_VERSIONS = re.compile(r"v-[0-9a-f]{16}(\.json)?")


def is_free(path: Path) -> bool:
    """Whether nothing is there, or a folder with nothing but what killed writers left in it."""
    if not path.exists():
        return True
    return path.is_dir() and all(_VERSIONS.fullmatch(each.name) for each in path.iterdir())


def write_folder(
    path: Path,
    write: Callable[[Path], dict[str, Any]],
    *,
    marker: str,
    what: str,
    former: Collection[str] = (),
) -> None:
    """Write a folder whole or not at all, in the place of an older one of its kind.

    At any moment, a power failure among them, there is the old version or the new one. Others who
    write to the folder wait (not on Windows). What writers left who were killed is removed.

    Parameters
    ----------
    path : Path
    write : callable
        Writes the files to the empty folder it is given, and returns what the marker says.
    marker : str
        The file of JSON that tells such a folder.
    what : str
        What such a folder holds, for the error message.
    former : collection of str
        Files that earlier formats kept beside the marker, to be removed.

    Raises
    ------
    FileExistsError
        If something else is there.
    """
    # in this order: somebody else's marker may come in between, and it never goes
    if not is_free(path) and not (path / marker).is_file():
        raise FileExistsError(
            f"{path} is there and holds no {what}; choose another path or remove it."
        )
    path = path.resolve()  # a link stays one
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    with _turn(path):
        version = path / f"v-{secrets.token_hex(8)}"
        unnamed = path / f"{version.name}.json"
        try:
            version.mkdir()
            meta = write(version)
            meta |= {"folder": version.name, "files": described(version)}
            meta["digest"] = digest_of(meta)
            unnamed.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
            for each in (unnamed, *version.rglob("*"), version):
                sync(each)
            os.replace(unnamed, path / marker)
        except BaseException:
            unnamed.unlink(missing_ok=True)
            shutil.rmtree(version, ignore_errors=True)
            if is_new and is_free(path) and not any(path.iterdir()):
                path.rmdir()
            raise
        sync(path)
        if is_new:
            sync(path.parent)
        _clean(path, version.name, former)


def _clean(path: Path, version: str, former: Collection[str]) -> None:
    """Remove what is of no version any more."""
    for each in path.iterdir():
        if each.is_dir() and _VERSIONS.fullmatch(each.name) and each.name != version:
            shutil.rmtree(each, ignore_errors=True)  # Windows keeps what is open: the next time
        elif each.name in former or (each.is_file() and _VERSIONS.fullmatch(each.name)):
            each.unlink()


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until nobody else writes to a folder; the system ends the turn of who is killed."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # though a forked process has it open
    finally:
        os.close(descriptor)


def read_folder(path: Path, read: Callable[[dict[str, Any]], T], *, marker: str) -> T:
    """Read what one version of a folder holds.

    Parameters
    ----------
    path : Path
    read : callable
        Is given what the marker says, and called again if another version took the place of that
        one before it was done.
    marker : str

    Returns
    -------
    What ``read`` returns.

    Raises
    ------
    ValueError
        If the marker is damaged.
    """
    while True:
        text = (path / marker).read_text(encoding="utf-8", errors="replace")
        try:
            return read(_parsed(text, path, marker))
        except Exception:
            if (path / marker).read_text(encoding="utf-8", errors="replace") == text:
                raise


def _parsed(text: str, path: Path, marker: str) -> dict[str, Any]:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {marker} is not whole ({error}).") from error
    if not isinstance(meta, dict) or type(meta.get("format")) is not int:
        raise ValueError(f"{path} is damaged: {marker} says no number of a format.")
    return meta


def check_version(path: Path, meta: dict[str, Any], *, mapped: Collection[str] = ()) -> Path:
    """See that all files are as they were written.

    Parameters
    ----------
    path : Path
    meta : dict
        What the marker says.
    mapped : collection of str
        Files of which the size and the first 64 KiB are enough, in whatever folder of it.

    Returns
    -------
    Path
        The sub-folder.

    Raises
    ------
    ValueError
        If one is not.
    """
    version, files = meta.get("folder"), meta.get("files")
    if meta.get("digest") != digest_of(meta) or not isinstance(files, dict):
        raise ValueError(f"{path} is damaged: what its file of JSON says has been changed.")
    if not isinstance(version, str) or not _VERSIONS.fullmatch(version):
        raise ValueError(f"{path} is damaged: {version!r} is no name of a version in it.")
    for name, expected in files.items():
        file = path / version / name
        _check_file(path, file, expected, whole=file.name not in mapped)
    return path / version


def _check_file(path: Path, file: Path, expected: dict[str, Any], *, whole: bool) -> None:
    if not file.is_file():
        raise ValueError(f"{path} is damaged: {file.relative_to(path)} is missing.")
    if file.stat().st_size != expected["bytes"]:
        raise ValueError(
            f"{path} is damaged: {file.relative_to(path)} is {file.stat().st_size} bytes, expected "
            f"{expected['bytes']} bytes."
        )
    part = "blake2b" if whole else "head"
    if _sums(file, whole=whole)[part] != expected[part]:
        raise ValueError(
            f"{path} is damaged: {file.relative_to(path)} is not what was written (its checksum "
            "is another)."
        )


def described(folder: Path) -> dict[str, Any]:
    """Say how long the files of a folder and of those in it are, and what their checksums are."""
    return {
        each.relative_to(folder).as_posix(): {"bytes": each.stat().st_size, **_sums(each)}
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def _sums(path: Path, *, whole: bool = True) -> dict[str, str]:
    with path.open("rb") as file:
        sums = {"head": hashlib.blake2b(file.read(HEAD), digest_size=16).hexdigest()}
        if whole:
            file.seek(0)
            sums["blake2b"] = hashlib.file_digest(file, checksum).hexdigest()
    return sums


def checksum() -> Any:
    """Begin the checksum of a file's content."""
    return hashlib.blake2b(digest_size=16)


def digest_of(meta: dict[str, Any]) -> str:
    """Sum up what a marker says, but for this sum: against damage, not against forgery."""
    rest = {name: value for name, value in meta.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def sync(path: Path) -> None:
    """See a file, or the names in a folder, reach the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no such call for folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
