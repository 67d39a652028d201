"""Pictures of the generated shop, drawn with Pillow."""

import io
import math
from typing import Any

from embrec._utils.optional import import_optional
from embrec.datasets._shop_text import STYLES


def draw_picture(category: int, style: int, number: int, size: int) -> Any:
    """Draw a star or polygon with as many corners as the category says, in the style's colour.

    Parameters
    ----------
    category, style : int
    number : int
        Of the item: turns the shape, so that no two pictures need be alike.
    size : int
        Side in pixels.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    image_module = import_optional("PIL.Image", extra="image", purpose="draw_picture")
    draw_module = import_optional("PIL.ImageDraw", extra="image", purpose="draw_picture")
    colour = list(STYLES.values())[style][1]
    image = image_module.new("RGB", (size, size), (245, 245, 240))
    corners, star = 3 + category % 6, category >= 6
    points = []
    for i in range(2 * corners):
        radius = 0.45 * size * (0.5 if star and i % 2 else 1.0)
        angle = math.pi * (i / corners) + 0.1 * (number % 7)
        points.append((size / 2 + radius * math.cos(angle), size / 2 + radius * math.sin(angle)))
    draw_module.Draw(image).polygon(points, fill=colour, outline=(20, 20, 20))
    return image


def draw_png(category: int, style: int, number: int, size: int) -> bytes:
    """Draw as `draw_picture` does; return a PNG file."""
    file = io.BytesIO()
    draw_picture(category, style, number, size).save(file, format="PNG")
    return file.getvalue()
