"""Parameters of a run that cannot be, before it begins."""

from pathlib import Path

import numpy as np
import pytest

from embrec import Callback
from embrec.recommenders.checks import check_callbacks, check_checkpoints


class Own(Callback):
    """One that does nothing."""


@pytest.mark.parametrize("wrong", [Own, print, "tqdm"], ids=["class", "function", "str"])
def test_callbacks_that_are_none(wrong):
    check_callbacks([Own(), Callback()])
    check_callbacks(None)
    with pytest.raises(TypeError, match=r"must hold instances of embrec.Callback; got"):
        check_callbacks([Own(), wrong])


@pytest.mark.parametrize("seed", [None, np.random.RandomState(0), 0.5], ids=["none", "rng", "0.5"])
def test_checkpoints_need_a_seed(seed, tmp_path):
    check_checkpoints(None, seed)
    with pytest.raises(ValueError, match=r"needs random_state to be an int.*got random_state="):
        check_checkpoints(tmp_path, seed)


def test_any_path_will_do_but_none_at_all(tmp_path):
    for path in (tmp_path / "new", str(tmp_path), Path("here")):
        check_checkpoints(path, np.int64(3))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="must be the path of a folder, or None; got ''"):
        check_checkpoints("", 0)
    with pytest.raises(TypeError):
        check_checkpoints(True, 0)
