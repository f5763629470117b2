"""The pixels of image files: their mode, their bit depth, and their rotation by EXIF.

Data and figures both open files here, so that a picture on a page shows what was scored.
"""

import stat
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import ExifTags, Image

# The errors that decoders raise on damaged files; each format raises different ones.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, NotImplementedError),
    Image.DecompressionBombError,
)
# Modes with more than eight bits: a conversion to RGB would clip their values at white.
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_DEEP = (*_SIXTEEN_BITS, "I", "F")
# Formats whose 16-bit values Pillow returns as 32-bit integers.
_SIXTEEN_IN_32 = ("PNG", "PPM")
_WHITE = 2**16 - 1
# TIFF tags, and the key of `Image.info` where a decoded copy keeps its black and white.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_BLACK_AND_WHITE = "black and white"
UPRIGHT = 1
_TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DAMAGED_EXIF = (*UNREADABLE, struct.error, LookupError, TypeError, EOFError)
_SPECIAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def open_file(path: Path, use: Callable[[Image.Image], Any]) -> Any:
    """Open an image file, and return what `use` returns for it.

    Args:
        path: the file.
        use: takes the opened image, whose pixels are not decoded yet.

    Raises:
        OSError: the file is missing, or is not a regular file, such as a FIFO, which may block.
        UNREADABLE: it is not an image, or is damaged.
    """
    refuse_special(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as about palettes and odd EXIF
        with Image.open(path) as image:
            return use(image)


def refuse_special(path: Path) -> None:
    """Raise OSError unless a path leads to a regular file."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path.name} is a link to a file that is not there")
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _SPECIAL.items() if is_kind(mode)), "something else")
        raise OSError(f"{path.name} is {kind}, not a file")


def file_size(path: Path) -> int | None:
    """Return the size of a file in bytes; None if there is no regular file or no access to it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_deep(image: Image.Image) -> bool:
    """Return whether a pixel has more than eight bits."""
    return image.mode in _DEEP


def as_stored(image: Image.Image, exif: bool = False) -> Image.Image:
    """Return a decoded copy: in RGB, or in its stored mode if RGB would clip its values.

    Args:
        image: an opened file.
        exif: rotate it as its EXIF says.
    """
    decoded = image.copy() if is_deep(image) else image.convert("RGB")
    transpose = _TRANSPOSE_BY_ORIENTATION.get(exif_orientation(image)) if exif else None
    if transpose is not None:
        decoded = decoded.transpose(transpose)
    decoded.format = image.format  # which says how many of the 32 bits are used
    if is_deep(image):
        decoded.info[_BLACK_AND_WHITE] = _black_and_white(image)
    return decoded


def from_0_to_1(image: Image.Image) -> Float[np.ndarray, "h w"]:
    """Return the pixels of a deep image, scaled so that black is 0 and white is 1.

    Raises:
        ValueError: the file does not say which value is white.
    """
    values = np.asarray(image)
    is_known = image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _SIXTEEN_IN_32)
    if not is_known:
        kind = "floats" if image.mode == "F" else "whole numbers of 32 bits"
        raise ValueError(
            f"its pixels are {kind} (mode {image.mode}), from {values.min():g} to "
            f"{values.max():g}, and the file does not say which value is white. Scale them in a "
            f"transform: it gets the image as stored"
        )
    black, white = image.info.get(_BLACK_AND_WHITE) or _black_and_white(image)
    return (values.astype(np.float32) - np.float32(black)) / np.float32(white - black)


def _black_and_white(image: Image.Image) -> tuple[int, int]:
    """Return the 16-bit values of black and white, which a TIFF file has in its tags."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    white = 2**bits - 1 if 1 <= bits <= 16 else _WHITE
    return (white, 0) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else (0, white)


def rgb_for_display(image: Image.Image) -> Image.Image:
    """Return an image in RGB for display; the values of a deep image are scaled, not clipped.

    If the file does not say which value is white, the largest is white and the smallest black.
    """
    if not is_deep(image):
        return image.convert("RGB")
    try:
        values = from_0_to_1(image)
    except ValueError:
        values = _stretch_to_unit_range(np.asarray(image, np.float64))
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")


def _stretch_to_unit_range(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    return np.nan_to_num((values - low) / max(high - low, 1e-12), posinf=1.0, neginf=0.0)


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened file, from 1 to 8; 1 means not rotated.

    EXIF after the pixels of a PNG does not count: it is known only once they are decoded. Pillow
    itself rotates TIFF files.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return UPRIGHT
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except _DAMAGED_EXIF:  # the pixels may still be fine
        return UPRIGHT
    return orientation if orientation in _TRANSPOSE_BY_ORIENTATION else UPRIGHT
