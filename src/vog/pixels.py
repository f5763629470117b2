"""What the pixels of an image file mean: its mode, its depth, and how its EXIF says to turn it.

Data and figures open files through this door, so that a picture on a page is what was scored.
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

# What decoders raise on damaged files; each format has its own habits.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, NotImplementedError),
    Image.DecompressionBombError,
)
# Modes with more than eight bits, which a conversion to RGB would cut off at white.
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_DEEP = (*_SIXTEEN_BITS, "I", "F")
# Formats whose whole numbers of 32 bits are what Pillow makes of 16.
_SIXTEEN_IN_32 = ("PNG", "PPM")
_WHITE = 2**16 - 1
# Tags of TIFF, and where the copy of a decoded image keeps what they say.
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
    """Return what is made of an image file while it is open.

    Args:
        path: the file.
        use: takes the image before its pixels are decoded.

    Raises:
        OSError: it is not there, or no file but something that may be waited for without end.
        UNREADABLE: no image, or damaged.
    """
    refuse_special(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # palettes, odd EXIF: Pillow copes
        with Image.open(path) as image:
            return use(image)


def refuse_special(path: Path) -> None:
    """Raise OSError unless a path leads to a file."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path.name} is a link to a file that is not there")
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _SPECIAL.items() if is_kind(mode)), "something else")
        raise OSError(f"{path.name} is {kind}, and no file")


def file_size(path: Path) -> int | None:
    """Return the bytes of a file; None where a path leads to no file that can be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_deep(image: Image.Image) -> bool:
    """Return whether a pixel has more than eight bits."""
    return image.mode in _DEEP


def as_stored(image: Image.Image, exif: bool = False) -> Image.Image:
    """Return a decoded copy: in RGB, or in its own mode where RGB would cut its values off.

    Args:
        image: an opened file.
        exif: turn it as its EXIF says.
    """
    decoded = image.copy() if is_deep(image) else image.convert("RGB")
    transpose = _TRANSPOSE_BY_ORIENTATION.get(exif_orientation(image)) if exif else None
    if transpose is not None:
        decoded = decoded.transpose(transpose)
    decoded.format = image.format  # tells how many of 32 bits are used
    if is_deep(image):
        decoded.info[_BLACK_AND_WHITE] = _black_and_white(image)
    return decoded


def from_0_to_1(image: Image.Image) -> Float[np.ndarray, "h w"]:
    """Return the pixels of a deep image, black as 0 and white as 1.

    Raises:
        ValueError: its file does not say which value is white.
    """
    values = np.asarray(image)
    is_known = image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in _SIXTEEN_IN_32)
    if not is_known:
        kind = "floats" if image.mode == "F" else "whole numbers of 32 bits"
        raise ValueError(
            f"its pixels are {kind} (mode {image.mode}), from {values.min():g} to "
            f"{values.max():g}, and which value is white the file does not say. Scale them in a "
            f"--transform: it gets the image as stored"
        )
    black, white = image.info.get(_BLACK_AND_WHITE) or _black_and_white(image)
    return (values.astype(np.float32) - np.float32(black)) / np.float32(white - black)


def _black_and_white(image: Image.Image) -> tuple[int, int]:
    """Return which values of 16 bits are black and white; a TIFF file says it in its tags."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    white = 2**bits - 1 if 1 <= bits <= 16 else _WHITE
    return (white, 0) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else (0, white)


def rgb_for_display(image: Image.Image) -> Image.Image:
    """Return an image in RGB for people: of a deep one the values are scaled, and not cut off.

    Where nobody knows which value is white, the largest is, and the smallest is black.
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
    """Return the EXIF orientation of an opened file, from 1 to 8; 1 is as it is stored.

    Of what comes before the pixels: a PNG may have EXIF at its end, which is known once it is
    decoded. TIFF files Pillow turns itself.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return UPRIGHT
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except _DAMAGED_EXIF:  # which the pixels need not be
        return UPRIGHT
    return orientation if orientation in _TRANSPOSE_BY_ORIENTATION else UPRIGHT
