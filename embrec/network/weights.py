"""Copies of networks, and what tells their weights apart."""

from hashlib import blake2b

import torch

from embrec.network.model import EmbRecNetwork


def copy_network(network: EmbRecNetwork, device: torch.device) -> EmbRecNetwork:
    """Copy a network to a device, in evaluation mode."""
    copy = EmbRecNetwork(network.size, network.dropout)
    copy.load_state_dict(network.state_dict())
    copy.eval()
    return copy.to(device)


def fingerprint(network: EmbRecNetwork) -> str:
    """Hash all weights: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()
