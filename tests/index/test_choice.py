"""From what a user asks for to an index."""

import pytest

from embrec.index import AnnoyIndex
from embrec.index.choice import NAMES, make_index


@pytest.mark.parametrize("name", NAMES)
def test_by_name(name):
    made = make_index(name)
    assert type(made) is NAMES[name]
    assert made.get_params().get("random_state", 0) == 0


def test_ones_own_is_cloned():
    index = AnnoyIndex(n_trees=7)
    made = make_index(index)
    assert made is not index
    assert made.get_params() == index.get_params()


def test_another_metric():
    with pytest.raises(ValueError, match="metric must be 'dot'"):
        make_index(AnnoyIndex(metric="angular"))
