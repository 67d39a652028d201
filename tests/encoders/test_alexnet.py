"""AlexNet, against its published table."""

import pytest
import torch
from drawn_pictures import picture
from picture_models import CONVOLUTIONS, DENSE, alexnet, alexnet_state
from torch import nn
from torch.nn import functional as F

from embrec.encoders.alexnet import HEAD, AlexNet
from embrec.encoders.preprocessing import ImageNetPreprocess


@pytest.fixture(scope="module")
def state():
    return alexnet_state()


def empty():
    with torch.device("meta"):
        return AlexNet()


def test_the_published_number_of_parameters():
    n_own = sum(p.numel() for p in empty().parameters())
    assert n_own + 4096 * 1000 + 1000 == 61_100_840


def test_the_published_names(state):
    own = {name: tuple(p.shape) for name, p in empty().state_dict().items()}
    head = {f"{HEAD}weight": (1000, 4096), f"{HEAD}bias": (1000,)}
    assert {**own, **head} == {name: tuple(p.shape) for name, p in state.items()}


def test_it_computes_its_table(state):
    x = ImageNetPreprocess()(picture())[None]
    expected = x
    for name, (_, _, _, stride, padding, pooled) in CONVOLUTIONS.items():
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        expected = F.conv2d(expected, weight, bias, stride, padding).clamp(min=0)
        if pooled:
            expected = F.max_pool2d(expected, 3, 2)
    expected = expected.reshape(1, 9216)
    for name in DENSE:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        expected = (expected @ weight.T + bias).clamp(min=0)
    with torch.inference_mode():
        torch.testing.assert_close(alexnet(state)(x), expected, rtol=1e-4, atol=1e-4)
    assert 0.1 < (expected > 0).float().mean() < 0.9


@pytest.mark.parametrize("size", [(64, 64), (96, 130), (200, 63)], ids=["small", "wide", "high"])
def test_pictures_of_other_sizes_have_as_many_features(state, size):
    network = alexnet(state)
    seen = []
    # the dense layers are large, and do not matter here
    network.classifier = nn.Module()
    network.classifier.forward = lambda maps: seen.append(maps.shape) or maps
    with torch.inference_mode():
        network(torch.zeros(2, 3, *size))
    assert seen == [(2, 9216)]
