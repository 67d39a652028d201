"""Networks for pictures that are made in a moment."""

import torch
from torch import nn

from embrec.encoders.alexnet import AlexNet
from embrec.encoders.state_dicts import put_weights

# the layers of torchvision's table: (in, out, kernel, stride, padding, pooled afterwards)
CONVOLUTIONS = {
    "features.0": (3, 64, 11, 4, 2, True),
    "features.3": (64, 192, 5, 1, 2, True),
    "features.6": (192, 384, 3, 1, 1, False),
    "features.8": (384, 256, 3, 1, 1, False),
    "features.10": (256, 256, 3, 1, 1, True),
}
DENSE = {"classifier.1": (9216, 4096), "classifier.4": (4096, 4096)}


class Means(nn.Module):
    """Features: means of the channels, and of their squares."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, pictures):
        scaled = pictures * self.scale[:, None, None]
        return torch.cat([scaled.mean((2, 3)), (scaled**2).mean((2, 3))], dim=1)


def alexnet_state():
    """Draw weights of AlexNet, with the classifier that published files have."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, (n_in, n_out, kernel, *_) in CONVOLUTIONS.items():
        state[f"{name}.weight"] = torch.randn(n_out, n_in, kernel, kernel, generator=generator)
        state[f"{name}.weight"] /= (n_in * kernel**2 / 2) ** 0.5
        state[f"{name}.bias"] = torch.randn(n_out, generator=generator) / 10
    for name, (n_in, n_out) in {**DENSE, "classifier.6": (4096, 1000)}.items():
        # rows overlap in memory: 58 million different numbers would take seconds to draw and save
        drawn = torch.randn(3 * n_out + n_in, generator=generator) / (n_in / 2) ** 0.5
        state[f"{name}.weight"] = drawn.as_strided((n_out, n_in), (3, 1))
        state[f"{name}.bias"] = torch.randn(n_out, generator=generator) / 10
    return state


def alexnet(state):
    """Make an AlexNet of such weights."""
    with torch.device("meta"):  # draws no weights of its own
        network = AlexNet()
    put_weights(network, state, head="classifier.6.")
    return network.eval()
