"""The catalogue of a blend; what it does for recommenders is in tests/test_blend.py."""

import threading

import numpy as np
import pytest

from embrec.baselines import PopularityRecommender
from embrec.data.side_by_side import SideBySide
from embrec.index import ExactIndex
from embrec.serving.blended import BlendedCatalog
from embrec.serving.catalog import ItemCatalog


@pytest.fixture
def blended():
    parts = [PopularityRecommender().fit([["a", "b"]]).catalog_ for _ in range(2)]
    index = ExactIndex().fit(SideBySide(part.index.vectors for part in parts))
    return BlendedCatalog(ItemCatalog(parts[0].ids.ids, []), index, parts)


def test_a_change_reaches_all(blended):
    new = np.array(["c"], object)
    blended.write(
        new, SideBySide([np.ones((1, 1), np.float32) * 3, np.ones((1, 1), np.float32)]), []
    )
    assert [len(part) for part in blended.parts] == [3, 3]
    assert [part.index.vectors[2, 0] for part in blended.parts] == [3, 1]
    blended.remove(np.array([0]))
    assert [part.index.active.tolist() for part in (*blended.parts, blended)] == [
        [False, True, True]
    ] * 3


def test_who_copies_waits_for_all(blended):
    with blended.writing():
        done = threading.Event()

        def read():
            with blended.parts[1].writing():
                done.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert not done.wait(0.05)
    thread.join()
    assert done.is_set()


def test_it_is_not_copied_itself(blended):
    with pytest.raises(TypeError, match="made of those of its recommenders"):
        blended.__getstate__()
