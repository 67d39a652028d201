"""An average of the weights on their way, which is better than where they happen to be."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

#: Steps between two looks at the weights: one at each would cost as much as a small step does.
STEPS_BETWEEN = 8


class WeightAverage:
    """Exponential moving average of a network's weights.

    At step ``n`` the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself: it looks back over
    about a tenth of training, and no further than ``decay`` lets it.

    Parameters
    ----------
    network : Module
    decay : float
        Between 0 and 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network = network
        self._decay = decay
        self._step = 0
        self._seen = 0
        self._average = AveragedModel(network, avg_fn=self._mix)
        for module in self._average.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # a copy on a GPU is in pieces, and slower
        self._average.update_parameters(network)  # the first only copies

    @property
    def network(self) -> nn.Module:
        """The network with averaged weights; up to date after `look`."""
        averaged: nn.Module = self._average.module
        return averaged

    def step(self) -> None:
        """Note that the weights changed."""
        self._step += 1
        if self._step - self._seen >= STEPS_BETWEEN:
            self.look()

    def look(self) -> None:
        """Take the weights as they are into the average, unless that was done."""
        if self._step > self._seen:
            self._average.update_parameters(self._network)
            self._seen = self._step

    def _mix(self, average: Tensor, weights: Tensor, _: Any) -> Tensor:
        keep = min(self._decay, (1 + self._step) / (10 + self._step))
        return torch.lerp(average, weights, 1 - keep ** (self._step - self._seen))

    def state_dict(self) -> dict[str, Any]:
        """All that a later average depends on."""
        return {"step": self._step, "seen": self._seen, "weights": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._step, self._seen = state["step"], state["seen"]
        self.network.load_state_dict(state["weights"])
