"""The newest slots of rows, and those before."""

import numpy as np

from embrec.index.slots import SlotFinder


def test_newest_and_previous():
    finder = SlotFinder(3, np.empty(0, dtype=np.int64))
    assert finder.newest(np.arange(3)).tolist() == [0, 1, 2]
    assert finder.move(np.array([1, 3, 4]), 3).tolist() == [1, -1, -1]
    assert finder.move(np.array([4, 1]), 6).tolist() == [5, 3]
    assert finder.n_rows == 5
    assert finder.newest(np.arange(5)).tolist() == [0, 7, 2, 4, 6]
    assert finder.previous(np.array([3, 4, 5, 6, 7])).tolist() == [1, -1, -1, 5, 3]


def test_undone():
    finder = SlotFinder(3, np.empty(0, dtype=np.int64))
    finder.move(np.array([1, 3]), 3)
    finder.move(np.array([1, 3, 4]), 5)
    finder.undo(5, 4)
    assert finder.n_rows == 4
    assert finder.newest(np.arange(4)).tolist() == [0, 3, 2, 4]
