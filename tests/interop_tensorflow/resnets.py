"""The small network in TensorFlow 1, and as a SavedModel."""

from typing import Any

import numpy as np
import tensorflow as tf

from small_resnet import CLASSES, Arrays

v1 = tf.compat.v1


def _unit(x: Any, name: str, wide: int, size: int, stride: int = 1) -> Any:
    with v1.variable_scope(name):
        kernel = v1.get_variable("conv/kernel", (size, size, x.shape[-1], wide))
        gamma, beta, mean, variance = (
            v1.get_variable(f"norm/{part}", (wide,))
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
    pad = size // 2
    x = tf.nn.conv2d(tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))), kernel, stride, "VALID")
    return v1.nn.fused_batch_norm(x, gamma, beta, mean, variance, 1e-5, is_training=False)[0]


def logits(images: Any) -> Any:
    """The graph, from a placeholder of images."""
    x = tf.nn.silu(_unit(images, "stem", 8, 3))
    inner = _unit(tf.nn.silu(_unit(x, "first", 16, 3, 2)), "second", 16, 3)
    x = tf.nn.silu(inner + _unit(x, "projection", 16, 1, 2))
    kernel = v1.get_variable("head/kernel", (16, CLASSES))
    bias = v1.get_variable("head/bias", (CLASSES,))
    return tf.reduce_mean(x, (1, 2)) @ kernel + bias


def variables(arrays: Arrays) -> dict[str, np.ndarray]:
    """The arrays of PyTorch under the names, and with the axes, of TensorFlow."""
    names = {
        "conv.weight": "conv/kernel",
        "norm.weight": "norm/gamma",
        "norm.bias": "norm/beta",
        "norm.running_mean": "norm/moving_mean",
        "norm.running_var": "norm/moving_variance",
        "weight": "kernel",
        "bias": "bias",
    }
    order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    renamed = {}
    for name, array in arrays.items():
        layer, _, rest = name.partition(".")
        renamed[f"{layer}/{names[rest]}"] = array.transpose(order[array.ndim])
    return renamed


class Unit(tf.Module):
    """A convolution and its batch norm, as an object."""

    def __init__(self, arrays: Arrays, stride: int = 1) -> None:
        super().__init__()
        self.conv, self.norm = tf.Module(), tf.Module()
        self.conv.kernel = tf.Variable(arrays["conv/kernel"])
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            setattr(self.norm, part, tf.Variable(arrays[f"norm/{part}"]))
        self.stride = stride

    def __call__(self, x: Any) -> Any:
        kernel, norm = self.conv.kernel, self.norm
        pad = kernel.shape[0] // 2
        x = tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        x = tf.nn.conv2d(x, kernel, self.stride, "VALID")
        moments = norm.moving_mean, norm.moving_variance
        return v1.nn.fused_batch_norm(x, norm.gamma, norm.beta, *moments, 1e-5, is_training=False)[
            0
        ]


class Network(tf.Module):
    """The whole network as an object that `tf.saved_model.save` writes."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        values = variables(arrays)

        def below(name: str) -> Arrays:
            return {k.partition("/")[2]: v for k, v in values.items() if k.startswith(f"{name}/")}

        self.stem, self.second = Unit(below("stem")), Unit(below("second"))
        self.first, self.projection = Unit(below("first"), 2), Unit(below("projection"), 2)
        self.head = tf.Module()
        self.head.kernel, self.head.bias = map(
            tf.Variable, (values["head/kernel"], values["head/bias"])
        )

    @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.float32)])
    def __call__(self, images: Any) -> Any:
        x = tf.nn.silu(self.stem(images))
        x = tf.nn.silu(self.second(tf.nn.silu(self.first(x))) + self.projection(x))
        return tf.reduce_mean(x, (1, 2)) @ self.head.kernel + self.head.bias
