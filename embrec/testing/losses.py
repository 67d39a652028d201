"""What every loss is held to."""

import inspect

import torch
from torch import Tensor

from embrec.components import Loss
from embrec.testing.components import check_gradient, check_parameters

_N_STEPS, _N_ITEMS, _WIDTH = 7, 11, 5


def check_loss(loss: Loss) -> None:
    """Raise AssertionError unless a loss does what training asks of it.

    It must be a finite number, the mean over steps, have the gradient that differences of float64
    say, and, if it uses negatives, be the same over all items and over a sample that holds each of
    them once. One that takes ``weights`` must be the weighted mean with them.

    Parameters
    ----------
    loss : Loss
        With the parameters to check; it stays as it is.

    Examples
    --------
    >>> from embrec.components import BPRMax
    >>> from embrec.testing import check_loss
    >>> check_loss(BPRMax(0.5))
    """
    check_parameters(loss, Loss)
    built = loss._build()

    def function(*args: Tensor | None) -> Tensor:
        try:
            return built(*args, log_expected=None)
        except TypeError as error:
            raise AssertionError(
                "a loss is called as loss(predicted, items, targets, negatives, log_expected=): "
                f"{error}"
            ) from error

    generator = torch.Generator().manual_seed(0)
    predicted, items = (
        torch.randn(n, _WIDTH, generator=generator, dtype=torch.float64).requires_grad_()
        for n in (_N_STEPS, _N_ITEMS)
    )
    targets = torch.randint(_N_ITEMS, (_N_STEPS,), generator=generator)
    value = function(predicted, items, targets, None)
    assert value.shape == (), "a loss must be one number"
    assert bool(torch.isfinite(value))
    each = torch.stack(
        [function(predicted[i : i + 1], items, targets[i : i + 1], None) for i in range(_N_STEPS)]
    )
    torch.testing.assert_close(each.mean(), value, msg="a loss must be the mean over steps")
    check_gradient(lambda: function(predicted, items, targets, None), [predicted, items])
    if "weights" in inspect.signature(built).parameters:
        weights = torch.linspace(0, 2, _N_STEPS, dtype=torch.float64)
        weighed = built(predicted, items, targets, None, log_expected=None, weights=weights)
        expected = (each @ weights) / weights.sum()
        torch.testing.assert_close(weighed, expected, msg="weights must give the weighted mean")
    if loss.uses_negatives:
        every = torch.arange(_N_ITEMS)
        torch.testing.assert_close(
            function(predicted, items, targets, every),
            value,
            msg="a sample of every item once must be worth all items",
        )
        some, others = torch.tensor([0, 3, 3, 9]), torch.tensor([1, 2, 2, 7])
        values = [function(predicted, items, targets, rows).item() for rows in (some, others)]
        assert values[0] != values[1], "a loss that uses negatives must depend on which they are"
        check_gradient(lambda: function(predicted, items, targets, some), [predicted, items])
