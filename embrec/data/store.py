"""Interactions on disk, for logs larger than memory: built once, mapped from then on.

A build never has more than a bounded number of events in memory: tables are spooled to disk as
codes, the spool is dealt into groups of users, each group is sorted by time.
"""

import operator
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from embrec._utils.files import (
    check_version,
    checksum,
    read_folder,
)
from embrec._version import __version__
from embrec.data.building import CODES, EVENTS, FORMAT, ITEMS, META, OFFSETS, USERS, build
from embrec.data.events import Events
from embrec.data.id_arrays import unpack_ids
from embrec.data.interactions import DEFAULT_TIMESTAMP_COL, LogColumns
from embrec.data.memmaps import release, row_blocks
from embrec.data.ragged import Ragged
from embrec.data.spool import StrPath, list_files, read_parquet
from embrec.data.stored_events import StoredEvents
from embrec.data.tables import Table, is_table

#: Events that are checked at a time.
CHECKED_TOGETHER = 2**22


class InteractionStore:
    """Interactions on disk: one sequence of item codes per user, in memory-mapped arrays.

    Build one with `from_parquet` or `from_tables`; open it again with `open`. Users and their
    events stand as `embrec.data.interactions.read_sequences` orders them: users in order of first
    appearance, each one's events by time, those of equal time in the order of the rows. Pickling
    keeps the path alone.

    Parameters
    ----------
    folder : path
        Where a store was built.

    Attributes
    ----------
    folder : Path
    n_events, n_items : int
    codes : memmap of shape (n_events,), int32
        Positions in `ids`, user after user.
    offsets : memmap of shape (n_users + 1,), int64
        Where each user's events begin in ``codes``.
    events : StoredEvents or None
        What was kept of events besides user and item, in the order of ``codes``.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds no store, a damaged one, or one of a newer format. When ids are first read
        also if the folder was replaced since.
    """

    def __init__(self, folder: StrPath) -> None:
        self.folder = Path(folder).resolve()
        _check_marker(self.folder)
        read_folder(self.folder, self._open, marker=META)

    def _open(self, meta: dict[str, Any]) -> None:
        files = _checked_files(self.folder, meta)
        self._meta = meta
        try:
            self.n_events: int = operator.index(meta["n_events"])
            self.n_items: int = operator.index(meta["n_items"])
            # a map keeps its file when that is removed
            self.codes = np.memmap(files / CODES, dtype="<i4", mode="r")
            self.offsets = np.memmap(files / OFFSETS, dtype="<i8", mode="r")
            kept = EVENTS in meta.get("files", {})
            self.events = StoredEvents(files / EVENTS) if kept else None
        except (LookupError, TypeError, ValueError) as error:
            raise _damaged(self.folder, error) from error

    @classmethod
    def open(cls, folder: StrPath) -> "InteractionStore":
        """Open the store in a folder: ``InteractionStore(folder)`` under a clearer name.

        Parameters
        ----------
        folder : path

        Returns
        -------
        InteractionStore
        """
        return cls(folder)

    @classmethod
    def from_parquet(
        cls,
        source: StrPath | Sequence[StrPath],
        folder: StrPath,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = DEFAULT_TIMESTAMP_COL,
        event_cols: Sequence[str] | None = None,
        batch_rows: int = 2**20,
        overwrite: bool = False,
    ) -> "InteractionStore":
        """Build a store from Parquet files, a batch of rows at a time.

        Parameters
        ----------
        source : path or list of paths
            A Parquet file, a folder of ``*.parquet`` files (read in order of their paths, without
            names that begin with ``_`` or ``.``), or several of these, read in the order given.
        folder, user_col, item_col, timestamp_col, event_cols, batch_rows, overwrite
            As in `from_tables`.

        Returns
        -------
        InteractionStore

        Raises
        ------
        FileNotFoundError
            If there is nothing to read.
        FileExistsError, ValueError, TypeError
            As in `from_tables`; ValueError also if a file is not Parquet.
        """
        columns = LogColumns(user_col, item_col, timestamp_col, _checked_names(event_cols))
        tables = read_parquet(list_files(source), columns, batch_rows)
        return cls(build(tables, folder, columns, batch_rows, overwrite))

    @classmethod
    def from_tables(
        cls,
        tables: Iterable[Table],
        folder: StrPath,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = DEFAULT_TIMESTAMP_COL,
        event_cols: Sequence[str] | None = None,
        batch_rows: int = 2**20,
        overwrite: bool = False,
    ) -> "InteractionStore":
        """Build a store from tables that are parts of one log.

        In memory are one table, ``batch_rows`` events (more if one user has more) and every user
        and item id, once. On disk the build needs 32 bytes per event beside the folder. It is
        written whole or not at all; what a build leaves that is killed, the next one removes. Two
        builds of one folder wait for each other (not on Windows).

        Parameters
        ----------
        tables : iterable of tables
            pandas or polars DataFrames or pyarrow Tables, of one row per interaction; a generator
            need not hold more than one. Tables without rows are skipped.
        folder : path
            Where to put the store. It must not exist, or be empty, or see ``overwrite``.
        user_col, item_col, timestamp_col : str
            Names of the columns. Without the default time column, or with ``timestamp_col=None``,
            rows are taken to be in order of time.
        event_cols : list of str, optional
            Other columns to keep, for ``event_featurizer``; the times are kept too then. None keeps
            neither. Needs pyarrow (extra ``parquet``).
        batch_rows : int, default=2**20
            Number of events in memory at a time.
        overwrite : bool, default=False
            Replace the folder if it holds a store.

        Returns
        -------
        InteractionStore

        Raises
        ------
        FileExistsError
            If there is something at ``folder`` that must not be replaced.
        ValueError, TypeError
            If there are no events, a column is missing from a table, or ids or times are missing,
            of a kind that embrec does not take, or of another kind than in the tables before.
        """
        columns = LogColumns(user_col, item_col, timestamp_col, _checked_names(event_cols))
        parts = [tables] if is_table(tables) else tables
        named = ((f"tables[{i}]", table) for i, table in enumerate(parts))
        return cls(build(named, folder, columns, batch_rows, overwrite))

    @cached_property
    def ids(self) -> np.ndarray:
        """Item id of each code, in order of first appearance: (n_items,), int64 or object (str)."""
        return self._read_ids(ITEMS, self.n_items)

    @cached_property
    def users(self) -> np.ndarray:
        """User id of each sequence, (n_users,), int64 or object (str)."""
        return self._read_ids(USERS, len(self.offsets) - 1)

    def _read_ids(self, name: str, n: int) -> np.ndarray:
        try:
            ids = unpack_ids(load_file(_files_of(self.folder, self._meta) / name))
            if len(ids) != n:
                raise ValueError(f"{name} holds {len(ids)} ids, expected {n}")
            return ids
        except FileNotFoundError as error:
            raise ValueError(
                f"{self.folder} was replaced by another store while this one was open. Open it "
                "again, and go on with that."
            ) from error
        except Exception as error:  # whatever the library raises that reads it
            raise _damaged(self.folder, error) from error

    def check(self) -> None:
        """Read all events, and see that they are as they were written; `fit` does so too.

        Opening a store looks at the rest: sizes, offsets and ids, and the beginning of the events.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        counts, found = np.diff(self.offsets), checksum()
        is_whole = len(self.codes) == counts.sum() == self.n_events and bool((counts > 0).all())
        for _, codes in row_blocks(self.codes, CHECKED_TOGETHER):
            found.update(codes)
            is_whole &= bool(codes.min() >= 0 and codes.max() < self.n_items)
            release(codes)
        if self._meta["format"] > 1:  # which had none
            is_whole &= found.hexdigest() == self._meta["files"][CODES]["blake2b"]
        if self.events is not None:
            is_whole &= self.events.digest() == self._meta["files"][EVENTS]["blake2b"]
        if is_whole and self.events is not None:
            self.events.check()
            is_whole = len(self.events) == self.n_events
        if not is_whole:
            raise ValueError(
                f"{self.folder} is damaged: its events are not what was written. Build it again."
            )

    def sequences(self) -> Ragged:
        """Item codes as one row per user, still on disk: nothing is copied."""
        events = None if self.events is None else Events(table=self.events)
        visitors = None if events is None else events.take(np.asarray(self.offsets[:-1]))
        return Ragged(self.codes, self.offsets, events=events, visitors=visitors)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        counts = f"n_users={len(self)}, n_items={self.n_items}, n_events={self.n_events}"
        return f"{type(self).__name__}({str(self.folder)!r}, {counts})"

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (str(self.folder),)


def _check_marker(folder: Path) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"There is no {folder} to open as a store of interactions.")
    if not (folder / META).is_file():
        raise ValueError(
            f"{folder} holds no store of interactions: there is no {META} in it. Build one with "
            "InteractionStore.from_parquet."
        )


def _checked_names(event_cols: Any) -> tuple[str, ...] | None:
    if event_cols is None:
        return None
    is_one = isinstance(event_cols, str) or not isinstance(event_cols, Iterable)
    names = (event_cols,) if is_one else tuple(event_cols)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"event_cols must be a list of names of columns; got {event_cols!r}.")
    return names


def _damaged(folder: Path, error: Exception) -> ValueError:
    what = f"{type(error).__name__}: {error}"
    return ValueError(f"{folder} is damaged: its files do not fit together ({what}).")


def _files_of(folder: Path, meta: dict[str, Any]) -> Path:
    return folder / meta.get("folder", "")  # format 1 kept all in one


def _checked_files(folder: Path, meta: dict[str, Any]) -> Path:
    if meta.get("class") != InteractionStore.__name__:
        raise ValueError(
            f"{folder} holds no store of interactions: its {META} is damaged or of something else. "
            "Build one with InteractionStore.from_parquet."
        )
    if meta["format"] > FORMAT:
        raise ValueError(
            f"{folder} was written by embrec {meta.get('embrec_version')} in format "
            f"{meta['format']}; "
            f"this is embrec {__version__}, which reads formats up to {FORMAT}. Upgrade it."
        )
    if meta["format"] > 1:
        return check_version(folder, meta, mapped=(CODES, EVENTS))
    sizes = meta.get("bytes")
    if not isinstance(sizes, dict) or not {CODES, OFFSETS} <= set(sizes):
        raise ValueError(f"{folder} is damaged: its {META} names no files. Build it again.")
    for name, expected in sizes.items():
        file = folder / name
        got = f"{file.stat().st_size} bytes" if file.is_file() else "missing"
        if got != f"{expected} bytes":
            raise ValueError(
                f"{folder} is damaged: {name} is {got}, expected {expected} bytes. Build it again."
            )
    return folder


# ---- building
