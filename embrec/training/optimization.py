"""One step of the optimiser: schedule, clipping, weight decay, bounds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embrec.network.id_vectors import IdVectors
from embrec.training.adagrad import Adagrad


@dataclass(frozen=True)
class OptimizerSettings:
    """How to change the weights.

    Parameters
    ----------
    learning_rate : float
        At its highest.
    lr_schedule : {"constant", "linear", "cosine"}
        What becomes of it: it stays, or falls to 0 until the last step of ``max_epochs``.
    warmup_steps : int
        Steps over which it first rises.
    weight_decay : float
        Decoupled, as in AdamW; of matrices. Biases have none, nor have items' own vectors, which
        ``id_bound`` keeps short.
    max_grad_norm : float or None
        Gradients longer than this, over all weights, are scaled down to it.
    id_bound : float or None
        Id vectors longer than this are shortened to it.
    name : {"adam", "adagrad"}
        Adam with decoupled weight decay, or Adagrad, which has none.
    momentum : float
        Of Adagrad.
    """

    learning_rate: float
    lr_schedule: str = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float | None = None
    id_bound: float | None = None
    name: str = "adam"
    momentum: float = 0.0


#: What is left of the learning rate after warm-up, by the share of training that is over.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


class Optimization:
    """Changes a network's weights, step by step.

    Parameters
    ----------
    network : Module
        Vectors that only known items or users have are `IdVectors` in it; those of items are its
        ``id_vectors``.
    settings : OptimizerSettings
    n_steps : int
        Steps that training has at most; the schedule ends there.
    sparse_ids : bool
        Whether only those items' own vectors and biases are updated that a step used. (Adam's
        averages of the others then wait for their next use.)
    """

    def __init__(
        self,
        network: nn.Module,
        settings: OptimizerSettings,
        n_steps: int,
        *,
        sparse_ids: bool = False,
    ) -> None:
        self._network = network
        self._settings = settings
        self._n_steps = n_steps
        self._step = 0
        own = [m for m in network.modules() if isinstance(m, IdVectors)]
        for module in own:
            module.sparse = sparse_ids
        undecayed = {id(module.weight) for module in own}
        sparse = [module.weight for module in own] if sparse_ids else []
        dense = [p for p in network.parameters() if all(p is not q for q in sparse)]
        matrices = [p for p in dense if p.ndim > 1 and id(p) not in undecayed]
        self._optimizers = _optimizers(dense, matrices, sparse, settings)

    def step(self, loss: Tensor) -> None:
        """Take one step down the gradient of a loss."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._settings.max_grad_norm is not None:
            _clip_gradients(self._network, self._settings.max_grad_norm)
        rate = self._settings.learning_rate * self._rate_factor()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self._limit_ids()
        self._step += 1

    def _rate_factor(self) -> float:
        warmup = self._settings.warmup_steps
        if self._step < warmup:
            return (self._step + 1) / (warmup + 1)
        done = (self._step - warmup) / max(1, self._n_steps - warmup)
        return SCHEDULES[self._settings.lr_schedule](min(1.0, done))

    def _limit_ids(self) -> None:
        vectors, bound = self._network.id_vectors, self._settings.id_bound
        if not isinstance(vectors, IdVectors) or bound is None:
            return
        gradient = vectors.weight.grad
        used = None
        if gradient is not None and gradient.is_sparse:
            used = gradient.coalesce().indices()[0]
        vectors.limit_norms(bound, used)

    def state_dict(self) -> dict[str, Any]:
        """All that a later step depends on besides the weights."""
        return {"step": self._step, "optimizers": [o.state_dict() for o in self._optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._step = state["step"]
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def _clip_gradients(network: nn.Module, longest: float) -> None:
    """Scale down all gradients together; not by torch's function, which takes no sparse ones."""
    parts = []
    for weights in network.parameters():
        if weights.grad is None:
            continue
        if weights.grad.is_sparse:
            weights.grad = weights.grad.coalesce()
            parts.append(weights.grad.values())
        else:
            parts.append(weights.grad)
    lengths = torch.stack([torch.linalg.vector_norm(part) for part in parts])
    factor = (longest / (torch.linalg.vector_norm(lengths) + 1e-6)).clamp(max=1.0)
    for part in parts:
        part.mul_(factor)


def _optimizers(
    dense: list[nn.Parameter],
    decayed: list[nn.Parameter],
    sparse: list[nn.Parameter],
    settings: OptimizerSettings,
) -> list[torch.optim.Optimizer]:
    rate = settings.learning_rate
    if settings.name == "adagrad":
        return [Adagrad([*dense, *sparse], lr=rate, momentum=settings.momentum)]
    of_dense = [_adam(dense, decayed, settings)] if dense else []
    of_sparse = [torch.optim.SparseAdam(sparse, lr=rate)] if sparse else []
    return [*of_dense, *of_sparse]


def _adam(
    parameters: list[nn.Parameter], decayed: list[nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    others = [p for p in parameters if all(p is not q for q in decayed)]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=fused)
