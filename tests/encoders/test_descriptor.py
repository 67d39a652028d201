"""Colours and edges: pictures whose descriptor can be worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from embrec.encoders.descriptor import N_COLOURS, N_EDGES, describe

# positions in a quarter's histogram: (hue * 3 + saturation) * 3 + value
RED_BIN, BLUE_BIN, BLACK_BIN, WHITE_BIN = 8, (5 * 3 + 2) * 3 + 2, 0, 2


def picture(*quarters):
    """Four colours: top left, top right, bottom left, bottom right."""
    pixels = np.zeros((200, 200, 3), dtype=np.uint8)
    for number, colour in enumerate(quarters):
        y, x = divmod(number, 2)
        pixels[100 * y : 100 * (y + 1), 100 * x : 100 * (x + 1)] = colour
    return Image.fromarray(pixels)


def colours(image):
    return describe(image)[:N_COLOURS].reshape(4, 72)


def edges(image):
    return describe(image)[N_COLOURS:].reshape(3, 3, 2, 2, 9)


def test_shape():
    vector = describe(Image.new("RGB", (5, 300)))
    assert vector.shape == (612,)
    assert N_COLOURS + N_EDGES == 612
    assert vector.dtype == np.float32


def test_colours_of_the_quarters():
    result = colours(picture((255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)))
    bins = [RED_BIN, BLUE_BIN, BLACK_BIN, WHITE_BIN]
    expected = np.zeros((4, 72))
    expected[range(4), bins] = 0.5
    np.testing.assert_allclose(result, expected)


def test_shares_are_square_rooted():
    pixels = np.zeros((128, 128, 3), dtype=np.uint8)
    pixels[:16] = 255  # a quarter of each of the upper quarters
    upper = colours(Image.fromarray(pixels))[0]
    assert upper[WHITE_BIN] == pytest.approx(np.sqrt(0.25) / 2)
    assert upper[BLACK_BIN] == pytest.approx(np.sqrt(0.75) / 2)


def test_the_hue_of_grey_is_ignored():
    rng = np.random.default_rng(0)
    noisy = 120 + rng.integers(-4, 5, (128, 128, 3))
    quarter = colours(Image.fromarray(noisy.astype(np.uint8)))[0]
    assert np.flatnonzero(quarter).tolist() == [1]  # no hue, no saturation, medium value


def test_both_parts_have_unit_length():
    rng = np.random.default_rng(0)
    vector = describe(Image.fromarray(rng.integers(0, 256, (90, 70, 3), dtype=np.uint8)))
    assert np.linalg.norm(vector[:N_COLOURS]) == pytest.approx(1)
    assert np.linalg.norm(vector[N_COLOURS:]) == pytest.approx(1)


def test_a_plain_picture_has_no_edges():
    assert (edges(Image.new("RGB", (40, 40), (1, 2, 3))) == 0).all()


def test_directions_of_edges():
    y, x = np.mgrid[:128, :128]

    def directions(stripes):
        pixels = np.repeat((stripes // 8 % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
        return edges(Image.fromarray(pixels)).sum(axis=(0, 1, 2, 3))

    # scikit-image counts the direction of the gradient: across the stripes
    assert directions(x).argmax() == 0
    assert directions(y).argmax() == 4


def test_deterministic():
    image = picture((200, 10, 10), (10, 200, 10), (10, 10, 200), (99, 99, 0))
    np.testing.assert_array_equal(describe(image), describe(image.copy()))
