"""From what a user asks for to an index."""

import sys

import numpy as np
import pytest

from embrec.index import AnnoyIndex
from embrec.index.choice import NAMES, make_index


@pytest.mark.parametrize("name", NAMES)
def test_by_name(name):
    made = make_index(name)
    assert type(made) is NAMES[name]
    assert made.get_params().get("random_state", 0) == 0


@pytest.mark.parametrize(
    ("name", "module"), [("annoy", "annoy"), ("faiss", "faiss"), ("hnsw", "usearch.index")]
)
def test_a_library_that_is_missing_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    vectors = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    with pytest.raises(ImportError, match=rf'pip install "embrec\[{name}\]"'):
        make_index(name).fit(vectors)


def test_ones_own_is_cloned():
    index = AnnoyIndex(n_trees=7)
    made = make_index(index)
    assert made is not index
    assert made.get_params() == index.get_params()


def test_another_metric():
    with pytest.raises(ValueError, match="metric must be 'dot'"):
        make_index(AnnoyIndex(metric="angular"))
