"""Backends that live in a file: mapped into memory, shared between processes, pickled."""

import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, Self


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
        with self._reading, path.open("wb") as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy)

    def __reduce__(self) -> Any:
        with self._reading:
            self._file.seek(0)
            content = self._file.read()
        return _unpickle, (type(self), content, self.settings, self.effort)


def _unpickle(
    cls: type[FileBackend], content: bytes, settings: dict[str, Any], effort: int
) -> FileBackend:
    backend = cls.in_temporary_file(lambda path: path.write_bytes(content), settings)
    backend.effort = effort
    return backend
