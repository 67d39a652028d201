"""Adagrad with momentum, over dense gradients and over those of a few rows."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

#: Added under the root: a gradient of 0 changes nothing.
_EPSILON = 1e-6


class AdagradWithMomentum(torch.optim.Optimizer):
    """Adagrad (Duchi et al. 2011) with momentum, as GRU4Rec is trained.

    ``G += g ** 2``, ``v = momentum * v + lr * g / sqrt(G + 1e-6)``, ``w -= v``, element by element.
    Of a sparse gradient only the rows that it holds change; momentum waits for their next use.
    (torch's own Adagrad has no momentum.)

    Parameters
    ----------
    params : iterable of Parameter
    lr : float
    momentum : float, default=0
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step."""
        assert closure is None
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._update(weights, group["lr"], group["momentum"])

    def _update(self, weights: nn.Parameter, rate: float, momentum: float) -> None:
        state: dict[str, Any] = self.state[weights]
        if not state:
            state["sum"] = torch.zeros_like(weights)
            if momentum:
                state["velocity"] = torch.zeros_like(weights)
        gradient = weights.grad
        assert gradient is not None
        if gradient.is_sparse:
            _update_rows(weights, gradient.coalesce(), state, rate, momentum)
            return
        state["sum"].addcmul_(gradient, gradient)
        roots = (state["sum"] + _EPSILON).sqrt_()
        if momentum:
            state["velocity"].mul_(momentum).addcdiv_(gradient, roots, value=rate)
            weights.sub_(state["velocity"])
        else:
            weights.addcdiv_(gradient, roots, value=-rate)


def _update_rows(
    weights: Tensor, gradient: Tensor, state: dict[str, Any], rate: float, momentum: float
) -> None:
    rows, values = gradient.indices()[0], gradient.values()
    sums = state["sum"].index_select(0, rows).addcmul_(values, values)
    state["sum"].index_copy_(0, rows, sums)
    change = values / sums.add_(_EPSILON).sqrt_() * rate
    if momentum:
        change.add_(state["velocity"].index_select(0, rows), alpha=momentum)
        state["velocity"].index_copy_(0, rows, change)
    weights.index_copy_(0, rows, weights.index_select(0, rows).sub_(change))
