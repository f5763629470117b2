"""Alterations of arrays: corruptions, near duplicates, and examples of no class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy import ndimage

NOISE, BLUR, OCCLUSION = "noise", "blur", "occlusion"
SHIFTED, JITTERED = "shifted", "jittered"
PATCHES, STATIC, COLUMNS, OTHER = "patches", "static", "columns", "other"
CORRUPTIONS = (NOISE, BLUR, OCCLUSION)

# Standard deviations, as a share of the range of values.
_NOISE, _JITTER = 0.25, 0.01
# The standard deviation of the blur, as a share of the shorter side.
BLUR_SHARE = 0.06
_GRID = 4
# Models see images at about this many pixels a side; shrinking would average finer noise away.
_GRAINS_PER_SIDE = 256

Item = Shaped[np.ndarray, "*item"]


@dataclass(frozen=True)
class Values:
    """Statistics of the values: numbers for images, else arrays of the shape of an item.

    Attributes:
        low: the lowest value; for images of type uint8, black.
        high: the highest value; for images of type uint8, white.
        mean: of all values.
        sd: the standard deviation of all values.
    """

    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]
    mean: Float[np.ndarray, "..."]
    sd: Float[np.ndarray, "..."]

    @classmethod
    def make(cls, low: Any, high: Any, mean: Any, sd: Any) -> "Values":
        """Return statistics from numbers or arrays of any type."""
        return cls(*(np.asarray(value, np.float64) for value in (low, high, mean, sd)))

    def times(self, factor: float) -> "Values":
        """Return the statistics of the values multiplied by a factor."""
        return Values.make(*(factor * value for value in (self.low, self.high, self.mean, self.sd)))

    @property
    def span(self) -> Float[np.ndarray, "..."]:
        """Return `high - low`; 1 where all values are equal, so that noise has an effect."""
        return np.where(self.high > self.low, self.high - self.low, 1.0)


def values_of(items: Sequence[Shaped[np.ndarray, "..."]]) -> Values:
    """Return the statistics of some items; infinities and NaN do not count.

    Args:
        items: at least one; images may differ in size.
    """
    is_image = image_axes(items[0].shape) is not None
    sample = np.concatenate([item.reshape(-1) for item in items]) if is_image else np.stack(items)
    finite = np.ma.masked_invalid(sample.astype(np.float64))
    statistics = (finite.min(0), finite.max(0), finite.mean(0), finite.std(0))
    low, high, mean, sd = (np.ma.filled(statistic, 0.0) for statistic in statistics)
    if is_image and sample.dtype == np.uint8:
        low, high = 0, 255
    return Values.make(low, high, mean, sd)


def image_axes(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the axes of height and width, or None if the shape is not that of an image.

    An image is [H, W], [C, H, W], or [H, W, C] with 1, 3 or 4 channels, and at least 4 x 4 pixels.
    """
    if len(shape) not in (2, 3):
        return None
    colours_last = len(shape) == 3 and shape[2] in (1, 3, 4) and shape[0] not in (1, 3, 4)
    axes = (0, 1) if len(shape) == 2 or colours_last else (1, 2)
    return axes if min(shape[axis] for axis in axes) >= _GRID else None


def alter(item: Item, method: str, values: Values, rng: np.random.Generator) -> Item:
    """Return the item altered by one method, with the same shape and type.

    Args:
        item: an image; for `noise`, `jittered` and `static` any array of numbers.
        method: `noise`: Gaussian, with a standard deviation of a quarter of the range of values.
            `blur`: Gaussian, with a standard deviation of 6 % of the shorter side. `occlusion`:
            a grey square of half the shorter side. `shifted`: by one or two pixels along each
            axis, and jittered. `jittered`: noise of a hundredth of the range. `patches`: a grid
            of 4 x 4 patches in another order. `static`: noise with the mean and sd of the data.
        values: the statistics of the data.
        rng: decides everything that is random.
    """
    altered_item = _METHODS[method](item, values, rng)
    if image_axes(item.shape) is not None:
        altered_item = np.clip(altered_item, values.low, values.high)
    if item.dtype.kind in "iu":
        limits = np.iinfo(item.dtype)
        altered_item = np.clip(np.rint(altered_item), limits.min, limits.max)
    return altered_item.astype(item.dtype)


def mix_columns(rows: Shaped[np.ndarray, "k *item"], rng: np.random.Generator) -> Item:
    """Return an item whose every value comes from a random one of these rows."""
    source_rows = rng.integers(len(rows), size=(1, *rows.shape[1:]))
    return np.take_along_axis(rows, source_rows, axis=0)[0]


def _add_noise(item: Item, values: Values, rng: np.random.Generator) -> Item:
    return item + _normal_noise(item.shape, rng) * _NOISE * values.span


def _jitter(item: Item, values: Values, rng: np.random.Generator) -> Item:
    return item + _normal_noise(item.shape, rng) * _JITTER * values.span


def _normal_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "*item"]:
    """Return standard normal numbers; for large images in squares of equal numbers."""
    axes = image_axes(shape) or ()
    size = max(1, min((shape[axis] for axis in axes), default=1) // _GRAINS_PER_SIDE)
    coarse = [-(-side // size) if axis in axes else side for axis, side in enumerate(shape)]
    noise = rng.normal(size=coarse)
    for axis in axes:
        noise = np.take(noise, np.arange(shape[axis]) // size, axis)
    return noise


def _blur(item: Item, values: Values, rng: np.random.Generator) -> Item:
    axes = _image_axes(item)
    sigma = BLUR_SHARE * min(item.shape[axis] for axis in axes)
    return ndimage.gaussian_filter(item.astype(np.float64), sigma, mode="nearest", axes=axes)


def _occlude(item: Item, values: Values, rng: np.random.Generator) -> Item:
    axes = _image_axes(item)
    side = round(min(item.shape[axis] for axis in axes) / 2)
    square = [slice(None)] * item.ndim
    for axis in axes:
        start = int(rng.integers(item.shape[axis] - side + 1))
        square[axis] = slice(start, start + side)
    occluded = item.astype(np.float64)
    occluded[tuple(square)] = (values.low + values.high) / 2
    return occluded


def _shift(item: Item, values: Values, rng: np.random.Generator) -> Item:
    axes = _image_axes(item)
    shifted = item
    for axis in axes:
        shift = int(rng.choice([-2, -1, 1, 2]))
        # Repeat the edge: a model would notice a black or wrapped border.
        indices = np.clip(np.arange(item.shape[axis]) - shift, 0, item.shape[axis] - 1)
        shifted = np.take(shifted, indices, axis)
    return _jitter(shifted, values, rng)


def _shuffle_patches(item: Item, values: Values, rng: np.random.Generator) -> Item:
    """Return the image with its 4 x 4 patches in another order; the remainder of a side stays."""
    upright = np.moveaxis(item, _image_axes(item), (0, 1))
    height, width = (side // _GRID for side in upright.shape[:2])
    shuffled = upright.copy()
    for position, source in enumerate(_shuffled_order(_GRID * _GRID, rng)):
        (row, col), (y, x) = divmod(position, _GRID), divmod(source, _GRID)
        shuffled[row * height : (row + 1) * height, col * width : (col + 1) * width] = upright[
            y * height : (y + 1) * height, x * width : (x + 1) * width
        ]
    return np.moveaxis(shuffled, (0, 1), _image_axes(item))


def _shuffled_order(count: int, rng: np.random.Generator) -> list[int]:
    """Return a random order of positions in which at most an eighth stay in place."""
    while True:
        order = rng.permutation(count)
        if (order == np.arange(count)).sum() <= count // 8:
            return order.tolist()


def _static_noise(item: Item, values: Values, rng: np.random.Generator) -> Item:
    return _normal_noise(item.shape, rng) * values.sd + values.mean


def _image_axes(item: Item) -> tuple[int, int]:
    axes = image_axes(item.shape)
    assert axes is not None, f"an item of shape {item.shape} is no image"
    return axes


_METHODS: Mapping[str, Callable[[Item, Values, np.random.Generator], Item]] = {
    NOISE: _add_noise,
    BLUR: _blur,
    OCCLUSION: _occlude,
    SHIFTED: _shift,
    JITTERED: _jitter,
    PATCHES: _shuffle_patches,
    STATIC: _static_noise,
}
