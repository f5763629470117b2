"""From pixels of 8 bits to the values that networks take, as the transforms of this package do."""

from typing import Any

import numpy as np
from jaxtyping import Float

BLACK_TO_WHITE = 255
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]


def channels_first(image: Any) -> Float[np.ndarray, "3 h w"]:
    """Return values from 0 to 255 scaled to [0, 1]; a grey image is repeated three times.

    Args:
        image: an image, or an array of [h, w] or [h, w, 3].
    """
    values = np.asarray(image, np.float32) / np.float32(BLACK_TO_WHITE)
    return (
        np.broadcast_to(values, (3, *values.shape))
        if values.ndim == 2
        else values.transpose(2, 0, 1)
    )


def normalised(image: Any) -> Float[np.ndarray, "3 h w"]:
    """Return values from 0 to 255 with the mean and the standard deviation of ImageNet removed."""
    return (channels_first(image) - MEAN) / STD
