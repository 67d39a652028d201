"""Pictures that are drawn by a test."""

import io

import numpy as np
import torch
from PIL import Image

from embrec.encoders.picture_keys import Picture


def picture(seed=0, width=70, height=50):
    """Draw smooth colours at random."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def pictures(n=7):
    """Draw what an encoder of pictures is given."""
    return [Picture(np.asarray(picture(seed)), bytes([seed])) for seed in range(n)]


def encoded(image, format="PNG", **options):
    """Return the content of a picture's file."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def small(image):
    """Scale a picture to (3, 8, 8), from 0 to 1."""
    pixels = np.array(image.resize((8, 8)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)
