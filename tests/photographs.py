"""Photographs of the shared fixture `photos`, and how they become what a network takes."""

import numpy as np
from PIL import Image

LISTED_PHOTOS = 24  # images of the fixture


def small(image: Image.Image) -> np.ndarray:
    """A --transform: 6 x 6 pixels, as `world.build` takes them."""
    some = image.resize((6, 6), Image.Resampling.NEAREST)
    return (np.asarray(some, np.float32).transpose(2, 0, 1) / 255 - 0.5) * 4
