"""A folder with a log and a catalogue in Parquet."""

from pathlib import Path

import pandas as pd

from embrec._utils.optional import import_optional
from embrec.datasets._dataset import Dataset


def load_parquet_pair(
    folder: str | Path,
    *,
    interactions: str = "interactions.parquet",
    items: str = "items.parquet",
    user_col: str = "user",
    item_col: str = "item",
) -> Dataset:
    """Load a log and a catalogue from a folder of two Parquet files.

    Parameters
    ----------
    folder : str or Path
        Folder that holds both files.
    interactions : str, default="interactions.parquet"
        File of the log: one row per interaction.
    items : str, default="items.parquet"
        File of the catalogue: one row per item.
    user_col, item_col : str, default="user", "item"
        Columns that must be there: both in the log, the second in the catalogue.

    Returns
    -------
    Dataset
        ``interactions`` and ``items``, pandas DataFrames with all columns of the files.

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing.
    ValueError
        If a column is missing.
    ImportError
        If pyarrow (extra ``parquet``) is missing.
    """
    import_optional("pyarrow", extra="parquet", purpose="load_parquet_pair")
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}; expected one with {interactions}.")
    log = _read(path / interactions, [user_col, item_col])
    return Dataset(log, _read(path / items, [item_col]))


def _read(path: Path, needed: list[str]) -> pd.DataFrame:
    if not path.is_file():
        found = sorted(file.name for file in path.parent.glob("*.parquet"))
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}; the Parquet files there are {found}."
        )
    table = pd.read_parquet(path)
    missing = [column for column in needed if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path} lacks the columns {missing}; it has {list(table.columns)}. Rename them, or "
            "name yours with user_col= and item_col=."
        )
    return table
