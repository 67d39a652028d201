"""What training makes smaller."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from embrec._utils.compat import Interval
from embrec.components.base import Component

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Loss(Component, ABC):
    """Base of losses: of the predicted embeddings, set against items.

    Attributes
    ----------
    uses_negatives : bool
        Whether it sets the next item against others. If not, ``negatives``, ``precision`` and
        ``score_memory`` say nothing to it.
    corrects_sampling : bool
        Whether it makes use of ``log_expected``, how often each negative is expected among them.
    learns_items : bool
        Whether item embeddings may be learned under it. If not, they must be fixed.
    """

    uses_negatives: ClassVar[bool] = True
    corrects_sampling: ClassVar[bool] = False
    learns_items: ClassVar[bool] = True

    @abstractmethod
    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        """Make the function.

        Parameters
        ----------
        memory : int, optional
            Bytes of scores that may be held at a time.
        precision : torch.dtype, optional
            What scores are wanted in; None is that of the embeddings. Both are wishes.

        Returns
        -------
        callable
            ``loss(predicted, items, targets, negatives, log_expected=)``: Tensors of shapes
            (n_steps, d), (n_items, d), (n_steps,) and twice (n_negatives,); the last two are None
            if all items are negatives. ``targets`` and ``negatives`` are rows of ``items``. It
            returns the mean over steps, a Tensor of shape (). If steps do not count alike, it is
            also passed ``weights=``, a Tensor of shape (n_steps,), for a weighted mean.
        """


class CrossEntropy(Loss):
    """Cross-entropy of the next item among all items, or a sample (thesis equations 4 and 5)."""

    corrects_sampling = True

    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        from embrec.network.losses import cross_entropy

        return partial(cross_entropy, memory=memory, precision=precision)


class BPR(Loss):
    """Bayesian personalised ranking (thesis equation 6; Rendle et al. 2009)."""

    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        from embrec.network.losses import bpr

        return _without_correction(partial(bpr, memory=memory, precision=precision))


class BPRMax(Loss):
    """BPR-max (thesis equation 7; Hidasi & Karatzoglou 2018).

    Parameters
    ----------
    reg : float, default=1.0
        Weight λ of the negatives' squared scores. Those of `ItemTowers` are inner products times 5,
        so 0.04 is to them what 1 is to the inner products.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "reg": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, reg: float = 1.0) -> None:
        self.reg = reg

    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        from embrec.network.losses import bpr_max

        return _without_correction(
            partial(bpr_max, regularization=float(self.reg), memory=memory, precision=precision)
        )


class SmoothNDCG(Loss):
    """1 - NDCG of the next item at a smooth rank, and some cross-entropy (Qin, Liu & Li 2010).

    ``1 - 1 / log2(1 + rank) + cross_entropy * CE`` with ``rank = 1 + sum_j sigmoid(s_j - s)``: what
    changes the top of the list counts most. By itself that says nearly nothing of items that are
    far down, as all are at the start; cross-entropy brings them up.

    Parameters
    ----------
    cross_entropy : float, default=0.1
        Weight of the cross-entropy.

    References
    ----------
    Qin, Liu & Li, "A General Approximation Framework for Direct Optimization of Information
    Retrieval Measures", Information Retrieval 13, 2010.

    Bruch, Zoghi, Bendersky & Najork, "Revisiting Approximate Metric Optimization in the Age of Deep
    Neural Networks", SIGIR 2019.
    """

    corrects_sampling = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "cross_entropy": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, cross_entropy: float = 0.1) -> None:
        self.cross_entropy = cross_entropy

    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        from embrec.network.losses import smooth_ndcg

        return partial(
            smooth_ndcg,
            cross_entropy_weight=float(self.cross_entropy),
            memory=memory,
            precision=precision,
        )


class CosineDistance(Loss):
    """Cosine distance between predicted and true next item (thesis equation 2).

    It knows no negatives, so items must be fixed: learned ones would all become alike.
    """

    uses_negatives = False
    learns_items = False

    def _build(
        self, *, memory: int | None = None, precision: "torch.dtype | None" = None
    ) -> "Callable[..., Tensor]":
        from embrec.network.losses import cosine_distance

        return _without_correction(
            lambda predicted, items, targets, _, weights: cosine_distance(
                predicted, items, targets, weights=weights
            )
        )


def _without_correction(loss: "Callable[..., Tensor]") -> "Callable[..., Tensor]":
    def found(*args: Any, log_expected: Any = None, weights: Any = None) -> "Tensor":
        return loss(*args, weights=weights)

    return found
