"""The battery of losses."""

import pytest

from embrec.components import BPR, BPRMax, CosineDistance, CrossEntropy, Loss, SmoothNDCG
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


@pytest.mark.parametrize(
    "loss", [CrossEntropy(), BPR(), BPRMax(), SmoothNDCG(), CosineDistance()], ids=str
)
def test_losses_that_pass(loss):
    check_loss(loss)


class Short(Loss):
    """One that is not called as training calls it."""

    def _build(self, *, memory=None, precision=None):
        mean = CrossEntropy()._build()
        return lambda p, i, t, n: mean(p, i, t, n)


class Blind(Loss):
    """One that sees no negatives, and says that it uses them."""

    def _build(self, *, memory=None, precision=None):
        mean = CrossEntropy()._build()
        return lambda p, i, t, n, log_expected=None: mean(p, i, t, None)


class Even(Loss):
    """One that takes weights and does not look at them."""

    def _build(self, *, memory=None, precision=None):
        mean = CrossEntropy()._build()
        return lambda p, i, t, n, log_expected=None, weights=None: mean(p, i, t, n)


@pytest.mark.parametrize(
    ("loss", "rule"),
    [
        (Sum(), "must be the mean over steps"),
        (Deaf(), "gradients must be those of the function"),
        (Short(), "a loss is called as .*log_expected"),
        (Even(), "weights must give the weighted mean"),
        (Blind(), "must depend on which they are"),
    ],
    ids=str,
)
def test_losses_that_do_not_pass(loss, rule):
    with pytest.raises(AssertionError, match=rule):
        check_loss(loss)
