"""The transform `tf1`: images resized as TensorFlow 1 did by default, which Pillow cannot.

`tf.image.resize_bilinear` of TensorFlow 1 takes the value of an output pixel at `position * scale`
of the input, without the half pixel that others add, and between two input pixels, however many of
them an output pixel covers.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Real
from PIL import Image

from vog import pixels
from vog.data import pixel_values

SHORTER, CROP = 256, 224


def tf1(image: Image.Image) -> Float[np.ndarray, "3 224 224"]:
    """Return the centre 224 x 224 at a shorter side of 256, normalised as for ImageNet.

    The longer side and the corner of the crop are rounded down, as TensorFlow's casts to integers
    do.

    Raises:
        ValueError: the image does not say which of its values is white.
    """
    if pixels.is_deep(image):
        values = pixels.from_0_to_1(image)[..., None] * np.float32(pixel_values.BLACK_TO_WHITE)
    else:
        values = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    height, width = values.shape[:2]
    shorter = min(height, width)
    size = SHORTER * height // shorter, SHORTER * width // shorter
    centre = resize_bilinear(values, size, ((size[0] - CROP) // 2, (size[1] - CROP) // 2), CROP)
    return pixel_values.normalised(np.broadcast_to(centre, (CROP, CROP, 3)))


def resize_bilinear(
    values: Real[np.ndarray, "h w c"],
    size: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
    length: int | None = None,
) -> Float[np.ndarray, "new_h new_w c"]:
    """Return an image at another size, in float32, as `resize_bilinear` of TensorFlow 1 does.

    Args:
        values: the image.
        size: height and width after resizing.
        corner: row and column of a square to return alone; nothing else is computed.
        length: of its sides; None for the whole image.
    """
    lengths = size if length is None else (length, length)
    rows, columns = (
        _neighbours(*axis) for axis in zip(values.shape, size, corner, lengths, strict=False)
    )
    upper, lower = (
        _between(line[:, columns.before], line[:, columns.after], columns.share[:, None])
        for line in (values[rows.before], values[rows.after])
    )
    return _between(upper, lower, rows.share[:, None, None])


@dataclass(frozen=True)
class _Neighbours:
    """The two input positions that each output position lies between.

    Attributes:
        before: the position before it.
        after: the position after it; at the end, the last.
        share: the part of the way from the one before to the one after.
    """

    before: Int[np.ndarray, "n"]
    after: Int[np.ndarray, "n"]
    share: Float[np.ndarray, "n"]


def _neighbours(old: int, new: int, start: int, count: int) -> _Neighbours:
    """Return those of `count` output positions from `start`, in float32 like TensorFlow."""
    scale = np.float32(old) / np.float32(new)
    positions = np.arange(start, start + count, dtype=np.float32) * scale
    before = np.floor(positions).astype(np.int64)
    share = positions - before.astype(np.float32)
    return _Neighbours(before, np.minimum(before + 1, old - 1), share)


def _between(
    before: Real[np.ndarray, "h w c"],
    after: Real[np.ndarray, "h w c"],
    share: Float[np.ndarray, "..."],
) -> Float[np.ndarray, "h w c"]:
    first = before.astype(np.float32)
    return first + (after.astype(np.float32) - first) * share
