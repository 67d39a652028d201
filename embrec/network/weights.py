"""Networks made and copied, and what tells their weights apart."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from hashlib import blake2b
from typing import TypeVar

import torch
from torch import nn

from embrec.network.model import EmbRecNetwork, NetworkSize
from embrec.network.recurrent import Dropout

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def build_network(size: NetworkSize, dropout: Dropout, seed: int) -> EmbRecNetwork:
    """Make a network with weights drawn from a seed."""
    return draw(partial(EmbRecNetwork, size, dropout), seed)


def draw(make: Callable[[], NetworkT], seed: int) -> NetworkT:
    """Make a network with weights drawn from a seed, and leave torch's global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds GPUs too
        return make()


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
