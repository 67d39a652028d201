"""What tells pictures apart."""

from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import encoded, picture
from PIL import Image

from embrec.encoders.picture_keys import tell_apart

RED, BLUE = (255, 0, 0), (0, 0, 255)


def keys(*sources, read_files=True):
    pictures = tell_apart(sources, max_pixels=1000, read_files=read_files)
    return [None if picture is None else picture.key for picture in pictures]


def test_equal_contents_have_equal_keys(tmp_path):
    data = encoded(Image.new("RGB", (2, 2)))
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        path.write_bytes(data)
    assert len(set(keys(*paths, data))) == 1
    assert len(set(keys(*paths, paths[0], read_files=False))) == 2


def test_equal_pictures_in_memory_have_equal_keys():
    image = picture(0, 20, 10)
    pixels = np.asarray(image)
    assert len(set(keys(image, image.copy()))) == 1
    assert len(set(keys(pixels, pixels.copy(), np.asfortranarray(pixels)))) == 1


def test_unequal_contents_have_unequal_keys():
    red, blue = Image.new("P", (2, 2)), Image.new("P", (2, 2))
    red.putpalette(RED)
    blue.putpalette(BLUE)
    turned = Image.new("P", (2, 2))
    turned.putpalette(RED)
    turned.getexif()[0x0112] = 6
    clear = Image.new("P", (2, 2))
    clear.putpalette(RED)
    clear.info["transparency"] = 0
    zeros = np.zeros((2, 6), dtype=np.uint8)
    arrays = [zeros, zeros.reshape(6, 2), zeros.astype(bool), zeros.reshape(2, 2, 3)]
    assert len(set(keys(red, blue, turned, clear, *arrays, zeros.tobytes()))) == 9


def test_what_cannot_be_read_has_no_key(tmp_path):
    unreadable = [None, tmp_path, tmp_path / "none", "http://a/b", 7, np.array([[None]])]
    assert keys(*unreadable, Image.new("RGB", (100, 100))) == [None] * 7


def test_a_closed_picture_has_no_key(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture(0, 20, 10)))
    image = Image.open(path)
    image.close()
    assert keys(image) == [None]


def test_a_picture_that_was_only_opened_is_decoded(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture(0, 20, 10)))
    with Image.open(path) as opened:
        assert keys(opened) == keys(picture(0, 20, 10)) != keys(picture(1, 20, 10))
    broken = path.read_bytes()[:100]
    path.write_bytes(broken)
    with Image.open(path) as opened:
        assert keys(opened) == [None]
    # whose bytes have a key nevertheless: they are not decoded for it
    assert keys(path) == keys(broken) != [None]


def test_max_pixels_is_inclusive():
    assert None not in keys(Image.new("RGB", (25, 40)))
    assert keys(Image.new("RGB", (25, 41))) == [None]


def test_a_file_is_read_once_for_its_key(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.new("RGB", (2, 2))))
    opened, open_path = [], Path.open

    def spy(self, *arguments):
        opened.append(self)
        return open_path(self, *arguments)

    monkeypatch.setattr(Path, "open", spy)
    keys(path, path, path)
    assert opened == [path]
    keys(path, path, read_files=False)
    assert opened == [path]


@pytest.mark.parametrize("read_files", [True, False], ids=["read", "by-path"])
def test_the_version_that_was_read_is_remembered(tmp_path, read_files):
    path = tmp_path / "a.png"
    path.write_bytes(b"anything")
    [by_path, by_bytes, nothing] = tell_apart(
        [path, b"anything", None], max_pixels=1, read_files=read_files
    )
    status = path.stat()
    version = (status.st_mtime_ns, status.st_size, status.st_ino)
    assert by_path.stamp == (version if read_files else None)
    assert (by_path.source, by_bytes.source, by_bytes.stamp) == (path, b"anything", None)
    assert nothing is None
    # a path that is not read may name a file that is not there
    assert (keys(tmp_path / "none", read_files=read_files) == [None]) is read_files
