"""When training stops."""

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

from embrec._utils.compat import Interval
from embrec.components.base import Component

if TYPE_CHECKING:
    from embrec.training.best_epoch import BestEpoch


class EarlyStopping(Component):
    """Stop when a validation figure no longer grows, and go back to the weights of its best epoch.

    Parameters
    ----------
    monitor : str, default="hit_rate@50"
        What is watched: "hit_rate@K", "ndcg@K" or "mrr". Ties are broken by the mean reciprocal
        rank.
    patience : int, default=5
        Epochs without a better figure after which to stop.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "monitor": [str],
        "patience": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, monitor: str = "hit_rate@50", *, patience: int = 5) -> None:
        self.monitor = monitor
        self.patience = patience

    def check(self) -> None:
        """Raise if a parameter is not what it may be."""
        from embrec.training.validation import parse_monitor

        super().check()
        parse_monitor(self.monitor)

    def _build(self) -> "BestEpoch":
        """Make what watches a run."""
        from embrec.training.best_epoch import BestEpoch

        return BestEpoch(self.patience)
