"""Counts are integers from 1 on."""

import numpy as np
import pytest

from embrec._utils.checks import check_k, check_positive


@pytest.mark.parametrize("value", [1, 7, 2**70, np.int32(3), np.uint8(255)], ids=repr)
def test_counts_become_plain_integers(value):
    checked = check_positive(value, "n")
    assert type(checked) is int
    assert checked == value


BAD = [0, -1, np.int64(0), True, np.True_, 2.0, np.float32(2), "3", None, [1], np.array(1)]


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_what_is_no_count_is_shown_with_its_name(value):
    with pytest.raises(ValueError, match=r"^n_things must be an integer >= 1; got ") as caught:
        check_positive(value, "n_things")
    assert str(caught.value).endswith(f"got {value!r}.")


def test_k_is_checked_under_its_own_name():
    assert check_k(np.int64(5)) == 5
    with pytest.raises(ValueError, match=r"^k must be an integer >= 1; got 0\.$"):
        check_k(0)
