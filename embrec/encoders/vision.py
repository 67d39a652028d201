"""How to come by an encoder of pictures, and what it computes with."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from embrec._utils.optional import import_optional
from embrec.encoders import descriptor
from embrec.encoders.backbones import load_backbone
from embrec.encoders.callables import describe_callable
from embrec.encoders.files import (
    absolute_folder,
    file_stamp,
    folder_stamp,
    hash_arrays,
    network_stamp,
)
from embrec.encoders.picture_encoder import PictureEncoder
from embrec.encoders.pictures import MAX_PIXELS
from embrec.encoders.preprocessing import limit_aspect
from embrec.network.device import resolve_device

#: What can be a backbone: the name of one, or itself.
BACKBONE_TYPES = (str, nn.Module)


@dataclass(frozen=True)
class VisionSpec:
    """A network for pictures by name, or itself, and how to use it.

    Parameters
    ----------
    backbone : str or torch.nn.Module
        "descriptor", or what :func:`~embrec.encoders.backbones.load_backbone` takes.
    weights : str or None
        Path of a state dict.
    preprocess : callable or None
        RGB PIL image to (3, height, width) float tensor, instead of the network's own.
    device : str
    max_pixels : int
    n_decoders : int or None
    stamp : object
        Which version of files, or of what a network and `preprocess` hold in memory.
    """

    backbone: Any
    weights: str | None = None
    # compared, but some callables have no hash
    preprocess: Any = field(default=None, hash=False)
    device: str = "auto"
    max_pixels: int = MAX_PIXELS
    n_decoders: int | None = None
    stamp: Any = None

    @classmethod
    def of(cls, backbone: Any, *, weights: Any = None, **settings: Any) -> "VisionSpec":
        """Make a spec, and see which version of the weights there is.

        Raises
        ------
        ValueError
            If "descriptor", which has neither, is given weights or a preprocessing.
        """
        if weights is not None:
            weights = os.path.abspath(os.path.expanduser(weights))  # workers may be elsewhere
        if backbone == "descriptor" and (weights or settings.get("preprocess")):
            raise ValueError("backbone='descriptor' takes neither weights= nor preprocess=.")
        if isinstance(backbone, str) and backbone.startswith("hf:"):
            backbone = f"hf:{absolute_folder(backbone.removeprefix('hf:'))}"
        stamp = _stamp(backbone, weights, settings.get("preprocess"))
        return cls(backbone, weights, **settings, stamp=stamp)

    def load(self) -> PictureEncoder:
        """Read the weights; they may be downloaded by the library's own loader."""
        # before a long download
        pillow = import_optional("PIL.Image", extra="image", purpose="ImageFeaturizer")
        if self.backbone == "descriptor":
            return self._encoder(
                descriptor.describe,
                descriptor.stack,
                n_computed=len(descriptor.describe(pillow.new("RGB", (1, 1)))),
                fingerprint=hash_arrays({}, *descriptor.DESCRIPTION, self.max_pixels),
                edge=descriptor.SIDE,
            )
        loaded = load_backbone(self.backbone, self.weights, self.preprocess)
        compute = _Network(loaded.network, resolve_device(self.device))
        prepare = _Prepare(loaded.preprocess)
        return self._encoder(
            prepare,
            compute,
            n_computed=_try_out(compute, prepare(pillow.new("RGB", (256, 256)))),
            fingerprint=compute.hash(loaded.description, self.max_pixels),
            edge=loaded.edge,
        )

    def _encoder(self, *parts: Any, **settings: Any) -> PictureEncoder:
        return PictureEncoder(
            *parts, **settings, max_pixels=self.max_pixels, n_decoders=self.n_decoders
        )


class _Prepare:
    """Preprocessing that stays within memory, and whose result was checked."""

    def __init__(self, preprocess: Any) -> None:
        self._preprocess = preprocess

    def __call__(self, image: Any) -> torch.Tensor:
        tensor = self._preprocess(limit_aspect(image))
        if not isinstance(tensor, torch.Tensor) or tensor.ndim != 3 or tensor.shape[0] != 3:
            got = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise ValueError(
                f"preprocess must turn a picture into a tensor (3, height, width); got {got}."
            )
        return tensor


class _Network:
    """Computes with a network; one thread at a time, as networks of users may need."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device)
        self._device = device
        self._lock = threading.Lock()

    def __call__(self, tensors: list[torch.Tensor]) -> np.ndarray:
        """Turn pictures of one size into features: (n, d) float32."""
        shapes = {tuple(tensor.shape) for tensor in tensors}
        if len(shapes) > 1:
            raise ValueError(
                f"preprocess must bring all pictures to one size; got {sorted(shapes)}."
            )
        pictures = torch.stack(tensors)
        is_cuda = self._device.type == "cuda"
        if is_cuda:
            pictures = pictures.pin_memory()
        with self._lock, torch.inference_mode():
            features = self._network(pictures.to(self._device, non_blocking=is_cuda))
        if features.ndim != 2 or len(features) != len(tensors):
            raise ValueError(
                "The backbone must turn (n, 3, height, width) into (n, n_features); it turned "
                f"{tuple(pictures.shape)} into {tuple(features.shape)}."
            )
        return features.float().cpu().numpy()

    def hash(self, *settings: Any) -> str:
        """Hash the weights, the architecture and settings."""
        weights = {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in self._network.state_dict().items()
        }
        return hash_arrays(weights, repr(self._network), *settings)


def _try_out(network: _Network, picture: torch.Tensor) -> int:
    """Return how many features a network has; one of the user's may not take such pictures."""
    try:
        return network([picture]).shape[1]
    except Exception as error:  # whatever its layers raise
        raise ValueError(
            f"The backbone fails on a batch of shape {(1, *picture.shape)}: {error} It must turn "
            "(n, 3, height, width) into (n, n_features); preprocess= says how large pictures are."
        ) from error


def _stamp(backbone: Any, weights: str | None, preprocess: Any) -> Any:
    stamp: list[Any] = [describe_callable(preprocess)]
    if isinstance(backbone, nn.Module):
        stamp += [network_stamp(backbone)]
    elif backbone.startswith("hf:"):
        folder = Path(backbone.removeprefix("hf:"))
        stamp += [folder_stamp(folder)] if folder.is_dir() else []
    if weights is not None and Path(weights).is_file():
        stamp.append(file_stamp(Path(weights)))
    return tuple(stamp)
