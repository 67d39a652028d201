"""Networks made, grown and copied, and what tells their weights apart."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from hashlib import blake2b
from threading import get_ident
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from embrec.network.id_vectors import IdVectors
from embrec.network.model import SequenceNetwork

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def draw(make: Callable[[], SequenceNetwork], seed: int) -> SequenceNetwork:
    """Make a network with weights drawn from a seed, and leave torch's global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds GPUs too
        network = make()
        network.items.draw_own()
    return network


def check_weights(make: Callable[[], SequenceNetwork], weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of another network than is to be made, before that takes memory or time.

    The sizes of one that was saved are only what a file says.

    Raises
    ------
    ValueError
        If names or shapes differ.
    """
    try:
        with _no_more_parameters(2 * len(weights)), torch.device("meta"):
            expected = _shapes(make().state_dict())
    except (RuntimeError, NotImplementedError):
        return  # a module of one's own may read numbers, which tensors on "meta" do not have
    found = _shapes(weights)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"The network has {name} of shape {expected.get(name)}, but the weights have it of "
                f"shape {found.get(name)}."
            )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.shape) or (1,) for name, one in weights.items()}  # as files have them


@contextmanager
def _no_more_parameters(n: int) -> Iterator[None]:
    """Refuse modules of more parameters in this thread, as soon as there is one more."""
    thread, registered = get_ident(), 0

    def count(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal registered
        registered += get_ident() == thread
        if registered > n:
            raise ValueError(f"The network has more than the {n} parameters that it can have.")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def copy_weights(
    network: SequenceNetwork, larger: SequenceNetwork, kept: np.ndarray | None = None
) -> None:
    """Copy all weights to a network that has room for more items or users.

    What is new stays as it is.

    Parameters
    ----------
    network, larger : SequenceNetwork
        The larger one is on the CPU.
    kept : ndarray of int, optional
        Places of the items that are still known; all by default.
    """
    weights = larger.state_dict()
    own = {name for name, module in network.named_modules() if isinstance(module, IdVectors)}
    for name, values in network.state_dict().items():
        owner = name.rpartition(".")[0]
        if owner in own:
            old = values.cpu()
            if kept is not None and owner.startswith("items."):
                old = old[torch.from_numpy(kept)]
            weights[name][: len(old)] = old
        else:
            weights[name] = values
    larger.load_state_dict(weights)


def copy_network(network: NetworkT, device: torch.device) -> NetworkT:
    """Copy a network to a device, in evaluation mode."""
    # not by making another, which draws from torch's global generator
    return deepcopy(network).eval().to(device)


def fingerprint(network: nn.Module) -> str:
    """Hash all weights: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()
