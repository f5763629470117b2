"""The port of the reference at the size of the tests, and transforms; imports no TensorFlow."""

import numpy as np
from PIL import Image

from reference_resnet50 import ResNet

BLOCKS, WIDTH, CLASSES = (1, 2), 4, 3
SIZE = 32  # pixels of the images


def build() -> ResNet:
    """The port."""
    return ResNet(BLOCKS, WIDTH, CLASSES)


def channels_last(image: Image.Image) -> np.ndarray:
    """A --transform: the image at the size of the network, colours last."""
    small = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / 127.5 - 1


def channels_first(image: Image.Image) -> np.ndarray:
    """The same transform, colours first."""
    return channels_last(image).transpose(2, 0, 1)
