"""One step of the optimiser: schedule, clipping, weight decay, bounds."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from embrec.network.id_vectors import IdVectors


class OptimizerRecipe(Protocol):
    """How to change the weights: `embrec.components.Optimizer`."""

    learning_rate: float
    schedule: str
    warmup_steps: int
    max_grad_norm: float | None

    def _build(
        self,
        dense: list[nn.Parameter],
        decayed: list[nn.Parameter],
        sparse: list[nn.Parameter],
    ) -> list[torch.optim.Optimizer]:
        """Make torch's optimizers."""


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
        Vectors that only known items or users have are `IdVectors` in it.
    recipe : OptimizerRecipe
    n_steps : int
        Steps that training has at most; the schedule ends there.
    sparse_ids : bool
        Whether only those items' own vectors and biases are updated that a step used. (Adam's
        averages of the others then wait for their next use.)
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: OptimizerRecipe,
        n_steps: int,
        *,
        sparse_ids: bool = False,
    ) -> None:
        self._network = network
        self._recipe = recipe
        self._n_steps = n_steps
        self._step = 0
        own = [m for m in network.modules() if isinstance(m, IdVectors)]
        self._bounded = [module for module in own if module.bound is not None]
        for module in own:
            module.sparse = sparse_ids
        undecayed = {id(module.weight) for module in own}
        sparse = [module.weight for module in own] if sparse_ids else []
        dense = [p for p in network.parameters() if all(p is not q for q in sparse)]
        matrices = [p for p in dense if p.ndim > 1 and id(p) not in undecayed]
        self._optimizers = recipe._build(dense, matrices, sparse)

    def step(self, loss: Tensor) -> None:
        """Take one step down the gradient of a loss."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.max_grad_norm is not None:
            _clip_gradients(self._network, float(self._recipe.max_grad_norm))
        rate = float(self._recipe.learning_rate) * self._rate_factor()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self._limit_ids()
        self._step += 1

    def _rate_factor(self) -> float:
        warmup = self._recipe.warmup_steps
        if self._step < warmup:
            return (self._step + 1) / (warmup + 1)
        done = (self._step - warmup) / max(1, self._n_steps - warmup)
        return SCHEDULES[self._recipe.schedule](min(1.0, done))

    def _limit_ids(self) -> None:
        for module in self._bounded:
            gradient = module.weight.grad
            used = None
            if gradient is not None and gradient.is_sparse:
                used = gradient.coalesce().indices()[0]
            module.limit_norms(used)

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
