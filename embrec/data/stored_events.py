"""What a log on disk says of its events: an Arrow file, of which rows are read when needed."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from embrec._utils.files import checksum
from embrec._utils.optional import import_optional
from embrec.data.events import GAP, as_seconds, check_gap

_PURPOSE = "InteractionStore with event_cols"


class StoredEvents:
    """Rows of columns on disk, as pandas DataFrames.

    Parameters
    ----------
    path : Path
        What an `EventWriter` wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _table(self) -> Any:
        pa = import_optional("pyarrow", extra="parquet", purpose=_PURPOSE)
        try:
            return pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()
        except FileNotFoundError as error:
            raise ValueError(
                f"{self._path} is gone: its store was replaced by another one while this one was "
                "open. Open it again, and go on with that."
            ) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def check(self) -> None:
        """Read all of it, and raise a ValueError unless it is a table that can be used."""
        pa = import_optional("pyarrow", extra="parquet", purpose=_PURPOSE)
        try:
            self._table.validate(full=True)
        except (pa.ArrowException, ValueError) as error:  # names that are no UTF-8
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ValueError:
        return ValueError(
            f"{self._path} is damaged: it is no table of Arrow's ({error}). Build its store again."
        )

    def digest(self) -> str:
        """Hash the file: what its store's marker says of it, unless it was damaged."""
        found = checksum()
        with self._path.open("rb") as file:
            while block := file.read(2**24):
                found.update(block)
        return found.hexdigest()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, rows: Any) -> Any:
        """Read a slice, or rows by number: a DataFrame."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._table.slice(start, stop - start).to_pandas()
        return self._table.take(rows).to_pandas()

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path}


class EventSpool:
    """Columns of a log, on disk in the order they came in.

    Parameters
    ----------
    path : Path
        Files to write have its name, and a number at its end: more than one if columns turn out to
        be wider.
    columns : list of str
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        check_gap(columns)
        self._pa = import_optional("pyarrow", extra="parquet", purpose=_PURPOSE)
        self._path = path
        self._columns = list(columns)
        self._schema: Any = None
        self._writer: Any = None
        self._paths: list[Path] = []

    def append(self, frame: "nw.DataFrame[Any]", what: str) -> None:
        """Write the rows of a table at the end.

        Raises
        ------
        TypeError
            If a column is of another kind than in the tables before. Numbers may become wider, and
            nothing at all may become anything.
        """
        pa = self._pa
        try:
            table = _without_codes(pa, frame.select(self._columns).to_arrow().select(self._columns))
        except (pa.ArrowException, TypeError) as error:
            raise TypeError(
                f"{what}: a store cannot keep its columns {self._columns}: {error}. Convert them "
                "to numbers, text or times, or leave them out of event_cols."
            ) from error
        table = table.replace_schema_metadata(None)
        try:
            schema = self._widened(table.schema)
            table = table.cast(schema)
        except pa.ArrowException as error:
            raise TypeError(
                f"{what}: its columns are {_kinds(table.schema)}, and those of the tables before "
                f"it {_kinds(self._schema)}: {error}. Convert them to one kind."
            ) from error
        if schema != self._schema:
            self.close()
            self._schema = schema
            self._paths.append(self._path.with_name(f"{self._path.name}{len(self._paths)}"))
            self._writer = pa.ipc.new_file(str(self._paths[-1]), schema)
        self._writer.write_table(table)

    def _widened(self, schema: Any) -> Any:
        pa = self._pa
        if self._schema is None:
            return schema
        found = pa.unify_schemas([self._schema, schema], promote_options="permissive")
        for field in (*self._schema, *schema):  # it makes text bytes, and float32 of decimals
            if _sort(pa, field.type) not in (None, _sort(pa, found.field(field.name).type)):
                raise pa.ArrowTypeError(f"{field.name!r} is of two sorts")
        return found

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()

    def read(self) -> Any:
        """Map what was written: an Arrow table. What was narrower is in memory.

        Raises
        ------
        TypeError
            If something does not fit into what its column has become.
        """
        pa = self._pa
        parts = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in self._paths]
        try:
            return pa.concat_tables([part.cast(self._schema) for part in parts])
        except pa.ArrowInvalid as error:
            raise TypeError(
                f"The first tables have columns of {_kinds(parts[0].schema)}, later ones of "
                f"{_kinds(self._schema)}: {error}. Convert them to one kind."
            ) from error


class EventWriter:
    """Writes the rows of a spool again, in another order, with the gaps before them.

    Parameters
    ----------
    spool : EventSpool
        Closed.
    path : Path
        File to write.
    """

    def __init__(self, spool: EventSpool, path: Path) -> None:
        self._pa = import_optional("pyarrow", extra="parquet", purpose=_PURPOSE)
        self._table = spool.read()
        gap = self._pa.field(GAP, self._pa.float64())
        self._writer = self._pa.ipc.new_file(str(path), self._table.schema.append(gap))

    def write(self, rows: np.ndarray, users: np.ndarray, times: np.ndarray | None) -> None:
        """Write rows that follow each other, of whole users; times are sort keys."""
        gaps = np.full(len(rows), np.nan)
        if times is not None:
            seconds = as_seconds(times)
            gaps[1:] = np.where(users[1:] == users[:-1], np.diff(seconds), np.nan)
        part = self._table.take(self._pa.array(rows))
        self._writer.write_table(part.append_column(GAP, self._pa.array(gaps)))

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()


def _sort(pa: Any, kind: Any) -> str | None:
    """Say what sort of things a column holds; None if it is empty."""
    if pa.types.is_null(kind):
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numbers"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "times" if pa.types.is_timestamp(kind) else str(kind)


def _kinds(schema: Any) -> dict[str, str]:
    return dict(zip(schema.names, map(str, schema.types), strict=True))


def _without_codes(pa: Any, table: Any) -> Any:
    """Write out the values of columns that are codes: files have one dictionary for all parts."""
    for number, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = table.column(number).cast(field.type.value_type)
            table = table.set_column(number, field.name, values)
    return table
