"""Networks made, grown and copied, and what tells their weights apart."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from embrec.network.id_vectors import IdVectors
from embrec.network.model import SequenceNetwork

NetworkT = TypeVar("NetworkT", bound=nn.Module)

#: Calls of torch that making a network takes at most: at all, and for each of its weights.
CALLS, CALLS_PER_WEIGHT = 1000, 100


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
    with torch.device("meta"), _LimitedCalls(CALLS + CALLS_PER_WEIGHT * len(weights)):
        expected = _shapes(make().state_dict())
    found = _shapes(weights)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"The network has {name} of shape {expected.get(name)}, but the weights have it of "
                f"shape {found.get(name)}."
            )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    # a number comes back from a file as an array of one
    return {name: tuple(one.shape) or (1,) for name, one in weights.items()}


class _LimitedCalls(TorchFunctionMode):
    """Ends what calls torch more often than any network of that many weights needs to be made."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n_left = n

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n_left -= 1
        if self.n_left < 0:
            raise ValueError("The network has more layers than there are weights.")
        return func(*args, **(kwargs or {}))


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
