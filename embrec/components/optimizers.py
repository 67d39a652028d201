"""How the weights are changed."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

from embrec._utils.compat import Interval, StrOptions
from embrec.components.base import Component

if TYPE_CHECKING:
    import torch
    from torch import nn


class Optimizer(Component, ABC):
    """Base of optimizers: rate, schedule and clipping, which act whatever the rule.

    A subclass has these four among its parameters.

    Attributes
    ----------
    learning_rate : float
        At its highest.
    schedule : {"constant", "linear", "cosine"}
        What becomes of it: it stays, or falls to 0 over ``max_epochs``.
    warmup_steps : int
        Steps over which it first rises.
    max_grad_norm : float or None
        Gradients longer than this, over all weights, are scaled down to it.
    """

    learning_rate: float
    schedule: str
    warmup_steps: int
    max_grad_norm: float | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions({"constant", "linear", "cosine"})],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    }

    @abstractmethod
    def _build(
        self,
        dense: "list[nn.Parameter]",
        decayed: "list[nn.Parameter]",
        sparse: "list[nn.Parameter]",
    ) -> "list[torch.optim.Optimizer]":
        """Make torch's optimizers.

        Parameters
        ----------
        dense : list of Parameter
        decayed : list of Parameter
            Those of ``dense`` that weight decay may act on: matrices, but not what items have of
            their own.
        sparse : list of Parameter
            Those whose gradients are sparse.

        Returns
        -------
        list of torch.optim.Optimizer
            Each weight in one of them.
        """


class Adam(Optimizer):
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019).

    Parameters
    ----------
    learning_rate : float, default=0.001
        At its highest.
    weight_decay : float, default=0.0
        Decoupled; of weight matrices, but not of items' own vectors.
    schedule : {"constant", "linear", "cosine"}, default="constant"
        What becomes of the learning rate: it stays, or falls to 0 over ``max_epochs``, so set those
        to what you mean.
    warmup_steps : int, default=0
        Steps over which the learning rate first rises.
    max_grad_norm : float or None, default=None
        Longer gradients are scaled down to this.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Optimizer._parameter_constraints,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        learning_rate: float = 0.001,
        *,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        warmup_steps: int = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.max_grad_norm = max_grad_norm

    def _build(
        self,
        dense: "list[nn.Parameter]",
        decayed: "list[nn.Parameter]",
        sparse: "list[nn.Parameter]",
    ) -> "list[torch.optim.Optimizer]":
        import torch

        rate = float(self.learning_rate)
        made: list[torch.optim.Optimizer] = []
        if dense:
            others = [p for p in dense if all(p is not q for q in decayed)]
            groups = [
                {"params": decayed, "weight_decay": float(self.weight_decay)},
                {"params": others, "weight_decay": 0.0},
            ]
            fused = all(p.device.type in ("cpu", "cuda") for p in dense)
            made.append(torch.optim.AdamW(groups, lr=rate, fused=fused))
        if sparse:
            made.append(torch.optim.SparseAdam(sparse, lr=rate))
        return made


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011) with momentum, as GRU4Rec is trained.

    Parameters
    ----------
    learning_rate : float, default=0.05
        At its highest. It wants to be some fifty times that of Adam.
    momentum : float, default=0.0
        Share of the last change that is made again.
    schedule : {"constant", "linear", "cosine"}, default="constant"
        What becomes of the learning rate: it stays, or falls to 0 over ``max_epochs``.
    warmup_steps : int, default=0
        Steps over which the learning rate first rises.
    max_grad_norm : float or None, default=None
        Longer gradients are scaled down to this.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Optimizer._parameter_constraints,
        "momentum": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        learning_rate: float = 0.05,
        *,
        momentum: float = 0.0,
        schedule: str = "constant",
        warmup_steps: int = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.schedule = schedule
        self.warmup_steps = warmup_steps
        self.max_grad_norm = max_grad_norm

    def _build(
        self,
        dense: "list[nn.Parameter]",
        decayed: "list[nn.Parameter]",
        sparse: "list[nn.Parameter]",
    ) -> "list[torch.optim.Optimizer]":
        from embrec.training.adagrad import AdagradWithMomentum

        rate = float(self.learning_rate)
        return [AdagradWithMomentum([*dense, *sparse], lr=rate, momentum=float(self.momentum))]
