"""Pillow images: open them with their full depth, alter them, and encode them as before."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

from vog.data.examples import UnreadableError
from vog.data.images import open_image
from vog.planting.corruptions import BLUR, BLUR_SHARE, Values, alter, image_axes

# Images of these modes are altered as they are; all others are converted to RGB.
_DEEP = "I;16"
_MODES = ("L", "RGB", _DEEP)
# The number of values taken from one image for the statistics.
_SAMPLE = 10_000
# From 8 bits to 16: 65535 / 255.
_DEEP_SCALE = 257.0


def open_with_format(path: Path) -> Image.Image:
    """Return the decoded image of a file, with its format and metadata.

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
    """Return some values of an image, evenly spaced and scaled to [0, 255] for any depth."""
    plain = to_plain_mode(image)
    flat = np.asarray(plain).reshape(-1)
    levels = flat[:: max(1, len(flat) // _SAMPLE)].astype(np.float64)
    return levels / _DEEP_SCALE if plain.mode == _DEEP else levels


def can_be_altered(path: Path) -> bool:
    """Return whether a file can be decoded, and has enough pixels."""
    try:
        return is_large_enough(open_with_format(path))
    except UnreadableError:
        return False


def is_large_enough(image: Image.Image) -> bool:
    """Return whether an image has enough pixels to be altered."""
    return image_axes(image.size) is not None


def to_plain_mode(image: Image.Image) -> Image.Image:
    """Return the image, converted to RGB if its mode is none of `_MODES`."""
    return image if image.mode in _MODES else image.convert("RGB")


def alter_picture(
    image: Image.Image, method: str, values: Values, rng: np.random.Generator
) -> Image.Image:
    """Return the image altered as by `corruptions.alter`, with a faster blur.

    Args:
        image: of any mode.
        method: as for `corruptions.alter`.
        values: the statistics of the data, in [0, 255].
        rng: decides everything that is random.
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
    """Convert to the mode of the image, with its transparency."""
    if altered.mode == image.mode:
        return altered
    # Not `convert`: its web palette dithers, which would reveal the altered images.
    converted = altered.quantize(256) if image.mode == "P" else altered.convert(image.mode)
    if image.mode in ("RGBA", "LA"):
        converted.putalpha(image.getchannel("A"))
    return converted


def encode_like_original(image: Image.Image) -> tuple[bytes, str | None]:
    """Encode an image in its original format, or else as PNG.

    Returns: the bytes, and the ending `.png` if the format had to change, else None.
    """
    Image.init()
    if image.format in Image.SAVE:
        try:
            return _encode(image, image.format), None
        except (OSError, ValueError, KeyError):  # the format cannot hold such pixels
            pass
    return _encode(image, "PNG"), ".png"


def _encode(image: Image.Image, format_name: str) -> bytes:
    # Keep EXIF: training code turns photos upright by it.
    save_options: dict[str, Any] = {
        key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)
    }
    if format_name in ("JPEG", "MPO"):  # MPO: a JPEG file with several pictures
        save_options["quality"] = 90
    file = BytesIO()
    image.save(file, format_name, **save_options)
    return file.getvalue()
