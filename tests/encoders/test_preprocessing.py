"""What a picture goes through before a network sees it, against the formula."""

import numpy as np
import pytest
import torch
from drawn_pictures import picture
from PIL import Image

from embrec.encoders.preprocessing import ImageNetPreprocess, limit_aspect


@pytest.mark.parametrize("size", [(70, 50), (50, 70), (300, 301), (1, 1), (224, 1000), (259, 256)])
def test_imagenet_preprocessing(size):
    image = picture(1, *size)
    width, height = size
    scale = 256 / min(size)
    scaled = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled) / 255
    top, left = (round((n - 224) / 2) for n in pixels.shape[:2])
    middle = pixels[top : top + 224, left : left + 224]
    expected = (middle - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    result = ImageNetPreprocess()(image)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-5)


def test_sizes_and_scales_of_ones_own():
    # as large as it is to be, so that nothing is scaled: 6 x 4 around the centre, of which 2 x 2
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    preprocess = ImageNetPreprocess(resize=4, crop=2, mean=(0.0, 0.5, 1.0), std=(1.0, 2.0, 0.5))
    result = preprocess(Image.fromarray(pixels))
    middle = pixels[1:3, 2:4].astype(np.float64) / 255
    expected = (middle - [0, 0.5, 1]) / [1, 2, 0.5]
    np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-6)


def test_a_crop_that_is_larger_is_filled_with_black():
    white = Image.new("RGB", (4, 4), "white")
    result = ImageNetPreprocess(resize=4, crop=8, mean=(0.0,) * 3, std=(1.0,) * 3)(white)
    expected = torch.zeros(3, 8, 8)
    expected[:, 2:6, 2:6] = 1
    torch.testing.assert_close(result, expected)


def test_strips_lose_their_ends():
    strip = Image.new("RGB", (100_001, 2))
    assert limit_aspect(strip).size == (64, 2)
    assert limit_aspect(strip.transpose(Image.Transpose.TRANSPOSE)).size == (2, 64)
    poster = picture()
    assert limit_aspect(poster) is poster
    assert ImageNetPreprocess()(limit_aspect(Image.new("RGB", (1, 10**6)))).shape == (3, 224, 224)


def test_the_middle_of_a_strip_stays():
    column = np.arange(100, dtype=np.uint8)[:, None]
    strip = Image.fromarray(column)
    np.testing.assert_array_equal(np.asarray(limit_aspect(strip)), column[34:66])
    longest = strip.crop((0, 0, 1, 32))
    assert limit_aspect(longest) is longest
    assert limit_aspect(strip.crop((0, 0, 1, 33))).size == (1, 32)
