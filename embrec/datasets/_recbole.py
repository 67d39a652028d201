"""RecBole's atomic files: tables whose header says names and types."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table, to_float

LOADER = "load_recbole"
TYPES = ("token", "token_seq", "float", "float_seq")


def load_recbole(
    folder: str | Path,
    name: str | None = None,
    *,
    user_field: str = "user_id",
    item_field: str = "item_id",
    time_field: str | None = "timestamp",
    field_separator: str = "\t",
) -> Dataset:
    """Load any data set in RecBole's atomic files.

    Reads ``<name>.inter`` and, if it is there, ``<name>.item``. Quotation marks are part of the
    text, since RecBole's own converters write none around values.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.
    name : str, optional
        What the files are called, without ``.inter``. As in RecBole, the name of the folder if it
        is left out.
    user_field, item_field : str, default="user_id", "item_id"
        As RecBole's ``USER_ID_FIELD`` and ``ITEM_ID_FIELD``: some data sets have ``session_id``.
    time_field : str or None, default="timestamp"
        As RecBole's ``TIME_FIELD``. None if the file has none; rows then stand in order.
    field_separator : str, default a tab
        As RecBole's parameter of this name.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64 if all times
          are whole numbers, else float64; the unit is the data set's own, mostly seconds since
          1970) and all other fields of the file by their names.
        - ``items``: DataFrame with column item and all other fields of the file by their names.
        - ``n_malformed``: dict of file name to the number of rows without an id or time; a warning
          names the first of them.

        Fields of type float are float64. Those of types token, token_seq and float_seq are str, as
        they stand in the file, missing where empty.

    Raises
    ------
    FileNotFoundError
        If ``<name>.inter`` is missing.
    ValueError
        If a header has no types, a type that RecBole lacks, or not the fields that were named.

    References
    ----------
    W. X. Zhao et al., "RecBole: Towards a Unified, Comprehensive and Efficient Framework for
    Recommendation Algorithms", CIKM 2021; the layout is that of RecBole 1.2.1,
    docs/source/user_guide/data/atomic_files.rst.
    """
    folder = Path(folder)
    name = folder.resolve().name if name is None else name
    path = find_file(folder, [f"{name}.inter"], LOADER)
    names = {user_field: "user", item_field: "item"}
    if time_field is not None:
        names[time_field] = "timestamp"
    bad = [Malformed(path)]
    log = _read(path, names, field_separator, bad[0])
    item_paths = [p for p in (folder / f"{name}.item.gz", folder / f"{name}.item") if p.is_file()]
    items = log[["item"]].drop_duplicates()
    if item_paths:
        bad.append(Malformed(item_paths[0]))
        items = _read(item_paths[0], {item_field: "item"}, field_separator, bad[1])
    return make_dataset(log, items, bad)


def _read(path: Path, names: dict[str, str], sep: str, malformed: Malformed) -> pd.DataFrame:
    table = read_table(path, [], loader=LOADER, sep=sep, quoted=False)
    types = _types(path, table.columns, names, sep)
    table.columns = pd.Index(types).map(lambda field: names.get(field, field))
    if table.columns.has_duplicates:
        raise ValueError(f"{path}: fields {list(types)} would have one name as {names}.")
    ids = [column for column in ("user", "item") if column in names.values()]
    has_time = "timestamp" in names.values()
    table = keep_valid(table, malformed, ids=ids, real=["timestamp"] if has_time else [])
    if has_time and (table["timestamp"] % 1 == 0).all():
        table["timestamp"] = table["timestamp"].astype("int64")
    for field, kind in types.items():
        column = names.get(field, field)
        if column in ("user", "item", "timestamp") and field in names:
            continue
        table[column] = (
            to_float(table, column, path)
            if kind == "float"
            else table[column].mask(table[column] == "")
        )
    ids += ["timestamp"] if has_time else []
    return table[[*ids, *table.columns.difference(ids, sort=False)]]


def _types(path: Path, header: Sequence[str], names: dict[str, str], sep: str) -> dict[str, str]:
    """Type of each field."""
    types = {field.rpartition(":")[0]: field.rpartition(":")[2] for field in header}
    # a colon in a name: the fields were not told apart
    if any(not f or ":" in f or kind not in TYPES for f, kind in types.items()):
        raise ValueError(
            f"{path} has the header {list(header)}; expected name:type with {sep!r} "
            f"between, the types being {list(TYPES)}. Name another separator by field_separator=."
        )
    missing = [field for field in names if field not in types]
    if missing:
        raise ValueError(
            f"{path} lacks the fields {missing}; it has {list(types)}. Name yours with "
            "user_field=, item_field= and time_field= (None if there is no time)."
        )
    return types
