"""Backends that live in a file: mapped into memory, shared between processes, pickled."""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

#: Bytes that are read at a time.
READ_TOGETHER = 2**24


class FileBackend:
    """Base of the backends that a library reads from a file, which it maps into memory.

    A subclass sets its settings and opens the file in `_open`.

    Parameters
    ----------
    path : Path
        The file.
    settings : dict
        What the library has to be told besides.
    """

    effort = 0

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.settings = settings
        # the path may come to mean another file, when another model is saved there
        self._file = path.open("rb")
        weakref.finalize(self, self._file.close)
        self._reading = threading.Lock()
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    @classmethod
    def in_temporary_file(cls, write: Any, settings: dict[str, Any]) -> Self:
        """Make one of a file that ``write(path)`` writes, and that nobody else sees."""
        folder = Path(tempfile.mkdtemp(prefix="embrec-index-"))
        try:
            write(folder / "index")
            backend = cls(folder / "index", settings)
            if os.name == "nt":  # where what is open cannot go
                weakref.finalize(backend, shutil.rmtree, folder, ignore_errors=True)
        finally:
            if os.name != "nt":
                # what is open stays, also in processes that are forked, until nobody has it open
                shutil.rmtree(folder, ignore_errors=True)
        return backend

    def save(self, path: Path) -> None:
        """Copy the file."""
        with path.open("wb") as copy:
            for part in self._parts():
                copy.write(part)

    def _parts(self) -> Iterator[bytes]:
        """Read the file that was opened, wherever other threads and processes read it."""
        start = 0
        while part := self._read(start):
            yield part
            start += len(part)

    def _read(self, start: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), READ_TOGETHER, start)
        with self._reading:  # on Windows, where processes do not share the place
            self._file.seek(start)
            return self._file.read(READ_TOGETHER)

    def __reduce__(self) -> Any:
        return _unpickle, (type(self), b"".join(self._parts()), self.settings, self.effort)


def _unpickle(
    cls: type[FileBackend], content: bytes, settings: dict[str, Any], effort: int
) -> FileBackend:
    backend = cls.in_temporary_file(lambda path: path.write_bytes(content), settings)
    backend.effort = effort
    return backend
