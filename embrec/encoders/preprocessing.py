"""What a picture goes through before a network sees it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from embrec._utils.optional import import_optional

if TYPE_CHECKING:
    from PIL.Image import Image

#: How many times longer than wide a picture may be, before its ends are cut off.
MAX_ASPECT = 32


@dataclass(frozen=True)
class ImageNetPreprocess:
    """The standard of networks trained on ImageNet: scale, cut out the centre, normalise.

    Does what the transforms of torchvision's weights do to a PIL image, to the last bit, without
    torchvision.

    Parameters
    ----------
    resize : int, default=256
        Length of the shorter side after scaling, bilinear and antialiased.
    crop : int, default=224
        Side of the square that is cut out.
    mean, std : tuple of float
        Of each channel, over ImageNet.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, image: "Image") -> torch.Tensor:
        """Turn an RGB image into (3, crop, crop) float32."""
        pillow = import_optional("PIL.Image", extra="image", purpose="ImageFeaturizer")
        short, long = sorted(image.size)
        scaled_long = int(self.resize * long / short)
        is_upright = image.width <= image.height
        size = (self.resize, scaled_long) if is_upright else (scaled_long, self.resize)
        image = image.resize(size, pillow.Resampling.BILINEAR)
        # as torchvision rounds: to even numbers
        left, top = (round((side - self.crop) / 2) for side in image.size)
        image = image.crop((left, top, left + self.crop, top + self.crop))
        # in numpy: torch would start threads from each of the threads that decode
        pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
        mean, std = np.array([self.mean, self.std], dtype=np.float32)
        pixels = (pixels - mean) / std
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def limit_aspect(image: "Image") -> "Image":
    """Cut the ends off a strip: scaled by its shorter side, it would take gigabytes."""
    width, height = image.size
    kept_width = min(width, MAX_ASPECT * height)
    kept_height = min(height, MAX_ASPECT * width)
    if (kept_width, kept_height) == image.size:
        return image
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return image.crop((left, top, left + kept_width, top + kept_height))
