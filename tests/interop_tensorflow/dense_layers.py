"""A dense layer of TensorFlow 1 with the outputs of each task."""

from typing import Any

import tensorflow as tf

v1 = tf.compat.v1


def _outputs(inputs: Any, count: int) -> Any:
    kernel = v1.get_variable("head/kernel", (6, count))
    return inputs @ kernel + v1.get_variable("head/bias", (count,))


def binary(inputs: Any) -> Any:
    """One logit, without an axis of outputs."""
    return tf.squeeze(_outputs(inputs, 1), 1)


def multi_label(inputs: Any) -> Any:
    """Three tags."""
    return _outputs(inputs, 3)


def regression(inputs: Any) -> Any:
    """Two numbers."""
    return _outputs(inputs, 2)


def tokens(inputs: Any) -> Any:
    """Four classes for each of two positions."""
    return tf.reshape(_outputs(inputs, 8), (-1, 2, 4))
