"""Yoochoose: the clicks of the RecSys Challenge 2015."""

from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table, unix_time

LOADER = "load_yoochoose"
CLICKS = ["user", "time", "item", "category"]


def load_yoochoose(folder: str | Path) -> Dataset:
    """Load the clicks of the Yoochoose data set from its unpacked folder.

    Reads ``yoochoose-clicks.dat``: commas, no header.

    Parameters
    ----------
    folder : str or Path
        Folder that holds the file.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user (the session, str), item (str), timestamp
          (int64, milliseconds since 1970) and category (str: where the click was made; "S" a
          special offer, "0" unknown, "1" to "12" a category, else a brand), one row per click, in
          the order of the file.
        - ``items``: DataFrame with column item; nothing else is known of them.
        - ``n_malformed``: dict of file name to the number of rows without an id or time; a warning
          names the first of them.

    Raises
    ------
    FileNotFoundError
        If the file is missing; says which function reads what is there.
    ValueError
        If it has another number of columns, or a header: others have put one there.

    Notes
    -----
    ``yoochoose-buys.dat`` and ``yoochoose-test.dat`` are not read.

    References
    ----------
    D. Ben-Shimon et al., "RecSys Challenge 2015 and the YOOCHOOSE Dataset", RecSys 2015; columns as
    in its dataset-README.txt.
    """
    path = find_file(folder, ["yoochoose-clicks.dat"], LOADER)
    malformed = Malformed(path)
    log = read_table(path, CLICKS, loader=LOADER, header=False, quoted=False)
    log["timestamp"] = unix_time(log["time"], "ISO8601", "ms")
    if len(log) and log["timestamp"].iloc[0] == "":
        raise ValueError(
            f"{path} begins with {log[CLICKS].iloc[0].tolist()}; {LOADER} expects no header, and "
            "session, time (2014-04-07T10:51:09.277Z), item and category. Take the published file."
        )
    log = keep_valid(
        log, malformed, ids=["user", "item", "timestamp"], whole=["timestamp"], first_line=1
    )
    items = pd.DataFrame({"item": log["item"].drop_duplicates()})
    return make_dataset(log[["user", "item", "timestamp", "category"]], items, [malformed])
