"""Logs as codes."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from drawn_logs import histories, log_of, logs
from hypothesis import given
from hypothesis import strategies as st

from embrec import InteractionStore
from embrec.data.interactions import LogColumns
from embrec.preprocessing._log import factorize_ids, read


@given(log=logs(), keep=st.lists(st.booleans(), min_size=25, max_size=25))
def test_codes_order_and_sizes_are_those_of_the_rows(log, keep):
    keep = np.array(keep[: len(log)])
    part = log[keep]
    coded = read(log, LogColumns(), "Reader").where(keep)
    pd.testing.assert_frame_equal(coded.frame.to_native(), part)
    assert coded.user_ids[coded.users].tolist() == part["user"].tolist()
    assert coded.item_ids[coded.items].tolist() == part["item"].tolist()
    assert coded.times.tolist() == part["timestamp"].tolist()
    found = {}
    for row in coded.order:
        found.setdefault(part["user"].iloc[row], []).append(part["row"].iloc[row])
    expected = {user: [r["row"] for r in rows] for user, rows in histories(part).items()}
    assert found == expected
    assert coded.sizes() == {
        "events": len(part),
        "users": part["user"].nunique(),
        "items": part["item"].nunique(),
    }


def test_what_is_no_table_in_memory_is_refused(tmp_path):
    store = InteractionStore.from_tables([log_of([("a", 1, 0)])], tmp_path / "store")
    with pytest.raises(TypeError, match=r"got an InteractionStore.*before the store is built"):
        read(store, LogColumns(), "DropRare")
    with pytest.raises(TypeError, match=r"DropRare transforms a log table .*got list\. Histories"):
        read([["x", "y"]], LogColumns(), "DropRare")
    with pytest.raises(TypeError, match=r"DropRare transforms a log table .*got ndarray\.$"):
        read(np.array([["x", "y"]]), LogColumns(), "DropRare")


STRINGS, INTEGERS = ["b", "a", "b", "c"], [2, 1, 2, 3]
COLUMNS = [
    (STRINGS, "object"),
    (STRINGS, "string"),
    (STRINGS, "category"),
    (STRINGS, "string[pyarrow]"),
    (INTEGERS, "int64"),
    (INTEGERS, "uint8"),
    (INTEGERS, "Int32"),
    (INTEGERS, "category"),
    (INTEGERS, "int16[pyarrow]"),
    (INTEGERS, "object"),
]


@pytest.mark.parametrize(("values", "dtype"), COLUMNS, ids=str)
def test_ids_of_any_dtype_are_numbered_by_first_appearance(values, dtype):
    column = pd.Series(values, dtype=dtype)
    codes, ids = factorize_ids(nw.from_native(column, series_only=True), "X")
    assert codes.tolist() == [0, 1, 0, 2]
    assert ids.tolist() == [values[0], values[1], values[3]]
    assert ids.dtype == (object if values is STRINGS else np.int64)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (pd.Series([1, True], dtype=object), TypeError, "got mixed-integer values"),
        (pd.Series([1, 1.0], dtype=object), TypeError, "all strings or all integers"),
        (pd.Series([1.0, 2.0]), TypeError, "integers that became floats"),
        (pd.Series([True, False]), TypeError, "got boolean values"),
        (pd.Series([1.5, 2]).astype("category"), TypeError, "got floating values"),
        (pd.Series([1, 1, None], dtype="Int64"), ValueError, "1 of 3 ids are missing.*position 2"),
        (pd.Series(["a", None, None]), ValueError, "2 of 3 ids are missing.*position 1"),
        (pd.Series(["a", None]).astype("category"), ValueError, "1 of 2 ids are missing"),
        (pd.Series([2**63], dtype="uint64"), ValueError, "must fit 64 bits"),
    ],
    ids=str,
)
def test_ids_that_embrec_refuses_elsewhere_are_refused(column, error, message):
    with pytest.raises(error, match=message):
        factorize_ids(nw.from_native(column, series_only=True), "X")
