"""A store of interactions is written: a log is spooled, dealt into groups of users, and sorted."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from embrec._utils.files import is_free, write_folder
from embrec._version import __version__
from embrec.data.id_arrays import pack_ids
from embrec.data.interactions import LogColumns
from embrec.data.spool import Spool, StrPath, group_users
from embrec.data.stored_events import EventWriter
from embrec.data.tables import Table

#: Raised when what is written changes so that older code cannot read it.
FORMAT = 2

META, CODES, OFFSETS = "interactions.json", "codes.i32", "offsets.i64"
ITEMS, USERS = "items.safetensors", "users.safetensors"
EVENTS = "events.arrow"
#: What the marker says of the folder.
CLASS = "InteractionStore"


def build(
    tables: Iterable[tuple[str, Table]],
    folder: StrPath,
    columns: LogColumns,
    batch_rows: int,
    overwrite: bool,
) -> Path:
    """Write a store, whole or not at all."""
    if batch_rows < 1:
        raise ValueError(f"batch_rows must be at least 1, got {batch_rows}.")
    folder = Path(folder).resolve()
    _check_target(folder, overwrite)
    write_folder(
        folder,
        partial(_write_all, tables, folder, columns, batch_rows, overwrite),
        marker=META,
        what="store of interactions",
        former=(CODES, OFFSETS, ITEMS, USERS),
    )
    return folder


def _write_all(
    tables: Iterable[tuple[str, Table]],
    folder: Path,
    columns: LogColumns,
    batch_rows: int,
    overwrite: bool,
    new: Path,
) -> dict[str, Any]:
    spool = Spool(new / "spool", columns)
    for what, table in tables:
        spool.append(table, what)
    meta = _write(spool, new, new / "dealt", batch_rows)
    (new / "dealt").unlink()
    for part in new.glob("spool.arrow*"):
        part.unlink()
    _check_target(folder, overwrite)  # others may have had their turn before
    return meta


def _check_target(folder: Path, overwrite: bool) -> None:
    if is_free(folder):
        return
    if not (folder / META).is_file():
        raise FileExistsError(f"{folder} is there and holds no store; choose another path.")
    if not overwrite:
        raise FileExistsError(
            f"{folder} holds a store already; open it, or pass overwrite=True to replace it."
        )


def _write(spool: Spool, folder: Path, dealt: Path, batch_rows: int) -> dict[str, Any]:
    """Write the files of a store, and return what its marker says."""
    if not spool.parts:
        raise ValueError("The log is empty: none of its tables has a row.")
    offsets = spool.count_users()
    offsets.tofile(folder / OFFSETS)
    firsts = group_users(offsets, batch_rows)
    spool.deal(firsts, offsets[firsts], dealt)
    spool.path.unlink()
    writer = None
    if spool.events is not None:
        spool.events.close()
        writer = EventWriter(spool.events, folder / EVENTS)
    with open(dealt, "rb") as source, open(folder / CODES, "wb") as target:
        for n_events in np.diff(offsets[firsts]).tolist():
            events = np.fromfile(source, spool.dtype, n_events)
            times = np.ascontiguousarray(events["time"]).view(spool.time_dtype)
            # stable, and a group holds its events in the order of the rows
            order = np.lexsort((times, events["user"]))
            events["item"][order].tofile(target)
            if writer is not None:
                keys = times[order] if spool.has_times else None
                writer.write(events["row"][order], events["user"][order], keys)
    if writer is not None:
        writer.close()
    for ids, name in ((spool.users, USERS), (spool.items, ITEMS)):
        (folder / name).write_bytes(save(pack_ids(ids.in_order())))
    return {
        "format": FORMAT,
        "embrec_version": __version__,
        "class": CLASS,
        "n_events": int(offsets[-1]),
        "n_items": len(spool.items),
    }
