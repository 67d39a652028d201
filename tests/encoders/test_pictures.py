"""Decoding pictures: every kind that a shop may hold, with the pixels that must come out."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from embrec.encoders.pictures import MAX_PIXELS, PictureError, decode

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def pixels(source, **options):
    image = decode(source, **options)
    assert image.mode == "RGB"
    return np.asarray(image)


def ramp(width=64, height=48):
    """Smooth colours, which JPEG keeps."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3, y * 4, 128 + x - y], axis=2).astype(np.uint8)


def bomb(width=60_000, height=60_000):
    """A PNG of 3.6 billion pixels, if its header is to be believed."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# ---- sound pictures


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats(format):
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(Image.fromarray(ramp()), format, **options)
    np.testing.assert_array_equal(pixels(data), ramp())


@pytest.mark.parametrize("format", ["JPEG", "JPEG2000", "WEBP", "AVIF"])
def test_lossy_formats(format):
    Image.init()
    if format not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {format}")
    data = encoded(Image.fromarray(ramp()), format)
    assert np.abs(pixels(data).astype(int) - ramp()).mean() < 4


def test_a_file_is_read_like_its_bytes(tmp_path):
    path = tmp_path / "ramp.png"
    path.write_bytes(encoded(Image.fromarray(ramp())))
    np.testing.assert_array_equal(pixels(path), ramp())


def test_greyscale_becomes_three_equal_channels():
    grey = ramp()[:, :, 0]
    data = encoded(Image.fromarray(grey))
    np.testing.assert_array_equal(pixels(data), np.stack([grey] * 3, axis=2))


def test_16_bits_are_scaled_not_clipped():
    deep = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    expected = np.array([0, 1, 128, 255])
    for data in (
        encoded(Image.fromarray(deep)),
        encoded(Image.fromarray(deep), "TIFF"),
        encoded(Image.fromarray(deep.astype(np.int32)), "TIFF"),
    ):
        np.testing.assert_array_equal(pixels(data)[0, :, 0], expected)


def test_integers_beyond_16_bits_have_no_scale():
    data = encoded(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), "TIFF")
    with pytest.raises(PictureError, match="more than 16 bits"):
        decode(data)


def test_one_bit():
    data = encoded(Image.fromarray(np.array([[True, False]])))
    np.testing.assert_array_equal(pixels(data), [[WHITE, (0, 0, 0)]])


def test_cmyk_jpeg():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(pixels(encoded(cmyk, "JPEG"))[8, 8], RED, atol=3)


def test_transparency_is_put_over_white():
    clear_red = np.array([[(255, 0, 0, 0), (255, 0, 0, 128), (255, 0, 0, 255)]], dtype=np.uint8)
    result = pixels(encoded(Image.fromarray(clear_red)))
    np.testing.assert_allclose(result, [[WHITE, (255, 127, 127), RED]], atol=1)


def test_transparent_grey():
    image = Image.merge("LA", [Image.new("L", (2, 2), 0), Image.new("L", (2, 2), 0)])
    assert (pixels(encoded(image)) == 255).all()


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"], ids=["one-colour", "alpha-per-colour"])
def test_transparent_palette(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([*BLUE, *RED])
    image.putdata([0, 1])
    data = encoded(image, transparency=transparency)
    np.testing.assert_array_equal(pixels(data), [[BLUE, WHITE]])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_counts(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert (pixels(data) == RED).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_exif_orientation(format, orientation):
    upright = np.array([[RED, GREEN, BLUE], [WHITE, (9, 9, 9), (0, 0, 0)]], dtype=np.uint8)
    # how a camera that is held that way stores the scene
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), format, exif=exif)
    np.testing.assert_array_equal(pixels(data), upright)


def test_broken_exif_leaves_the_pixels():
    data = encoded(Image.fromarray(ramp()), exif=b"Exif\0\0MM\0*nonsense")
    np.testing.assert_array_equal(pixels(data), ramp())


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[7]], dtype=np.uint8), (7, 7, 7)),
        (np.array([[[7]]], dtype=np.uint8), (7, 7, 7)),
        (np.array([[[1, 2, 3]]], dtype=np.uint8), (1, 2, 3)),
        (np.array([[[1, 2, 3, 0]]], dtype=np.uint8), WHITE),
        (np.array([[True]]), WHITE),
        (np.array([[32_896]], dtype=np.uint16), (128, 128, 128)),
        (np.array([[32_896]], dtype=">u2"), (128, 128, 128)),
        (np.array([[[0.0, 0.5, 1.0]]]), (0, 128, 255)),
        (np.array([[0.2]], dtype=np.float16), (51, 51, 51)),
    ],
    ids=["hw", "hw1", "hw3", "hw4", "bool", "uint16", "big-endian", "float64", "float16"],
)
def test_arrays(array, expected):
    np.testing.assert_array_equal(pixels(array), [[expected]])


def test_a_strided_array():
    np.testing.assert_array_equal(pixels(ramp()[::2, ::-3]), ramp()[::2, ::-3])


def test_a_pil_image_is_left_as_it_was():
    image = Image.new("RGBA", (3, 2), (255, 0, 0, 0))
    assert (pixels(image) == 255).all()
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0)) == (255, 0, 0, 0)


def test_a_large_jpeg_is_decoded_at_a_fraction():
    # 1,040 x 780 for 64 pixels: an eighth is 130 x 98, less than twice 64 in height
    image = Image.fromarray(ramp()).resize((1040, 780), Image.Resampling.BICUBIC)
    data = encoded(image, "JPEG", quality=95)
    assert decode(data).size == (1040, 780)
    reduced = decode(data, edge=64)
    assert reduced.size == (260, 195)
    small, reference = (
        np.asarray(i.resize((64, 48), Image.Resampling.BILINEAR), dtype=int)
        for i in (reduced, decode(data))
    )
    assert np.abs(small - reference).max() <= 3


def test_a_small_jpeg_is_decoded_whole():
    data = encoded(Image.new("RGB", (400, 250)), "JPEG")
    assert decode(data, edge=64 * 2).size == (400, 250)


# ---- broken pictures


def test_a_truncated_jpeg():
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)), "JPEG")
    with pytest.raises(PictureError, match="truncated"):
        decode(data[: len(data) // 2])


def test_a_truncated_png():
    data = encoded(Image.fromarray(ramp()))
    with pytest.raises(PictureError):
        decode(data[: len(data) // 2])


def test_a_bomb_is_refused_before_decoding():
    with pytest.raises(
        PictureError, match="60000 x 60000 pixels are more than max_pixels=89478485"
    ):
        decode(bomb())


@pytest.mark.parametrize("size", [(9_500, 9_500), (14_000, 14_000)], ids=["warned-of", "refused"])
def test_the_limits_of_pillow_itself_do_not_show(size):
    assert size[0] * size[1] > MAX_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(PictureError, match="max_pixels"):
            decode(bomb(*size))
    assert caught == []


def test_max_pixels_is_inclusive():
    for source in (encoded(Image.new("RGB", (4, 5))), Image.new("RGB", (4, 5)), ramp(4, 5)):
        assert decode(source, max_pixels=20).size == (4, 5)
        with pytest.raises(PictureError, match="4 x 5 pixels are more than max_pixels=19"):
            decode(source, max_pixels=19)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"Not a picture, but a text that somebody called one.", "format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format"),
        (b"\x89PNG\r\n\x1a\n", "."),
        (b"\xff\xd8\xff", "."),
        (b"GIF89a", "."),
    ],
    ids=["empty", "text", "svg", "eps", "png", "jpeg", "gif"],
)
def test_bytes_that_are_no_picture(data, reason):
    with pytest.raises(PictureError, match=reason):
        decode(data)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(PictureError, match="No such file"):
        decode(tmp_path / "none.jpg")
    with pytest.raises(PictureError, match="not a file"):
        decode(tmp_path)
    with pytest.raises(PictureError, match="null"):
        decode(Path("a\0b.jpg"))
    with pytest.raises(PictureError, match="too long"):
        decode(tmp_path / ("x" * 5000))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(PictureError, match="symbolic links"):
        decode(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureError, match="not a file"):
        decode(tmp_path / "pipe")


def test_a_file_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(Image.new("RGB", (2, 2))))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    # root may read what nobody may
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PictureError, match="Permission denied"):
        decode(path)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("https://shop.example/a.jpg", "downloads nothing: download it first"),
        (3.5, "float is no picture"),
        ({"path": "a"}, "dict is no picture"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "no pixels"),
        (np.zeros(5, dtype=np.uint8), "no pixels"),
        (np.zeros((3, 4, 5), dtype=np.uint8), r"shape \(3, 4, 5\)"),
        (np.zeros((2, 4, 4, 3), dtype=np.uint8), r"shape \(2, 4, 4, 3\)"),
        (np.zeros((4, 4), dtype=np.int64), "int64"),
        (np.full((4, 4), "a"), "<U1"),
        (np.full((4, 4), 1.5), "from 0 to 1"),
        (np.full((4, 4), np.nan), "from 0 to 1"),
        (Image.new("RGB", (0, 3)), "no pixels"),
    ],
    ids=[
        *("url", "number", "dict", "no-height", "1-d", "channels-first", "4-d"),
        *("int64", "text", "too-large", "nan", "pil-without-width"),
    ],
)
def test_what_is_no_picture(source, reason):
    with pytest.raises(PictureError, match=reason):
        decode(source)


def test_a_closed_pil_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(ramp())))
    image = Image.open(path)
    image.close()
    with pytest.raises(PictureError):
        decode(image)


SOUND = {
    format: encoded(Image.fromarray(ramp(24, 20)), format)
    for format in ("JPEG", "PNG", "GIF", "WEBP")
}


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_random_bytes_raise_nothing_else(data):
    with pytest.raises(PictureError):
        decode(data)


@given(
    st.sampled_from(sorted(SOUND)),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.one_of(st.none(), st.just(8)),
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_raise_nothing_else(format, kept, changes, edge):
    data = bytearray(SOUND[format])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        image = decode(bytes(data[: int(kept * len(data)) + 1]), edge=edge, max_pixels=10**6)
    except PictureError:
        return
    assert image.mode == "RGB"
    assert 0 < image.width * image.height <= 10**6
