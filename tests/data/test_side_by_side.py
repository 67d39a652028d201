"""Matrices side by side."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from embrec.data.side_by_side import SideBySide

DENSE = np.arange(6, dtype=np.float32).reshape(3, 2)
SPARSE = sp.csr_array(np.array([[0, 1, 0], [2, 0, 0], [0, 0, 3]], dtype=np.float32))


def test_it_is_one_matrix():
    both = SideBySide([DENSE, SPARSE])
    assert both.shape == (3, 5)
    assert both.ndim == 2
    assert both.dtype == np.float32
    assert both.widths == [2, 3]


def test_rows_and_first_columns():
    both = SideBySide([DENSE, SPARSE])
    some = both[np.array([2, 0])]
    assert_array_equal(some.parts[0], DENSE[[2, 0]])
    assert_array_equal(some.parts[1].toarray(), SPARSE.toarray()[[2, 0]])
    assert both[1:].shape == (2, 5)
    assert_array_equal(both[:, :2], DENSE)
    assert_array_equal(both[:, :1], DENSE[:, :1])
    assert both[:, :].shape == (3, 5)
    with pytest.raises(IndexError, match="Only columns before 2 can be taken"):
        both[:, :3]


def test_matrices_of_other_lengths():
    with pytest.raises(ValueError, match=r"of one length; got \[3, 2\] rows"):
        SideBySide([DENSE, SPARSE[:2]])


def test_what_is_computed_stays_here():
    both = SideBySide([DENSE, SPARSE])
    assert both.turned is both.turned
    assert_array_equal(both.turned[1].toarray(), SPARSE.toarray().T)
    assert vars(pickle.loads(pickle.dumps(both))).keys() == {"parts"}
