"""Colours and edges of a picture as a vector; nothing learnt, no weights."""

from typing import TYPE_CHECKING, Any

import numpy as np

from embrec._utils.optional import import_optional

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
#: Colours are counted in each of 2 x 2 quarters.
N_QUARTERS = 2
N_HUES, N_SATURATIONS, N_VALUES = 8, 3, 3
#: Below this saturation (of 255) a pixel is grey, and its hue is noise.
GREY = 26
N_COLOURS = N_QUARTERS**2 * N_HUES * N_SATURATIONS * N_VALUES
#: Edges: directions in each cell of 32 x 32 pixels, normalised over blocks of 2 x 2 cells.
N_DIRECTIONS, CELL, BLOCK = 9, 32, 2
N_EDGES = (SIDE // CELL - BLOCK + 1) ** 2 * BLOCK**2 * N_DIRECTIONS
#: Goes into the fingerprint.
DESCRIPTION = (
    "descriptor 1",
    *(SIDE, N_QUARTERS, N_HUES, N_SATURATIONS, N_VALUES, GREY),
    *(N_DIRECTIONS, CELL, BLOCK),
)


def describe(image: "Image") -> np.ndarray:
    """Count the colours and edges of a picture, scaled to 128 x 128 pixels.

    The first 288 numbers are four histograms of colours, of the top left, top right, bottom left
    and bottom right quarter: 8 hues x 3 saturations x 3 values each, the value changing fastest.
    Each is the square root of shares (so that two pictures compare by the Hellinger kernel),
    halved. The other 324 are a histogram of oriented gradients [1]_ of the grey picture: 3 x 3
    blocks of 2 x 2 cells of 9 directions, "L2-Hys" in each block. Both parts have length 1, the
    second 0 if there is no edge.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.

    Returns
    -------
    ndarray of shape (612,), float32

    References
    ----------
    .. [1] Dalal, N. and Triggs, B., "Histograms of oriented gradients for human detection", CVPR,
       2005.
    """
    pillow = import_optional("PIL.Image", extra="image", purpose="backbone='descriptor'")
    image = image.resize((SIDE, SIDE), pillow.Resampling.BOX)
    return np.concatenate([_colours(image), _edges(image)]).astype(np.float32)


def stack(vectors: list[np.ndarray]) -> np.ndarray:
    """Turn descriptors of pictures into an array: (n, 612) float32."""
    return np.stack(vectors)


def _colours(image: Any) -> np.ndarray:
    hue, saturation, value = np.moveaxis(np.asarray(image.convert("HSV")).astype(np.intp), 2, 0)
    hue = np.where(saturation < GREY, 0, hue * N_HUES // 256)
    bins = (hue * N_SATURATIONS + saturation * N_SATURATIONS // 256) * N_VALUES
    bins += value * N_VALUES // 256
    n_bins = N_HUES * N_SATURATIONS * N_VALUES
    half = SIDE // N_QUARTERS
    quarters = bins.reshape(N_QUARTERS, half, N_QUARTERS, half).swapaxes(1, 2).reshape(-1, half**2)
    counts = np.stack([np.bincount(quarter, minlength=n_bins) for quarter in quarters])
    return np.sqrt(counts / counts.sum()).ravel()


def _edges(image: Any) -> np.ndarray:
    feature = import_optional("skimage.feature", extra="image", purpose="backbone='descriptor'")
    edges: np.ndarray = feature.hog(
        np.asarray(image.convert("L")),
        orientations=N_DIRECTIONS,
        pixels_per_cell=(CELL, CELL),
        cells_per_block=(BLOCK, BLOCK),
        block_norm="L2-Hys",
    )
    return edges / max(np.linalg.norm(edges), 1e-12)
