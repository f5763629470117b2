"""Which axis of colours a network of TensorFlow takes is read in its graph, or in its signature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import resnets
import small_resnet
from vog.models.tensorflow.image_layout import layout_of_function
from vog.models.tensorflow.networks import SavedModel

v1 = tf.compat.v1
LAST, FIRST = (32, 32, 3), (3, 32, 32)


def _kernel(narrow: int) -> Any:
    return v1.get_variable("kernel", (3, 3, narrow, 5))


def channels_last(images: Any) -> Any:
    """As most networks are: standardised, padded, convolved."""
    x = tf.pad((images - [1.0, 2, 3]) * 2.0, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return tf.reduce_mean(tf.nn.conv2d(x, _kernel(3), 2, "VALID"), (1, 2))


def channels_first(images: Any) -> Any:
    """As a network for a GPU is, whose images are stored so."""
    x = tf.nn.conv2d(images, _kernel(3), 2, "VALID", data_format="NCHW")
    return tf.reduce_mean(x, (2, 3))


def turned(images: Any) -> Any:
    """As the official ResNet is on a GPU: images come last, and are transposed first."""
    return channels_first(tf.transpose(images, (0, 3, 1, 2)))


def turned_back(images: Any) -> Any:
    """The other way round."""
    return channels_last(tf.transpose(images, (0, 2, 3, 1)))


def of_any_width(images: Any) -> Any:
    """A kernel that takes its width from the images, whatever they are."""
    x = tf.nn.conv2d(images, _kernel(images.shape[-1]), 2, "VALID")
    return tf.reduce_mean(x, (1, 2))


def pooled(images: Any) -> Any:
    """No convolution, but a layer with an axis of colours."""
    return tf.reduce_mean(tf.nn.max_pool2d(images, 2, 2, "SAME"), (1, 2))


def flat(images: Any) -> Any:
    """Nothing says which axis is which."""
    x = tf.reshape(images, (-1, 3 * 32 * 32))
    return x @ v1.get_variable("kernel", (3 * 32 * 32, 5))


@pytest.mark.parametrize("shape", [LAST, FIRST])
@pytest.mark.parametrize(
    ("network", "layout"),
    [
        (channels_last, "channels-last"),
        (channels_first, "channels-first"),
        (turned, "channels-last"),
        (turned_back, "channels-first"),
        (of_any_width, "channels-last"),
        (pooled, "channels-last"),
        (resnets.logits, "channels-last"),
        (flat, None),
    ],
)
def test_layout_of_functions(
    network: Callable[[Any], Any], layout: str | None, shape: tuple[int, ...]
) -> None:
    assert layout_of_function(network, shape) == layout


@pytest.mark.parametrize(
    ("signature", "layout"),
    [
        ((None, 16, 16, 3), "channels-last"),
        ((None, None, None, 3), "channels-last"),
        ((None, 1, 28, 28), "channels-first"),
        ((None, None, None, None), None),
        (None, None),
    ],
)
def test_layout_of_signatures(
    signature: tuple[int | None, ...] | None, layout: str | None, tmp_path: Path
) -> None:
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    specification = tf.TensorSpec(signature, tf.float32)

    @tf.function(input_signature=[specification])
    def network(images: Any) -> Any:
        return tf.reshape(images, (tf.shape(images)[0], -1))[:, :4] * module.scale

    module.network = network
    tf.saved_model.save(module, str(tmp_path), signatures=network.get_concrete_function())
    assert SavedModel(tmp_path).layout((3, 16, 16)) == layout


def test_a_network_of_our_tests_is_a_saved_model_with_colours_last(tmp_path: Path) -> None:
    arrays = small_resnet.weights()[100]
    tf.saved_model.save(resnets.Network(arrays), str(tmp_path))
    assert SavedModel(tmp_path).layout((3, 16, 16)) == "channels-last"
    assert np.isfinite(arrays["head.bias"]).all()
