"""The battery of losses."""

import pytest

from embrec.components import BPR, BPRMax, CosineDistance, CrossEntropy, Loss
from embrec.testing import check_loss


class Sum(Loss):
    """A loss that is no mean."""

    def _build(self, *, memory=None, precision=None):
        mean = CrossEntropy()._build()
        return lambda p, i, t, n, log_expected=None: mean(p, i, t, n) * len(p)


class Deaf(Loss):
    """One without a gradient for items."""

    def _build(self, *, memory=None, precision=None):
        mean = CrossEntropy()._build()
        return lambda p, i, t, n, log_expected=None: mean(p, i.detach(), t, n)


@pytest.mark.parametrize("loss", [CrossEntropy(), BPR(), BPRMax(), CosineDistance()], ids=str)
def test_losses_that_pass(loss):
    check_loss(loss)


@pytest.mark.parametrize("loss", [Sum(), Deaf()], ids=str)
def test_losses_that_do_not_pass(loss):
    with pytest.raises(AssertionError):
        check_loss(loss)
