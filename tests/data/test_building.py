"""Stores as a whole are tested in test_store; here what a build leaves behind."""

import pandas as pd
import pytest

from embrec.data.building import CODES, EVENTS, ITEMS, OFFSETS, USERS, build
from embrec.data.interactions import LogColumns

LOG = pd.DataFrame({"user": [1, 2, 1], "item": [5, 6, 7], "timestamp": [9, 1, 3], "n": [1, 2, 3]})


@pytest.mark.parametrize("events", [None, ("n",)])
def test_nothing_but_the_files_of_a_store(tmp_path, events):
    folder = build([("log", LOG)], tmp_path / "s", LogColumns(events=events), 2, False)
    (inner,) = (path for path in folder.iterdir() if path.is_dir())
    names = {CODES, OFFSETS, ITEMS, USERS} | ({EVENTS} if events else set())
    assert {path.name for path in inner.iterdir()} == names


def test_a_build_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="The log is empty: none of its tables has a row"):
        build([], tmp_path / "s", LogColumns(events=("n",)), 2, False)
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "s").exists()
