"""Pictures of the shop."""

import io
import sys

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import make_shop
from embrec.datasets._shop_pictures import draw_picture, draw_png
from embrec.datasets._shop_text import CATEGORIES, STYLES

Image = pytest.importorskip("PIL.Image", reason="needs the extra 'image'")


def test_pictures_show_style_and_category():
    shop = make_shop(10, 200, random_state=0)
    style, category = shop.model.style, shop.model.category
    same = np.flatnonzero((style == style[0]) & (category != category[0]))[0]
    pictures = {i: np.asarray(shop.draw_picture(f"I{i:05d}", size=32)) for i in (0, same)}
    assert pictures[0].shape == (32, 32, 3)
    # the middle has the colour of the style
    np.testing.assert_array_equal(pictures[0][16, 16], pictures[same][16, 16])
    assert not np.array_equal(pictures[0], pictures[same])


def test_pictures_in_the_catalogue():
    shop = make_shop(10, 200, pictures=True, random_state=0)
    for row in (0, 7, 199):
        stored = Image.open(io.BytesIO(shop.items["image"][row]))
        assert (stored.format, stored.size) == ("PNG", (64, 64))
        drawn = shop.draw_picture(shop.items["item"][row])
        np.testing.assert_array_equal(np.asarray(stored), np.asarray(drawn))
    plain = make_shop(10, 200, random_state=0)
    pd.testing.assert_frame_equal(plain.items, shop.items.drop(columns="image"))


def test_without_pillow_there_are_shops_but_no_pictures(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    shop = make_shop(10, 200, random_state=0)
    for ask in (lambda: shop.draw_picture("I00000"), lambda: make_shop(10, 200, pictures=True)):
        with pytest.raises(ImportError, match=r'pip install "embrec\[image\]"'):
            ask()


def n_arms(picture):
    """How often the outline leaves a circle near its corners: once for each of them."""
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    centre = picture.width / 2
    x, y = (np.rint(centre + 0.4 * picture.width * f(angles)).astype(int) for f in (np.cos, np.sin))
    inside = (np.asarray(picture)[y, x] != (245, 245, 240)).any(axis=1)
    return np.count_nonzero(inside & ~np.roll(inside, 1))


@pytest.mark.parametrize("category", range(6, len(CATEGORIES)), ids=str)
def test_stars_have_as_many_arms_as_the_category_says(category):
    assert n_arms(draw_picture(category, 0, 0, 256)) == 3 + category % 6


def test_every_category_has_a_shape_and_every_style_a_colour():
    shapes = {draw_png(c, 0, 0, 64) for c in range(len(CATEGORIES))}
    assert len(shapes) == len(CATEGORIES)
    middles = [draw_picture(0, s, 0, 32).getpixel((16, 16)) for s in range(len(STYLES))]
    assert middles == [colour for _, colour in STYLES.values()]


def test_items_of_one_kind_are_turned():
    pictures = [draw_png(4, 2, number, 64) for number in range(8)]
    assert len(set(pictures)) == 7
    assert pictures[7] == pictures[0]
