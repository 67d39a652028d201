"""Networks made and copied, and what tells their weights apart."""

from copy import deepcopy
from hashlib import blake2b

import torch

from embrec.network.model import Dropout, EmbRecNetwork, NetworkSize


def build_network(size: NetworkSize, dropout: Dropout, seed: int) -> EmbRecNetwork:
    """Make a network with weights drawn from a seed, and leave torch's global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds GPUs too
        return EmbRecNetwork(size, dropout)


def copy_network(network: EmbRecNetwork, device: torch.device) -> EmbRecNetwork:
    """Copy a network to a device, in evaluation mode."""
    # not by making another, which draws from torch's global generator
    return deepcopy(network).eval().to(device)


def fingerprint(network: EmbRecNetwork) -> str:
    """Hash all weights: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()
