"""What each next item is set against."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embrec._utils.compat import Interval
from embrec.components.base import Component

if TYPE_CHECKING:
    from embrec.training.negatives import NegativeSampler


class Negatives(Component, ABC):
    """Base of what says which items are negatives."""

    @abstractmethod
    def _build(
        self, counts: np.ndarray, count_targets: Callable[[], np.ndarray] | None = None
    ) -> "NegativeSampler | None":
        """Make the sampler.

        Parameters
        ----------
        counts : ndarray of shape (n_items,)
            Events of each item in training.
        count_targets : callable, optional
            Says how often each item is a next item, ndarray of shape (n_items,), going through the
            whole log; by default that is in proportion to ``counts``.

        Returns
        -------
        NegativeSampler or None
            None sets the next item against all items.
        """


class AllItems(Negatives):
    """Every item that training has seen, but the next one itself."""

    def _build(
        self, counts: np.ndarray, count_targets: Callable[[], np.ndarray] | None = None
    ) -> "NegativeSampler | None":
        return None


class SampledNegatives(Negatives):
    """Items drawn anew at every step, shared by the batch (thesis section 3.3).

    Parameters
    ----------
    n : int, default=2048
        How many. Memory and time per step grow with it.
    alpha : float, default=1.0
        They are drawn in proportion to this power of their popularity: 1 is the thesis' way, 0
        draws all items alike.
    in_batch : bool, default=False
        Whether the next items of a batch are negatives of each other too, besides the ``n`` drawn.
    logq : bool or None, default=None
        Whether the loss corrects for how negatives are drawn, so that it estimates that over all
        items. None does so wherever the loss can: `CrossEntropy` and `SmoothNDCG`. (What comes
        first in a history is corrected always.)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "in_batch": ["boolean"],
        "logq": ["boolean", None],
    }

    def __init__(
        self,
        n: int = 2048,
        *,
        alpha: float = 1.0,
        in_batch: bool = False,
        logq: bool | None = None,
    ) -> None:
        self.n = n
        self.alpha = alpha
        self.in_batch = in_batch
        self.logq = logq

    def _build(
        self, counts: np.ndarray, count_targets: Callable[[], np.ndarray] | None = None
    ) -> "NegativeSampler | None":
        from embrec.training.negatives import NegativeSampler

        return NegativeSampler(
            counts,
            self.n,
            float(self.alpha),
            count_targets() if self.in_batch and count_targets is not None else None,
            in_batch=self.in_batch,
            logq=self.logq is not False,
        )
