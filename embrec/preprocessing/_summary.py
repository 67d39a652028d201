"""What a transformer made of a log: a table, and a line."""

import pandas as pd


def summarize(before: dict[str, int], after: dict[str, int]) -> pd.DataFrame:
    """Tell what became of events, users and items.

    Parameters
    ----------
    before, after : dict of str to int
        How many there were, and are.

    Returns
    -------
    DataFrame
        A row each, with ``before``, ``after`` and ``change``: the share that went, as a negative
        number, or that came.
    """
    table = pd.DataFrame({"before": before, "after": after}, dtype="int64")
    return table.assign(change=table["after"] / table["before"] - 1)


def in_one_line(name: str, summary: pd.DataFrame) -> str:
    """Say the same in one line."""
    parts = []
    for what, before, after, change in summary.itertuples():
        became = f" -> {after:,} ({change:+.1%})" if after != before else ""
        parts.append(f"{what} {before:,}{became}")
    return f"{name}: {', '.join(parts)}"
