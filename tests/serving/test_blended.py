"""The catalogue of a blend; what it does for recommenders is in tests/test_blend.py."""

import threading

import numpy as np
import pytest

from embrec.baselines import PopularityRecommender
from embrec.data.side_by_side import SideBySide
from embrec.serving.blended import BlendedCatalog, check_same_ids


@pytest.fixture
def blended():
    recommenders = {name: PopularityRecommender().fit([["a", "b"]]) for name in ("one", "other")}
    return BlendedCatalog.of({name: each.catalog_ for name, each in recommenders.items()})


NEW = SideBySide([np.full((1, 1), 3, np.float32), np.full((1, 1), 1, np.float32)])


def lengths(blended):
    return [len(each) for each in (*blended.parts.values(), blended)]


def fail(*args):
    raise MemoryError


def test_a_change_reaches_all(blended):
    blended.write(np.array(["c"], object), NEW, [])
    assert lengths(blended) == [3, 3, 3]
    assert [part.index.vectors[2, 0] for part in blended.parts.values()] == [3, 1]
    blended.remove(np.array([0]))
    for each in (*blended.parts.values(), blended):
        assert each.index.active.tolist() == [False, True, True]


@pytest.mark.parametrize("where", ["other", None])
def test_a_change_that_ends_half_way_is_made_again_before_others(blended, where, monkeypatch):
    c, d = np.array(["c"], object), np.array(["d"], object)
    with monkeypatch.context() as patched:
        patched.setattr((blended.parts[where] if where else blended).index, "write", fail)
        with pytest.raises(MemoryError):
            blended.write(c, NEW, [])
    assert len(blended) == 2
    with pytest.raises(RuntimeError, match=r"half-way before: .* have 'c', and others do not"):
        blended.write(d, NEW, [])
    assert len(blended) == 2
    if where:
        with pytest.raises(ValueError, match="catalogues of 'one' and 'other' differ"):
            check_same_ids(blended.parts)
    blended.write(c, NEW, [])
    blended.write(d, NEW, [])
    assert lengths(blended) == [4, 4, 4]
    check_same_ids(blended.parts)


def test_what_was_not_removed_everywhere_can_be_removed_again(blended, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(blended.parts["other"].index, "remove", fail)
        with pytest.raises(MemoryError):
            blended.remove(np.array([0]))
    assert blended.index.active.all()
    blended.remove(np.array([0]))
    assert blended.parts["other"].index.active.tolist() == [False, True]


def test_who_copies_waits_for_all(blended):
    with blended.writing():
        done = threading.Event()

        def read():
            with blended.parts["other"].writing():
                done.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert not done.wait(0.05)
    thread.join()
    assert done.is_set()


def test_it_is_not_copied_itself(blended):
    with pytest.raises(TypeError, match="made of those of its recommenders"):
        blended.__getstate__()
