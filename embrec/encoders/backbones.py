"""Networks for pictures, by name: without their classifiers, and with their own preprocessing."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from embrec._utils.optional import import_optional
from embrec.encoders.alexnet import HEAD, WEIGHTS_URL, AlexNet
from embrec.encoders.callables import describe_callable
from embrec.encoders.hugging_face import HuggingFaceFeatures, HuggingFacePreprocess, read_model
from embrec.encoders.preprocessing import ImageNetPreprocess
from embrec.encoders.state_dicts import put_weights, read_state_dict


@dataclass(frozen=True)
class Backbone:
    """A network and what it needs.

    Parameters
    ----------
    network : torch.nn.Module
        (n, 3, height, width) to (n, n_features).
    preprocess : callable
        RGB PIL image to (3, height, width) float tensor.
    description : str
        Tells `preprocess` from others.
    edge : int or None, default=None
        To how many pixels `preprocess` scales the picture, at most; None if unknown.
    """

    network: nn.Module
    preprocess: Callable[[Any], torch.Tensor] = field(default_factory=ImageNetPreprocess)
    description: str = repr(ImageNetPreprocess())
    edge: int | None = ImageNetPreprocess().resize


def load_backbone(backbone: str | nn.Module, weights: str | None, preprocess: Any) -> Backbone:
    """Read a network and its weights.

    Parameters
    ----------
    backbone : str or torch.nn.Module
        "alexnet", "torchvision:<name>", "timm:<name>", "hf:<name or path>"; or a network, which is
        copied.
    weights : str or None
        Path of a state dict. None means the weights that a network has, or that its library
        downloads.
    preprocess : callable or None
        Replaces the network's own preprocessing.

    Returns
    -------
    Backbone
        In evaluation mode.

    Raises
    ------
    ValueError
        If there is no such network, or its weights cannot be had or do not fit.
    FileNotFoundError
        If there is no file `weights`.
    ImportError
        If the library is missing.
    """
    # libraries make up weights before they read them, and those that a file lacks: always the same
    # here, or the fingerprint would change, and not at the cost of the user's random state
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        loaded = _load(backbone, weights)
    loaded.network.eval()
    if isinstance(backbone, str):
        # up to 1.7 times as fast on a CPU; in networks of users, view() may not bear it
        loaded.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if preprocess is None:
        return loaded
    return Backbone(loaded.network, preprocess, describe_callable(preprocess), edge=None)


def _load(backbone: str | nn.Module, weights: str | None) -> Backbone:
    if isinstance(backbone, nn.Module):
        network = copy.deepcopy(backbone)
        if weights is not None:
            put_weights(network, read_state_dict(weights))
        return Backbone(network)
    if backbone == "alexnet":
        return _load_alexnet(weights)
    library, _, name = backbone.partition(":")
    if not name or library not in _LIBRARIES:
        meant = "" if library != backbone else f" Did you mean 'torchvision:{backbone}'?"
        raise ValueError(
            f"backbone={backbone!r} is unknown; expected 'alexnet', 'descriptor', "
            "'torchvision:<name>', 'timm:<name>', 'hf:<name or path>' or a torch.nn.Module."
            f"{meant}"
        )
    return _LIBRARIES[library](name, weights)


def _load_alexnet(weights: str | None) -> Backbone:
    with torch.device("meta"):  # 57 million random numbers would be made for nothing
        network = AlexNet()
    put_weights(network, _alexnet_weights(weights), head=HEAD)
    return Backbone(network)


def _alexnet_weights(path: str | None) -> dict[str, torch.Tensor]:
    if path is not None:
        return read_state_dict(path)
    try:
        state: dict[str, torch.Tensor] = torch.hub.load_state_dict_from_url(
            WEIGHTS_URL, map_location="cpu", check_hash=True, progress=False, weights_only=True
        )
    except Exception as error:
        raise ValueError(
            f"The weights of AlexNet could not be downloaded from {WEIGHTS_URL}: {error}. "
            "Download that file elsewhere and pass weights= its path, or use "
            "backbone='descriptor', which needs no weights."
        ) from error
    return state


def _load_torchvision(name: str, weights: str | None) -> Backbone:
    models = import_optional(
        "torchvision.models", extra="vision", purpose=f"backbone='torchvision:{name}'"
    )
    with _explained(f"torchvision:{name}"):
        published = models.get_model_weights(name).DEFAULT
        network = models.get_model(name, weights=published if weights is None else None)
        head = remove_head(network)
    if weights is not None:
        # auxiliary classifiers, of two models, stay in place unused
        put_weights(network, read_state_dict(weights), head=head)
    transforms = published.transforms()
    edge = max(getattr(transforms, "resize_size", None) or [0]) or None
    return Backbone(network, transforms, repr(transforms), edge)


def remove_head(network: nn.Module) -> str:
    """Take the classifier, which is the last dense layer, out of a network of torchvision.

    Returns
    -------
    str
        How the names of its weights begin.

    Raises
    ------
    ValueError
        If it has none.
    """
    dense = [name for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    if isinstance(getattr(network, "classifier", None), nn.Sequential) and not dense:
        network.classifier = nn.AdaptiveAvgPool2d(1)  # SqueezeNet's is a convolution
        return "classifier."
    if not dense:
        raise ValueError("its classifier was not found; pass the network itself, without it")
    parent, _, last = dense[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return f"{dense[-1]}."


def _load_timm(name: str, weights: str | None) -> Backbone:
    timm = import_optional("timm", extra="vision", purpose=f"backbone='timm:{name}'")
    with _explained(f"timm:{name}"):
        network = timm.create_model(name, pretrained=weights is None, num_classes=0)
        config = timm.data.resolve_model_data_config(network)
        transform = timm.data.create_transform(**config, is_training=False)
    if weights is not None:
        head = network.pretrained_cfg.get("classifier") or ()
        heads = (head,) if isinstance(head, str) else tuple(head)
        put_weights(network, read_state_dict(weights), head=tuple(f"{h}." for h in heads))
    edge = round(max(config["input_size"][1:]) / config["crop_pct"])
    return Backbone(network, transform, repr(transform), edge)


def _load_hugging_face(name: str, weights: str | None) -> Backbone:
    if weights is not None:
        raise ValueError(
            f"weights= does not go with backbone='hf:{name}', whose weights are in its folder; "
            "save a model with its weights by save_pretrained and pass 'hf:<path>'."
        )
    transformers = import_optional("transformers", extra="vision", purpose=f"backbone='hf:{name}'")
    with _explained(f"hf:{name}"):
        model, is_trained_pooler = read_model(transformers, name)
        processor = transformers.AutoImageProcessor.from_pretrained(name)
    preprocess = HuggingFacePreprocess(processor)
    network = HuggingFaceFeatures(model, is_trained_pooler)
    return Backbone(network, preprocess, preprocess.description, preprocess.edge)


_LIBRARIES: dict[str, Callable[[str, str | None], Backbone]] = {
    "torchvision": _load_torchvision,
    "timm": _load_timm,
    "hf": _load_hugging_face,
}


@contextmanager
def _explained(backbone: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a library raises for unknown names and lost connections
        raise ValueError(
            f"backbone={backbone!r} could not be loaded: {error}. Check the name; without a "
            "connection, pass weights= the path of a state dict, or for 'hf:' the path of a folder."
        ) from error
