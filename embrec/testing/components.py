"""What every component is held to, and gradients by differences."""

import json
from collections.abc import Callable
from inspect import signature

import torch
from sklearn.base import clone
from torch import Tensor

from embrec.components import Component
from embrec.components.base import describe, make, with_all_within


def full_names(component: Component) -> list[str]:
    """Name the types of a component and of those within, as they must be trusted."""
    types = [type(part) for part in with_all_within(component)]
    return [f"{each.__module__}.{each.__qualname__}" for each in types]


def check_parameters(component: Component, kind: type[Component]) -> None:
    """Raise unless it is a component of a kind, and is cloned, checked and described as it is."""
    if not isinstance(component, kind):
        what = "the class " if isinstance(component, type) else ""
        shown = component.__name__ if isinstance(component, type) else repr(component)
        raise TypeError(f"Expected an object of a subclass of {kind.__name__}; got {what}{shown}.")
    names = signature(type(component).__init__).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in names.values()), (
        "__init__ must name its parameters: clone and save would lose what ** takes"
    )
    for name in component._get_param_names():
        assert hasattr(component, name), f"__init__ must store {name} as self.{name}, as it is"
    copy = clone(component)
    assert copy is not component
    assert copy.get_params().keys() == component.get_params().keys()
    copy.check()
    described = json.loads(json.dumps(describe(component)))
    again = make(described, trusted=full_names(component))
    assert describe(again) == described, "what JSON gave back has other parameters"


def check_gradient(function: Callable[[], Tensor], inputs: list[Tensor]) -> None:
    """Raise unless the gradient of a function of float64 is what differences say.

    Parameters
    ----------
    function : callable
        Returns a Tensor of shape (); it reads ``inputs``, and the same numbers give the same.
    inputs : list of Tensor, float64
        Leaves that require a gradient.
    """
    gradients = torch.autograd.grad(function(), inputs, allow_unused=True)
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in inputs]
    slope = sum(
        float((g * d).sum()) for g, d in zip(gradients, directions, strict=True) if g is not None
    )
    step, values = 1e-6, []
    with torch.no_grad():
        for sign in (1, -1):
            for x, d in zip(inputs, directions, strict=True):
                x.add_(d, alpha=sign * step)
            values.append(float(function()))
            for x, d in zip(inputs, directions, strict=True):
                x.sub_(d, alpha=sign * step)
    expected = (values[0] - values[1]) / (2 * step)
    assert abs(slope - expected) <= 1e-4 * (1 + abs(expected)), (
        f"gradients must be those of the function: they say {slope}, differences {expected}"
    )
