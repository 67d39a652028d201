"""Networks by name: their weights, and what goes before them."""

import importlib.util
import sys

import pytest
import torch
from drawn_pictures import picture, small
from picture_models import Means, alexnet, alexnet_state
from torch import nn

from embrec.encoders.alexnet import WEIGHTS_URL
from embrec.encoders.backbones import load_backbone, remove_head
from embrec.encoders.preprocessing import ImageNetPreprocess


@pytest.fixture(scope="module")
def state():
    return alexnet_state()


# ---- AlexNet


def test_alexnet_from_a_file(state, tmp_path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "a")
    random_state = torch.get_rng_state()
    loaded = load_backbone("alexnet", tmp_path / "a", None)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not loaded.network.training
    x = loaded.preprocess(picture())[None]
    torch.testing.assert_close(x, ImageNetPreprocess()(picture())[None])
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network(x), alexnet(state)(x), rtol=1e-4, atol=1e-4)


def test_alexnet_is_downloaded_with_its_hash_checked(state, monkeypatch):
    asked = {}

    def download(url, **options):
        asked.update(options, url=url)
        return state

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    load_backbone("alexnet", None, None)
    assert asked["url"] == WEIGHTS_URL
    assert asked["check_hash"]
    assert asked["weights_only"]


def test_a_failed_download_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    message = "alexnet-owt-7be5be79.pth: no route to host. .* weights= .* backbone='descriptor'"
    with pytest.raises(ValueError, match=message):
        load_backbone("alexnet", None, None)


# ---- networks of the user's own


def test_weights_are_put_into_a_copy(tmp_path):
    torch.save({"scale": torch.tensor([3.0, 2.0, 1.0])}, tmp_path / "w.pth")
    network = Means().train()
    loaded = load_backbone(network, tmp_path / "w.pth", None)
    assert loaded.network.scale.tolist() == [3, 2, 1]
    assert not loaded.network.training
    assert network.training
    assert network.scale.tolist() == [1, 2, 3]


def test_without_weights_it_is_a_copy_too():
    network = nn.Sequential(Means(), nn.Dropout()).train()
    loaded = load_backbone(network, None, None)
    assert network.training
    assert not loaded.network.training
    loaded.network[0].scale.data.zero_()
    assert network[0].scale.tolist() == [1, 2, 3]


def test_preprocessing_of_ones_own_replaces_the_standard():
    standard = load_backbone(Means(), None, None)
    assert standard.preprocess == ImageNetPreprocess()
    assert standard.edge == 256
    own = load_backbone(Means(), None, small)
    assert own.preprocess is small
    assert own.edge is None  # nobody knows how large it makes pictures
    assert own.description != standard.description
    assert load_backbone(Means(), None, lambda image: -small(image)).description != own.description


# ---- other libraries


@pytest.mark.parametrize(
    "backbone",
    ["resnet18", "torchvision", "torchvision:", "keras:vgg", ""],
    ids=["name", "library", "colon", "other-library", "empty"],
)
def test_unknown_backbones(backbone):
    with pytest.raises(ValueError, match=r"is unknown; expected 'alexnet', 'descriptor'"):
        load_backbone(backbone, None, None)


@pytest.mark.parametrize(
    ("library", "backbone"),
    [
        ("torchvision.models", "torchvision:resnet18"),
        ("timm", "timm:resnet18"),
        ("transformers", "hf:a/b"),
    ],
    ids=["torchvision", "timm", "transformers"],
)
def test_a_missing_library_names_the_extra(monkeypatch, library, backbone):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[vision\]"'):
        load_backbone(backbone, None, None)


def test_the_head_is_the_last_dense_layer():
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    assert remove_head(network) == "1.0."
    assert isinstance(network[1][0], nn.Identity)
    with pytest.raises(ValueError, match="classifier was not found"):
        remove_head(nn.Sequential(nn.ReLU()))


def test_a_head_of_convolutions():
    """SqueezeNet's, which torchvision calls classifier: what is left are means over places."""
    network = nn.Module()
    network.features = nn.Conv2d(3, 5, 1)
    network.classifier = nn.Sequential(nn.Conv2d(5, 10, 1), nn.AdaptiveAvgPool2d(1))
    assert remove_head(network) == "classifier."
    maps = torch.rand(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network.classifier(maps)[:, :, 0, 0], maps.mean((2, 3)))


needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)
needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)


@needs_torchvision
def test_torchvision(state, tmp_path):
    import torchvision

    image = picture()
    transforms = torchvision.models.AlexNet_Weights.DEFAULT.transforms()
    assert torch.equal(transforms(image), ImageNetPreprocess()(image))
    torch.save(state, tmp_path / "w.pth")
    theirs = load_backbone("torchvision:alexnet", tmp_path / "w.pth", None)
    ours = load_backbone("alexnet", tmp_path / "w.pth", None)
    with torch.inference_mode():
        torch.testing.assert_close(
            theirs.network(theirs.preprocess(image)[None]),
            ours.network(ours.preprocess(image)[None]),
        )


@needs_timm
def test_timm(tmp_path):
    import timm

    model = timm.create_model("resnet18").eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    loaded = load_backbone("timm:resnet18", tmp_path / "w.pth", None)
    with torch.inference_mode():
        x = loaded.preprocess(picture())[None]
        expected = model.forward_head(model.forward_features(x), pre_logits=True)
        torch.testing.assert_close(loaded.network(x), expected)
