"""Keeps the best weights, and tells when to stop looking for better ones."""

from typing import Any

from torch import nn


class BestEpoch:
    """Watches a figure of which more is better.

    Parameters
    ----------
    patience : int
        Epochs without a new best after which to stop.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best: Any = None
        self.best_epoch = 0
        self._weights: dict[str, Any] = {}
        self._epochs_since = 0

    def update(self, figure: Any, network: nn.Module, epoch: int) -> bool:
        """Take the figure of an epoch (anything that can be compared); return whether to stop."""
        if self.best is None or figure > self.best:
            self.best, self.best_epoch, self._epochs_since = figure, epoch, 0
            self._weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        else:
            self._epochs_since += 1
        return self._epochs_since >= self.patience

    def restore(self, network: nn.Module) -> None:
        """Give the network the weights of the best epoch."""
        if self._weights:
            network.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """All that later updates depend on."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "weights": self._weights,
            "epochs_since": self._epochs_since,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._weights, self._epochs_since = state["weights"], state["epochs_since"]
