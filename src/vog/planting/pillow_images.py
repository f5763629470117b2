"""Pillow images: opened with all their depth, altered, and encoded as the file they came from."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

from vog.data.examples import UnreadableError
from vog.data.images import open_image
from vog.planting.corruptions import BLUR, BLUR_SHARE, Values, alter, image_axes

# Kept as they are: bytes of one colour or three, and sixteen bits. All else becomes RGB.
_DEEP = "I;16"
_MODES = ("L", "RGB", _DEEP)
# How many values of one image tell what values images have.
_SAMPLE = 10_000
# Sixteen bits for a step of eight.
_DEEP_SCALE = 257.0


def open_with_format(path: Path) -> Image.Image:
    """The image of a file, decoded; it knows its format and what is written beside the pixels.

    Raises:
        UnreadableError: Pillow cannot decode it.
    """
    return open_image(path, _decode)


def _decode(image: Image.Image) -> Image.Image:
    image.load()
    image_copy = image.copy()
    image_copy.format = image.format
    image_copy.info = dict(image.info)
    return image_copy


def sample_levels(image: Image.Image) -> Float[np.ndarray, "n"]:
    """Some values of an opened image, spread evenly, from 0 to 255 whatever its depth."""
    plain = to_plain_mode(image)
    flat = np.asarray(plain).reshape(-1)
    levels = flat[:: max(1, len(flat) // _SAMPLE)].astype(np.float64)
    return levels / _DEEP_SCALE if plain.mode == _DEEP else levels


def can_be_altered(path: Path) -> bool:
    """Whether a file can be decoded, and has pixels enough."""
    try:
        return is_large_enough(open_with_format(path))
    except UnreadableError:
        return False


def is_large_enough(image: Image.Image) -> bool:
    """Whether it has pixels enough to be altered."""
    return image_axes(image.size) is not None


def to_plain_mode(image: Image.Image) -> Image.Image:
    """The image, in RGB if its pixels are anything but shades or colours."""
    return image if image.mode in _MODES else image.convert("RGB")


def alter_picture(
    image: Image.Image, method: str, values: Values, rng: np.random.Generator
) -> Image.Image:
    """The image altered as `corruptions.altered` says, which would blur large ones slowly.

    Args:
        image: any.
        how: one of the ways.
        values: from 0 to 255.
        rng: decides on everything that is random.
    """
    plain = to_plain_mode(image)
    if plain.mode == _DEEP:
        altered = Image.fromarray(alter(np.asarray(plain), method, values.times(_DEEP_SCALE), rng))
    elif method == BLUR:
        altered = plain.filter(ImageFilter.GaussianBlur(BLUR_SHARE * min(plain.size)))
    else:
        altered = Image.fromarray(alter(np.asarray(plain), method, values, rng))
    altered = _restore_mode(altered, image)
    altered.format, altered.info = image.format, dict(image.info)
    return altered


def _restore_mode(altered: Image.Image, image: Image.Image) -> Image.Image:
    """In the mode of the image, and as transparent."""
    if altered.mode == image.mode:
        return altered
    # Pillow converts to a palette for the web, whose dithering would show what was altered.
    converted = altered.quantize(256) if image.mode == "P" else altered.convert(image.mode)
    if image.mode in ("RGBA", "LA"):
        converted.putalpha(image.getchannel("A"))
    return converted


def encode_like_original(image: Image.Image) -> tuple[bytes, str | None]:
    """The bytes of a file in the format that the image came from, or else PNG.

    Returns: the bytes, and the ending `.png` where the format had to change, else None.
    """
    Image.init()
    if image.format in Image.SAVE:
        try:
            return _encode(image, image.format), None
        except (OSError, ValueError, KeyError):  # pixels that this format has no room for
            pass
    return _encode(image, "PNG"), ".png"


def _encode(image: Image.Image, format_name: str) -> bytes:
    # Without its EXIF a photo that a training pipeline turns upright would lie on its side.
    save_options: dict[str, Any] = {
        key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)
    }
    if format_name in ("JPEG", "MPO"):  # which is a JPEG of several pictures
        save_options["quality"] = 90
    file = BytesIO()
    image.save(file, format_name, **save_options)
    return file.getvalue()
