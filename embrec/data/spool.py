"""Events on their way to a store: read, spooled to disk as codes, dealt into groups of users."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd

from embrec._utils.optional import import_optional
from embrec.data.ids import check_ids, preview, short_repr
from embrec.data.interactions import DEFAULT_TIMESTAMP_COL, LogColumns, warn_of_unused_times
from embrec.data.stored_events import EventSpool
from embrec.data.tables import (
    N_LOOKED_AT,
    Table,
    check_table,
    column_values,
    get_column,
    is_table,
    sort_keys,
    with_known_zone,
)

EVENT = np.dtype([("user", "<i4"), ("item", "<i4"), ("time", "<i8")])
#: The same with its number, where there are columns that are put in order by it.
NUMBERED_EVENT = np.dtype([*EVENT.descr, ("row", "<i8")])

StrPath: TypeAlias = str | os.PathLike[str]

_HINT = "Name the columns of your log with user_col=, item_col= and timestamp_col=."


def list_files(source: StrPath | Sequence[StrPath]) -> list[Path]:
    """Find the Parquet files that ``source`` names, as `InteractionStore.from_parquet` says."""
    if is_table(source):
        raise TypeError("source: expected paths of Parquet files; pass tables to from_tables.")
    paths = [Path(p) for p in ([source] if isinstance(source, (str, os.PathLike)) else source)]
    if not paths:
        raise ValueError("source is empty: expected paths of Parquet files.")
    files = []
    for path in paths:
        found = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        # other tools leave files such as _temporary/x.parquet and .x.parquet beside the data
        found = [f for f in found if f.is_file() and not _is_hidden(f.relative_to(path))]
        if not found:
            raise FileNotFoundError(f"source: there is no Parquet file at {path}.")
        files += found
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def read_parquet(
    files: list[Path], columns: LogColumns, batch_rows: int
) -> Iterator[tuple[str, Table]]:
    """Yield what there is to read in batches of rows, each with a name for error messages."""
    purpose = "InteractionStore.from_parquet"
    pa = import_optional("pyarrow", extra="parquet", purpose=purpose)
    pq = import_optional("pyarrow.parquet", extra="parquet", purpose=purpose)
    for path in files:
        try:
            # the default keeps all that was read of a file, compressed, until it is closed
            file = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} could not be read as Parquet: {error}") from error
        with file:
            header = nw.from_native(file.schema_arrow.empty_table(), eager_only=True)
            names = log_column_names(header, columns, str(path))
            wanted = [*names, *event_column_names(header, columns, str(path))]
            if len(names) == 2 and columns.timestamp is not None and path == files[0]:
                # the batches to come lack the columns that are not read
                head = _next_batch(file.iter_batches(N_LOOKED_AT), path, 0)
                if head is not None:
                    first_rows = nw.from_native(pa.Table.from_batches([head]), eager_only=True)
                    warn_of_unused_times(first_rows, columns)
            row = 0
            batches = file.iter_batches(batch_rows, columns=[*dict.fromkeys(wanted)])
            while (batch := _next_batch(batches, path, row)) is not None:
                yield f"{path}[{row}:{row + len(batch)}]", pa.Table.from_batches([batch])
                row += len(batch)


def _next_batch(batches: Iterator[Any], path: Path, row: int) -> Any:
    try:
        return next(batches, None)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged: its rows from {row} on could not be read as Parquet: {error}. "
            "Write it again."
        ) from error


def log_column_names(frame: "nw.DataFrame[Any]", columns: LogColumns, what: str) -> list[str]:
    """Check that the columns are there and name them, user, item and perhaps time."""
    names = [columns.user, columns.item]
    # the default name may be absent, a name of the user's own may not
    if columns.timestamp is not None and (
        columns.timestamp in frame.columns or columns.timestamp != DEFAULT_TIMESTAMP_COL
    ):
        names.append(columns.timestamp)
    for name in names:
        get_column(frame, name, what=what, hint=_HINT)
    return names


def event_column_names(frame: "nw.DataFrame[Any]", columns: LogColumns, what: str) -> list[str]:
    """Name what is kept of events besides user and item: none, or that of times and others."""
    if columns.events is None:
        return []
    times = log_column_names(frame, columns, what)[2:]
    hint = "event_cols= names what a store keeps of events."
    for name in columns.events:
        get_column(frame, name, what=what, hint=hint)
    ids = [name for name in columns.events if name in (columns.user, columns.item)]
    if ids:
        raise ValueError(f"event_cols names {ids}, which are kept as ids. Leave them out.")
    return [*dict.fromkeys([*times, *columns.events])]


def group_users(offsets: np.ndarray, n_events: int) -> np.ndarray:
    """Cut users into groups of at most ``n_events`` or one user: first of each, and how many."""
    firsts = [0]
    while (first := firsts[-1]) < len(offsets) - 1:
        fitting = int(np.searchsorted(offsets, offsets[first] + n_events, side="right")) - 1
        firsts.append(max(fitting, first + 1))
    return np.array(firsts)


class Codes:
    """Codes 0, 1, 2, ... for ids, in order of first appearance."""

    def __init__(self) -> None:
        self._code_of: defaultdict[Any, int] = defaultdict(count().__next__)
        self._dtype: np.dtype[Any] | None = None

    def __len__(self) -> int:
        return len(self._code_of)

    def in_order(self) -> np.ndarray:
        """Ids in the order of their codes, (n_ids,), int64 or object."""
        return np.fromiter(self._code_of, dtype=self._dtype, count=len(self))

    def encode(self, ids: np.ndarray, *, what: str) -> np.ndarray:
        """Return the code of each id, a new one for each that is new, (n,) int64."""
        if self._dtype not in (None, ids.dtype):
            known = short_repr(next(iter(self._code_of)))
            raise TypeError(
                f"{what}: ids must be all strings or all integers; got {preview(ids[:1])} here and "
                f"{known} in the tables before it. Convert one of them."
            )
        self._dtype = ids.dtype
        codes, unique = pd.factorize(ids)
        found = map(self._code_of.__getitem__, unique.tolist())
        return np.fromiter(found, dtype=np.int64, count=len(unique))[codes]


class Spool:
    """Events on disk in the order they came in, ids as codes, times as any 8 bytes.

    Parameters
    ----------
    path : Path
        File to write; what is kept of events besides goes into another one beside it.
    columns : LogColumns
        Names of the columns of the tables to come.
    """

    def __init__(self, path: Path, columns: LogColumns) -> None:
        self.path = path
        self.events: EventSpool | None = None
        self.dtype = EVENT if columns.events is None else NUMBERED_EVENT
        self._n_events = 0
        self.users, self.items = Codes(), Codes()
        #: Number of events of each table, and the dtype of their times.
        self.parts: list[tuple[int, np.dtype[Any]]] = []
        self.time_dtype: np.dtype[Any] = np.dtype(np.int64)
        self._columns = columns
        self._time_kind: Any = None

    def append(self, table: Table, what: str) -> None:
        """Write the events of a table at the end."""
        if is_table(table) and getattr(table, "shape", (1,))[0] == 0:
            return
        frame = check_table(table, what=what)
        names = log_column_names(frame, self._columns, what)
        if not self.parts and len(names) == 2 and self._columns.timestamp is not None:
            warn_of_unused_times(frame, self._columns)
        user_ids, item_ids = (
            check_ids(column_values(frame[name]), what=f"{what}[{name!r}]") for name in names[:2]
        )
        if self._columns.events is not None:
            self._append_events(frame, what)
        events = np.empty(len(frame), dtype=self.dtype)
        events["user"] = self.users.encode(user_ids, what=f"{what}[{names[0]!r}]")
        events["item"] = self.items.encode(item_ids, what=f"{what}[{names[1]!r}]")
        times = self._read_times(frame, names[2:], what)
        events["time"] = times.view(np.int64)
        if self.events is not None:
            events["row"] = np.arange(self._n_events, self._n_events + len(events))
        self._n_events += len(events)
        self.parts.append((len(events), times.dtype))
        with open(self.path, "ab") as file:
            events.tofile(file)

    def _append_events(self, frame: "nw.DataFrame[Any]", what: str) -> None:
        if self.events is None:
            names = event_column_names(frame, self._columns, what)
            self.events = EventSpool(self.path.with_suffix(".arrow"), names)
        event_column_names(frame, self._columns, what)  # says what is missing
        self.events.append(frame, what)

    def _read_times(self, frame: "nw.DataFrame[Any]", names: list[str], what: str) -> np.ndarray:
        """Return the times of a table, 8 bytes each; zeros if the log has none."""
        if not names:
            times, kind = np.zeros(len(frame), dtype=np.int64), "no times"
        else:
            what = f"{what}[{names[0]!r}]"
            times = _widen(sort_keys(frame[names[0]], what=what), what)
            dtype = with_known_zone(frame[names[0]]).dtype
            zone = isinstance(dtype, nw.Datetime) and dtype.time_zone is not None
            kind = _TIME_KINDS[times.dtype.kind] + " with a time zone" * zone
        if not self.parts:
            self.time_dtype, self._time_kind = times.dtype, kind
        if kind != self._time_kind:
            raise TypeError(
                f"{what}: got {kind}, but {self._time_kind} in the tables before it. "
                "Convert one of them, or pass timestamp_col=None to take the order of the rows."
            )
        self.time_dtype = np.result_type(self.time_dtype, times.dtype)
        return times

    def read(self) -> Iterator[np.ndarray]:
        """Events again, table by table, their times of one dtype.

        Raises
        ------
        ValueError
            If the times of some table do not fit that dtype.
        """
        with open(self.path, "rb") as file:
            for n_events, dtype in self.parts:
                events = np.fromfile(file, self.dtype, n_events)
                if dtype != self.time_dtype:
                    times = _convert(events["time"].view(dtype), self.time_dtype)
                    events["time"] = times.view(np.int64)
                yield events

    @property
    def has_times(self) -> bool:
        """Whether events have times, rather than the order of the rows."""
        return self._time_kind != "no times"

    def count_users(self) -> np.ndarray:
        """Where each user's events will begin, shape (n_users + 1,), int64."""
        offsets = np.zeros(len(self.users) + 1, dtype=np.int64)
        for events in self.read():
            users, counts = np.unique(events["user"], return_counts=True)
            offsets[users + 1] += counts
        return np.cumsum(offsets)

    def deal(self, firsts: np.ndarray, starts: np.ndarray, path: Path) -> None:
        """Write events again, group of users after group, the order kept within each.

        Parameters
        ----------
        firsts, starts : ndarray of shape (n_groups + 1,)
            First user of each group, and where its events begin.
        path : Path
            File to write.
        """
        cursors = starts.copy()
        with open(path, "wb") as file:
            for events in self.read():
                groups = np.searchsorted(firsts, events["user"], side="right") - 1
                order = np.argsort(groups, kind="stable")
                present, counts = np.unique(groups, return_counts=True)
                ends = np.cumsum(counts)
                for group, end, n in zip(present, ends, counts, strict=True):
                    file.seek(cursors[group] * self.dtype.itemsize)
                    file.write(events[order[end - n : end]].tobytes())
                cursors[present] += counts


_TIME_KINDS = {"i": "numbers", "u": "numbers", "f": "numbers", "M": "datetimes", "m": "durations"}


def _widen(keys: np.ndarray, what: str) -> np.ndarray:
    """Give sort keys 8 bytes each."""
    kind, dtype = keys.dtype.kind, keys.dtype
    if kind in "iuf" and dtype.itemsize < 8:
        dtype = np.dtype(np.float64 if kind == "f" else np.int64)
    if kind not in _TIME_KINDS or dtype.itemsize != 8:
        raise TypeError(
            f"{what} holds {dtype} values, which a store cannot keep; convert them to "
            "integers or floats of at most 64 bits, or to datetimes."
        )
    return keys.astype(dtype)


def _convert(times: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        converted = times.astype(dtype)
        same = converted.astype(times.dtype) == times  # numpy wraps around what does not fit
    if not same.all():
        raise ValueError(
            f"Times are {times.dtype} in some tables and {dtype} or other in the rest, and "
            f"{times[~same][0]} does not fit {dtype}. Convert all of them to one dtype."
        )
    return converted
