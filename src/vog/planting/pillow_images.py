"""Pillow images: opened with all their depth, altered, and encoded as the file they came from."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

from vog.data.examples import UnreadableError
from vog.data.images import open_image
from vog.planting.corruptions import BLUR, BLURRED, Values, altered, image_axes

# Kept as they are: bytes of one colour or three, and sixteen bits. All else becomes RGB.
_DEEP = "I;16"
_MODES = ("L", "RGB", _DEEP)
# How many values of one image tell what values images have.
_LOOKED_AT = 10_000
# Sixteen bits for a step of eight.
_STEP = 257.0


def open_with_format(path: Path) -> Image.Image:
    """The image of a file, decoded; it knows its format and what is written beside the pixels.

    Raises:
        UnreadableError: Pillow cannot decode it.
    """
    return open_image(path, _decoded)


def _decoded(image: Image.Image) -> Image.Image:
    image.load()
    kept = image.copy()
    kept.format = image.format
    kept.info = dict(image.info)
    return kept


def bytes_of(image: Image.Image) -> Float[np.ndarray, "n"]:
    """Some values of an opened image, spread evenly, from 0 to 255 whatever its depth."""
    own = plain(image)
    flat = np.asarray(own).reshape(-1)
    some = flat[:: max(1, len(flat) // _LOOKED_AT)].astype(np.float64)
    return some / _STEP if own.mode == _DEEP else some


def can_be_altered(path: Path) -> bool:
    """Whether a file can be decoded, and has pixels enough."""
    try:
        return is_large_enough(open_with_format(path))
    except UnreadableError:
        return False


def is_large_enough(image: Image.Image) -> bool:
    """Whether it has pixels enough to be altered."""
    return image_axes(image.size) is not None


def plain(image: Image.Image) -> Image.Image:
    """The image, in RGB if its pixels are anything but shades or colours."""
    return image if image.mode in _MODES else image.convert("RGB")


def altered_picture(
    image: Image.Image, how: str, values: Values, rng: np.random.Generator
) -> Image.Image:
    """The image altered as `corruptions.altered` says, which would blur large ones slowly.

    Args:
        image: any.
        how: one of the ways.
        values: from 0 to 255.
        rng: decides on everything that is random.
    """
    own = plain(image)
    if own.mode == _DEEP:
        made = Image.fromarray(altered(np.asarray(own), how, values.times(_STEP), rng))
    elif how == BLUR:
        made = own.filter(ImageFilter.GaussianBlur(BLURRED * min(own.size)))
    else:
        made = Image.fromarray(altered(np.asarray(own), how, values, rng))
    made = _as_was(made, image)
    made.format, made.info = image.format, dict(image.info)
    return made


def _as_was(made: Image.Image, image: Image.Image) -> Image.Image:
    """In the mode of the image, and as transparent."""
    if made.mode == image.mode:
        return made
    # Pillow converts to a palette for the web, whose dithering would show what was altered.
    again = made.quantize(256) if image.mode == "P" else made.convert(image.mode)
    if image.mode in ("RGBA", "LA"):
        again.putalpha(image.getchannel("A"))
    return again


def encode_like_original(image: Image.Image) -> tuple[bytes, str | None]:
    """The bytes of a file in the format that the image came from, or else PNG.

    Returns: the bytes, and the ending `.png` where the format had to change, else None.
    """
    Image.init()
    if image.format in Image.SAVE:
        try:
            return _saved(image, image.format), None
        except (OSError, ValueError, KeyError):  # pixels that this format has no room for
            pass
    return _saved(image, "PNG"), ".png"


def _saved(image: Image.Image, form: str) -> bytes:
    # Without its EXIF a photo that a training pipeline turns upright would lie on its side.
    beside: dict[str, Any] = {
        key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)
    }
    if form in ("JPEG", "MPO"):  # which is a JPEG of several pictures
        beside["quality"] = 90
    file = BytesIO()
    image.save(file, form, **beside)
    return file.getvalue()
