"""Small logs, drawn by hypothesis, and the tables that they may be in."""

import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

#: From a pandas DataFrame to each kind of table.
KINDS = {
    "pandas": lambda log: log,
    "polars": pl.from_pandas,
    "pyarrow": lambda log: pa.Table.from_pandas(log, preserve_index=False),
}


def log_of(rows):
    """A log of (user, item, timestamp), with a column that numbers the rows and an odd index."""
    log = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    log["row"] = range(len(log))
    return log.set_axis([7 * i % 5 for i in range(len(log))])


def logs(n_users=4, n_items=4, n_times=9, max_size=25):
    """Logs with ties, repeats, and users and items of few events."""
    row = st.tuples(
        st.sampled_from([f"u{u}" for u in range(n_users)]),
        st.integers(0, n_items - 1),
        st.integers(0, n_times - 1),
    )
    return st.lists(row, min_size=1, max_size=max_size).map(log_of)


def histories(log, timestamp_col="timestamp"):
    """The rows of each user as dicts, oldest first; of equal times in the order of the log."""
    rows = log.to_dict("records")
    if timestamp_col is not None:
        rows.sort(key=lambda row: row[timestamp_col])
    found = {}
    for row in rows:
        found.setdefault(row["user"], []).append(row)
    return found


def rows_of(table):
    """Numbers of the rows that a transformer left, in the order in which they stand."""
    column = table["row"]
    return column.to_pylist() if isinstance(table, pa.Table) else list(column)


def left_or_none(transformer, log):
    """What a transformer leaves of a log; None if it refuses to leave nothing."""
    try:
        return transformer.fit_transform(log)
    except ValueError as error:
        if "Nothing is left of X" in str(error):
            return None
        raise
