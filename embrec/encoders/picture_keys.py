"""What tells one picture from another, without decoding files."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embrec.encoders.pictures import (
    FileStamp,
    PictureError,
    check_size,
    open_picture,
    orientation,
    stream_stamp,
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is to be encoded.

    Parameters
    ----------
    source : Path, bytes, ndarray or PIL.Image.Image
    key : bytes
        Pictures with equal keys look the same.
    stamp : tuple or None, default=None
        Which version of a file was read for the key; None if none was.
    """

    source: Any
    key: bytes
    stamp: FileStamp | None = None


def tell_apart(
    sources: Sequence[Any], *, max_pixels: int, read_files: bool
) -> list[Picture | None]:
    """Give every picture its key.

    Parameters
    ----------
    sources : sequence of Path, bytes, ndarray, PIL.Image.Image or None
    max_pixels : int
        A picture opened with Pillow that has more is not decoded for its key.
    read_files : bool
        Whether files are known by what is in them, each read once, rather than by their path.

    Returns
    -------
    list of Picture or None
        None for None, and for what certainly cannot be read.
    """
    pictures: list[Picture | None] = []
    by_path: dict[Path, Picture | None] = {}
    for source in sources:
        if not isinstance(source, Path):
            pictures.append(_picture(source, max_pixels, read_files))
            continue
        if source not in by_path:
            by_path[source] = _picture(source, max_pixels, read_files)
        pictures.append(by_path[source])
    return pictures


def _picture(source: Any, max_pixels: int, read_files: bool) -> Picture | None:
    if source is None:
        return None
    try:
        if read_files and isinstance(source, Path | bytes):
            return _file_picture(source)
        return Picture(source, _key(source, max_pixels))
    except PictureError:
        return None


def _file_picture(source: Path | bytes) -> Picture:
    with open_picture(source) as stream:
        try:
            key = hashlib.file_digest(stream, _hasher("file")).digest()
        except OSError as error:
            raise PictureError(str(error)) from error
        return Picture(source, key, stream_stamp(stream))


def _key(source: Any, max_pixels: int) -> bytes:
    if isinstance(source, Path):
        return _hash("path", str(source).encode(errors="surrogatepass"))
    if isinstance(source, np.ndarray):
        if source.dtype.kind not in "bufi":
            raise PictureError(f"an array of {source.dtype} is no picture")
        return _hash("array", repr((source.dtype.str, source.shape)).encode(), source.tobytes())
    if hasattr(source, "getpalette"):
        return _image_key(source, max_pixels)
    if isinstance(source, bytes):
        return _hash("file", source)
    raise PictureError("no picture")


def _image_key(image: Any, max_pixels: int) -> bytes:
    check_size(image.size, max_pixels)
    try:
        pixels = image.tobytes()  # decodes a file that was only opened
        palette = image.palette and (image.palette.mode, image.palette.tobytes())
        looks = (palette, image.info.get("transparency"), orientation(image))
    except Exception as error:  # a broken file makes a decoder raise just about anything
        raise PictureError(str(error)) from error
    return _hash("image", repr((image.mode, image.size, *looks)).encode(), pixels)


def _hash(kind: str, *parts: bytes) -> bytes:
    digest = _hasher(kind)()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _hasher(kind: str) -> "Callable[[], hashlib.blake2b]":
    return lambda: hashlib.blake2b(digest_size=16, person=kind.encode())
