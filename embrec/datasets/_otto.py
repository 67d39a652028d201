"""OTTO: sessions of clicks, carts and orders, as JSON lines."""

from array import array
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed, parse_dict, read_records
from embrec.datasets._releases import check_record, find_file
from embrec.datasets._tables import make_dataset

LOADER = "load_otto"
TYPES = ("clicks", "carts", "orders")

Session = tuple[int, list[int], list[int], list[int]]


def load_otto(folder_or_file: str | Path) -> Dataset:
    """Load sessions of the OTTO data set.

    Parameters
    ----------
    folder_or_file : str or Path
        Folder that holds ``train.jsonl`` or ``otto-recsys-train.jsonl``; or a file of such lines,
        such as the test part.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user (the session, str), item (the ``aid``, str),
          timestamp (int64, milliseconds since 1970) and event (str: "clicks", "carts" or
          "orders"), one row per event, in the order of the file.
        - ``items``: DataFrame with column item; nothing else is known of them.
        - ``n_malformed``: dict of file name to the number of lines that are no session, or hold an
          event that is none; a warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If the file is missing; says which function reads what is there.
    ValueError
        If no line is a session, or the file is damaged; of other records, says which function
        reads them.

    References
    ----------
    P. Normann, S. Baumeister, T. Wilm, "OTTO Recommender Systems Dataset" (2022); the layout is
    that of github.com/otto-de/recsys-dataset, README.md. Its time stamps are milliseconds.
    """
    path = Path(folder_or_file)
    if not path.is_file():
        path = find_file(path, ["train.jsonl", "otto-recsys-train.jsonl"], LOADER)
    check_record(path, ["session", "events"], LOADER)
    malformed = Malformed(path)
    sessions, lengths, items, times, kinds = (array("q") for _ in range(5))
    for session, aids, ts, codes in read_records(path, _session, malformed):
        sessions.append(session)
        lengths.append(len(aids))
        items.extend(aids)
        times.extend(ts)
        kinds.extend(codes)
    log = pd.DataFrame(
        {
            "user": np.repeat(np.array(sessions), np.array(lengths)).astype(str),
            "item": np.array(items).astype(str),
            "timestamp": np.array(times, dtype=np.int64),
            "event": np.array(TYPES)[np.array(kinds, dtype=np.int64)],
        }
    )
    return make_dataset(log, log[["item"]].drop_duplicates(), [malformed])


def _session(line: str) -> Session | None:
    record = parse_dict(line) or {}
    session, events = record.get("session"), record.get("events")
    if not _is_id(session) or not isinstance(events, list):
        return None
    if not all(isinstance(event, dict) and _is_event(event) for event in events):
        return None
    return (
        session,
        [event["aid"] for event in events],
        [event["ts"] for event in events],
        [TYPES.index(event["type"]) for event in events],
    )


def _is_event(event: dict[str, Any]) -> bool:
    return _is_id(event.get("aid")) and _is_id(event.get("ts")) and event.get("type") in TYPES


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
