"""Vectors on disk, found again by the hash of what they describe."""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
from sklearn.utils.validation import check_memory

from embrec._utils.warn import warn
from embrec.data.memmaps import ROWS_AT_A_TIME

#: Length of a hash; two of a billion contents agree by chance once in 10**20 times.
KEY_BYTES = 16
KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")
#: At least so many bytes of results are kept to be mapped again, and so many results.
BLOCK_BYTES = 2**30
N_BLOCKS = 32
#: After so many seconds, what has no name yet is what a killed process left.
LEFTOVER_AGE = 2 * 24 * 3600
#: With more of them the small ones are merged.
MAX_SEGMENTS = 32
#: A segment that another process merges away while it is read is looked for again.
N_TRIES = 8
#: Seconds before it is looked for again, the first time.
PAUSE = 0.002

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Segment:
    """Some vectors, by key: two files, written once, read through memory maps."""

    path: Path
    keys: np.ndarray
    vectors: np.ndarray

    @classmethod
    def open(cls, path: Path) -> Self:
        try:
            keys = np.load(path / "keys.npy", mmap_mode="r")
            vectors = np.load(path / "vectors.npy", mmap_mode="r")
        except (EOFError, ValueError) as error:
            raise _DamagedSegment(path) from error
        if len(keys) != len(vectors):
            raise _DamagedSegment(path)
        return cls(path, keys, vectors)

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Find rows of keys, -1 where it lacks them; only a few pages of the file are read."""
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)


class _DamagedSegment(Exception):
    """A segment that was not written to its end, as when the power fails."""


class VectorStore:
    """Vectors of contents, in a folder that several processes may use at once.

    Parameters
    ----------
    folder : Path
        Is made if it is not there.
    n_features : int
        Length of the vectors.
    mapped : bool
        Whether `read` returns a memory map.

    Notes
    -----
    What is added becomes a segment of its own: vectors and their sorted keys. So adding ten
    vectors to a million writes ten, and finding ten reads a few pages.
    """

    def __init__(self, folder: Path, n_features: int, *, mapped: bool = False) -> None:
        self.folder = folder
        self.n_features = n_features
        self.mapped = mapped
        for name in ("segments", "blocks"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @classmethod
    def open(cls, memory: Any, name: str, n_features: int) -> "VectorStore | None":
        """Open the store that a ``memory`` parameter means.

        Parameters
        ----------
        memory : str, path-like or joblib.Memory
            Where, and whether memory-mapped.
        name : str
            What tells these vectors from others in the same place.
        n_features : int

        Returns
        -------
        VectorStore or None
            None for a Memory without a location, which stores nothing.
        """
        if hasattr(memory, "__fspath__"):
            memory = os.fspath(memory)
        if isinstance(memory, str) and Path(memory).is_file():
            raise NotADirectoryError(f"memory={memory!r} is a file; pass a folder.")
        memory = check_memory(memory)
        if memory.location is None:
            return None
        folder = Path(memory.location) / "embrec" / name
        return cls(folder, n_features, mapped=memory.mmap_mode is not None)

    def contains(self, keys: np.ndarray) -> np.ndarray:
        """Tell which keys are there: (n,) bool."""
        found = np.zeros(len(keys), dtype=bool)
        for segment in self._segments():
            found |= segment.places(keys) >= 0
        return found

    def add(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """Write vectors, all or none of them.

        Parameters
        ----------
        keys : ndarray of shape (n,), KEY_DTYPE
            Sorted and unique.
        vectors : ndarray of shape (n, n_features), float32
            Finite.
        """
        if not len(keys):
            return
        stored = _as_stored(vectors)
        self._write_segment(keys, [stored], stored.dtype)
        segments = self._segments()
        if len(segments) > MAX_SEGMENTS:
            self._merge(sorted(segments, key=lambda segment: len(segment.keys))[:-1])

    def read(self, keys: np.ndarray, *, writable: bool = False) -> np.ndarray:
        """Return the vectors of keys that are there.

        Parameters
        ----------
        keys : ndarray of shape (n,), KEY_DTYPE
        writable : bool, default=False
            Whether a memory map may be written to, which changes no file.

        Returns
        -------
        ndarray of shape (n, n_features), float32
            If the store is mapped, a memory map, of float16 if that holds all values as well as it
            holds any.
        """
        if not self.mapped:
            vectors = np.empty((len(keys), self.n_features), dtype=np.float32)
            self._again(lambda segments: _gather(segments, keys, vectors))
            return vectors
        name = blake2b(keys.tobytes(), digest_size=16).hexdigest()
        path = self.folder / "blocks" / f"{name}.npy"
        mode: Literal["r", "c"] = "c" if writable else "r"
        return self._again(lambda segments: self._block(segments, keys, path, mode))

    def _block(
        self, segments: list[_Segment], keys: np.ndarray, path: Path, mode: Literal["r", "c"]
    ) -> np.ndarray:
        if path.exists():
            # in use: its time of access, which the system may not keep
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        else:
            self._write_block(segments, keys, path)
            self._forget_blocks(path)
        block: np.ndarray = np.load(path, mmap_mode=mode)
        return block

    def _segments(self) -> list[_Segment]:
        return self._again(lambda segments: segments)

    def _again(self, use: Callable[[list[_Segment]], _T]) -> _T:
        for n in range(N_TRIES - 1):
            try:
                return use(self._open_segments())
            except FileNotFoundError:  # merged meanwhile
                time.sleep(PAUSE * 2**n)
        return use(self._open_segments())

    def _open_segments(self) -> list[_Segment]:
        paths = (self.folder / "segments").iterdir()
        segments = []
        for path in sorted(paths):
            if path.name.startswith("."):
                continue
            try:
                segments.append(_Segment.open(path))
            except _DamagedSegment:
                _hide(path)
                warn(f"{path} is damaged and was removed; what it held is computed again.")
        return segments

    def _write_segment(
        self, keys: np.ndarray, vectors: Iterable[np.ndarray], dtype: np.dtype
    ) -> None:
        segments = self.folder / "segments"
        staging = segments / f".{uuid.uuid4().hex}"
        staging.mkdir()
        try:
            _write_rows(staging / "keys.npy", [keys], keys.dtype, keys.shape)
            shape = (len(keys), self.n_features)
            _write_rows(staging / "vectors.npy", vectors, dtype, shape)
            os.rename(staging, segments / uuid.uuid4().hex)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _write_block(self, segments: list[_Segment], keys: np.ndarray, path: Path) -> None:
        # the segments may go away, but what is open stays
        dtype = np.result_type(*(segment.vectors.dtype for segment in segments))
        staging = path.with_name(f".{uuid.uuid4().hex}")
        try:
            rows = self._rows(segments, keys, dtype)
            _write_rows(staging, rows, dtype, (len(keys), self.n_features))
            os.replace(staging, path)
        except BaseException:
            staging.unlink(missing_ok=True)
            raise

    def _rows(
        self, segments: Sequence[_Segment], keys: np.ndarray, dtype: np.dtype
    ) -> Iterator[np.ndarray]:
        """Yield the vectors of keys, some rows at a time."""
        for start in range(0, len(keys), ROWS_AT_A_TIME):
            part = keys[start : start + ROWS_AT_A_TIME]
            rows = np.empty((len(part), self.n_features), dtype=dtype)
            _gather(segments, part, rows)
            yield rows

    def _merge(self, segments: Sequence[_Segment]) -> None:
        keys = np.unique(np.concatenate([segment.keys for segment in segments]))
        dtype = np.result_type(*(segment.vectors.dtype for segment in segments))
        self._write_segment(keys, self._rows(segments, keys, dtype), dtype)
        for segment in segments:
            _hide(segment.path)
        _remove_leftovers(self.folder / "segments")

    def _forget_blocks(self, newest: Path) -> None:
        """Remove blocks that were not asked for in a long time; those that are mapped live on."""
        _remove_leftovers(newest.parent)
        budget = max(BLOCK_BYTES, N_BLOCKS * newest.stat().st_size)
        with suppress(FileNotFoundError):  # another process does the same
            files = [(path, path.stat()) for path in newest.parent.glob("*.npy")]
            for path, status in sorted(files, key=lambda file: -file[1].st_atime_ns):
                budget -= status.st_size
                if budget < 0 and path != newest:
                    with suppress(OSError):  # Windows keeps what is open
                        path.unlink()


def _as_stored(vectors: np.ndarray) -> np.ndarray:
    """Take float16 if that holds no value worse than others: none is too large or too small."""
    with np.errstate(over="ignore"):
        half = vectors.astype(np.float16)
    loss = np.abs(half - vectors)  # of float32
    return half if (loss <= np.abs(vectors) * np.float32(2**-11)).all() else vectors


def _hide(path: Path) -> None:
    """Remove a folder, out of sight at once; another process may have been faster."""
    hidden = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(OSError):
        os.rename(path, hidden)
        os.utime(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed have left half written."""
    for path in folder.glob(".*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _write_rows(
    path: Path, parts: Iterable[np.ndarray], dtype: np.dtype, shape: tuple[int, ...]
) -> None:
    """Write a npy file; it is on the disk afterwards, even if the power fails.

    Not through a memory map: a full disk would kill the process, rather than raise.
    """
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part).data)
        file.flush()
        os.fsync(file.fileno())


def _gather(segments: Sequence[_Segment], keys: np.ndarray, out: np.ndarray) -> None:
    missing = np.ones(len(keys), dtype=bool)
    for segment in segments:
        places = segment.places(keys)
        here = missing & (places >= 0)
        # in the order of the file, which is read from disk
        rows = np.flatnonzero(here)[np.argsort(places[here])]
        out[rows] = segment.vectors[places[rows]]
        missing &= ~here
    if missing.any():
        raise FileNotFoundError(f"{int(missing.sum())} vectors are not in the store any more.")
