"""Pictures as shops keep them, sound and broken, to RGB images of 8 bits."""

import os
import stat
import struct
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from embrec._utils.optional import import_optional
from embrec.encoders.protocol import EncodingError

if TYPE_CHECKING:
    from PIL.Image import Image

#: The size from which Pillow itself warns of decompression bombs.
MAX_PIXELS = 89_478_485
#: What is read. Not all that Pillow knows: for some formats it starts other programs.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF"),
    *("BMP", "TIFF", "JPEG2000", "MPO", "ICO", "PPM"),
)
#: Position of the first pixel, as EXIF counts, and the name of what puts it at the top left.
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_EXIF_ORIENTATION = 0x0112


#: When a file was written (nanoseconds), its size, and its number.
FileStamp: TypeAlias = tuple[int, int, int]


class PictureError(EncodingError):
    """A picture that cannot be read; the message says why, without naming it."""


def decode(
    source: Any,
    *,
    max_pixels: int = MAX_PIXELS,
    edge: int | None = None,
    stamp: FileStamp | None = None,
) -> "Image":
    """Read a picture.

    Parameters
    ----------
    source : Path, bytes, ndarray or PIL.Image.Image
        A file, its content, or pixels: (height, width) or (height, width, 1, 3 or 4), of dtype
        uint8, uint16, bool, or float from 0 to 1.
    max_pixels : int, default=MAX_PIXELS
        Pictures with more are refused before they are decoded.
    edge : int or None, default=None
        To how many pixels the picture will be scaled down. Allows to decode a JPEG at half, a
        quarter or an eighth of its size.
    stamp : tuple or None, default=None
        Which version of a file is meant; another one is an error.

    Returns
    -------
    PIL.Image.Image
        RGB; upright as EXIF says; over white where it was transparent; the first frame if it
        moves.

    Raises
    ------
    PictureError
        If that is impossible, for whatever reason.
    ImportError
        If Pillow is missing.
    """
    pillow = _pillow()
    try:
        if isinstance(source, np.ndarray):
            check_size(source.shape[1::-1], max_pixels)
            return _to_rgb(_from_array(source))
        if isinstance(source, pillow.Image):
            check_size(source.size, max_pixels)
            return _to_rgb(_upright(source))
        with open_picture(source) as stream, _open_image(stream) as image:
            if stamp is not None and stream_stamp(stream) != stamp:
                raise PictureError("was changed while it was read")
            check_size(image.size, max_pixels)
            if edge is not None and image.format in ("JPEG", "MPO"):
                # stays twice as large as needed both ways, so that scaling it down has enough
                # pixels to average; changes values by less than a unit or two of 255
                image.draft(None, (2 * edge, 2 * edge))
            image.load()
            return _to_rgb(_upright(image))
    except PictureError:
        raise
    except Exception as error:  # a broken file makes a decoder raise just about anything
        raise PictureError(_reason(error)) from error


def open_picture(source: Any) -> BytesIO | BufferedReader:
    """Open the file of a picture, or its bytes.

    Raises
    ------
    PictureError
        If `source` is neither, or cannot be opened.
    """
    if isinstance(source, bytes):
        return BytesIO(source)
    if isinstance(source, str):
        raise PictureError("embrec downloads nothing: download it first")
    if not isinstance(source, Path):
        raise PictureError(f"{type(source).__name__} is no picture")
    try:
        # before opening: a named pipe would wait for its writer
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise PictureError("not a file")
        return source.open("rb")
    except (OSError, ValueError) as error:
        raise PictureError(_reason(error)) from error


def stream_stamp(stream: BytesIO | BufferedReader) -> FileStamp | None:
    """Tell one version of an open file from the next; None for bytes."""
    if isinstance(stream, BytesIO):
        return None
    status = os.fstat(stream.fileno())
    return status.st_mtime_ns, status.st_size, status.st_ino


def check_size(size: tuple[int, ...], max_pixels: int) -> None:
    """Raise a PictureError unless a width and height are those of a picture to decode."""
    if len(size) != 2 or not all(size):
        raise PictureError("has no pixels")
    width, height = size
    if width * height > max_pixels:
        raise PictureError(f"{width} x {height} pixels are more than max_pixels={max_pixels}")


def orientation(image: "Image") -> int:
    """Return the EXIF orientation; 1, which is upright, if there is none to be read."""
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # broken metadata; the pixels may be sound
        return 1


def _pillow() -> Any:
    return import_optional("PIL.Image", extra="image", purpose="ImageFeaturizer")


def _open_image(stream: BinaryIO) -> "Image":
    """Do as Image.open does, but for its warning of large pictures.

    The limit is ours, and a warning could only be caught by changing what all threads see.
    """
    pillow = _pillow()
    pillow.init()
    prefix = stream.read(16)
    if not prefix:
        raise PictureError("is empty")
    for name in FORMATS:
        factory, accept = pillow.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(prefix) is not True):
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # what factories raise when a file is of another format
    raise PictureError("not a picture in a format that is read")


def _upright(image: "Image") -> "Image":
    turn = _UPRIGHT.get(orientation(image))
    return image if turn is None else image.transpose(_pillow().Transpose[turn])


def _to_rgb(image: "Image") -> "Image":
    pillow = _pillow()
    if image.mode[0] in "IF":  # 16 bits, 32 bits, floats: Pillow would clip them
        image = _from_array(_numbers(image))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = pillow.new("RGBA", image.size, "white")
    return pillow.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _numbers(image: "Image") -> np.ndarray:
    values: np.ndarray = np.asarray(image)
    if image.mode != "I":
        return values
    # 32 bits wide, for files of 16 bits
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise PictureError("has values of more than 16 bits")
    return values.astype(np.uint16)


def _from_array(array: np.ndarray) -> "Image":
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PictureError(f"an array of shape {array.shape} is no picture")
    return _pillow().fromarray(_to_8_bits(array))


def _to_8_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array * np.uint8(255)
    if array.dtype.newbyteorder("=") == np.uint16:
        # 65535 = 255 * 257
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind != "f":
        raise PictureError(f"an array of {array.dtype} is no picture")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        raise PictureError("an array of floats that are not all from 0 to 1")
    return np.rint(array * 255).astype(np.uint8)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0]
