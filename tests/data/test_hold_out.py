"""Last events that are held out, of lists and of tables."""

import pandas as pd
import polars as pl
import pytest

from embrec.data.hold_out import hold_out_last
from embrec.data.interactions import LogColumns

COLUMNS = LogColumns("user", "item", "timestamp")
LISTS = [list("abc"), ["a"], list("bc"), list("ca"), list("ab")]


@pytest.mark.parametrize(("n_users", "held"), [(1, [0]), (2, [0, 4]), (99, [0, 4])])
def test_lists(n_users, held):
    train, valid = hold_out_last(LISTS, COLUMNS, n_users)
    assert valid == [LISTS[i] for i in held]
    assert train == [row[:-1] if i in held else row for i, row in enumerate(LISTS)]


@pytest.mark.parametrize("make", [lambda t: t, pl.from_pandas])
def test_logs_in_any_order(make):
    rows = [(f"u{i}", item, t) for i, row in enumerate(LISTS) for t, item in enumerate(row)]
    log = pd.DataFrame(rows[::-1], columns=["user", "item", "timestamp"])
    train, valid = (
        pd.DataFrame(part.to_dict(as_series=False) if make(log) is not log else part)
        for part in hold_out_last(make(log), COLUMNS, 2)
    )
    # users in order of first appearance, which is that of their last events here
    assert len(train) + 2 == len(log)
    gone = pd.concat([log, train]).drop_duplicates(keep=False)
    assert gone["user"].tolist() == ["u4", "u0"]
    assert (gone["timestamp"] == gone["user"].map(log.groupby("user")["timestamp"].max())).all()
    kept = valid.sort_values(["user", "timestamp"]).groupby("user")["item"].agg(list)
    assert kept.to_dict() == {"u0": LISTS[0], "u4": LISTS[4]}


def test_nobody_has_two():
    with pytest.raises(ValueError, match="Nobody has two events"):
        hold_out_last([["a"], ["b"], []], COLUMNS, 5)
