"""What loaders return."""

import dataclasses

import pandas as pd
import pytest

from embrec.datasets._dataset import Dataset

EMPTY = pd.DataFrame()


def test_no_two_datasets_count_malformed_lines_together():
    one, other = Dataset(EMPTY, EMPTY), Dataset(EMPTY, EMPTY)
    one.n_malformed["log.json"] = 3
    assert other.n_malformed == {}


def test_a_dataset_stays_the_pair_it_is():
    data = Dataset(EMPTY, EMPTY, {"log.json": 1})
    with pytest.raises(dataclasses.FrozenInstanceError, match="items"):
        data.items = EMPTY
    changed = dataclasses.replace(data, interactions=pd.DataFrame({"user": [1]}))
    assert (len(changed.interactions), len(data.interactions)) == (1, 0)
    assert changed.n_malformed == {"log.json": 1}
