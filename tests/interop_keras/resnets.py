"""The small network in Keras 3: functional, with a softmax at its end, and as a class."""

from typing import Any

import keras
import numpy as np
from keras import layers

from small_resnet import CLASSES, Arrays

_UNITS = (("stem", 8, 3, 1), ("first", 16, 3, 2), ("second", 16, 3, 1), ("projection", 16, 1, 2))


class Unit(keras.Layer):
    """A convolution with explicit padding, and its batch norm."""

    def __init__(self, wide: int, size: int, stride: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.pad = layers.ZeroPadding2D(size // 2)
        self.conv = layers.Conv2D(wide, size, stride, use_bias=False)
        self.norm = layers.BatchNormalization(epsilon=1e-5)

    def build(self, shape: Any) -> None:
        """Create the weights."""
        self.conv.build(self.pad.compute_output_shape(shape))
        self.norm.build(self.conv.compute_output_shape(self.pad.compute_output_shape(shape)))

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the normalised convolution."""
        return self.norm(self.conv(self.pad(x)), training=training)


def functional(activation: str | None = None) -> keras.Model:
    """The network of layers, with logits or probabilities."""
    units = {name: Unit(*sizes, name=name) for name, *sizes in _UNITS}
    inputs = keras.Input((16, 16, 3))
    x = keras.activations.silu(units["stem"](inputs))
    inner = layers.Dropout(0.5)(keras.activations.silu(units["first"](x)))
    x = keras.activations.silu(layers.add([units["second"](inner), units["projection"](x)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation=activation, name="head")(x))


def probabilities() -> keras.Model:
    """The network with a softmax in its last layer, as most models of Keras are."""
    return functional("softmax")


def softmax_layer() -> keras.Model:
    """The network with a softmax as a layer of its own."""
    model = functional()
    return keras.Model(model.inputs, layers.Softmax()(model.outputs[0]))


class Network(keras.Model):
    """The network as a class of the user, which creates its weights when it is first called."""

    def __init__(self) -> None:
        super().__init__()
        self.units = {name: Unit(*sizes, name=name) for name, *sizes in _UNITS}
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(CLASSES, name="head")

    def call(self, x: Any) -> Any:
        """Return logits."""
        silu, units = keras.activations.silu, self.units
        x = silu(units["stem"](x))
        x = silu(units["second"](silu(units["first"](x))) + units["projection"](x))
        return self.head(self.pool(x))


def subclassed() -> keras.Model:
    """The class, without weights."""
    return Network()


def carry(arrays: Arrays, model: keras.Model) -> None:
    """Give the model the arrays of PyTorch."""
    if not model.built:
        model(np.zeros((1, 16, 16, 3), np.float32))
    found = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
    for name, *_ in _UNITS:
        unit = found[name]
        unit.conv.kernel.assign(arrays[f"{name}.conv.weight"].transpose(2, 3, 1, 0))
        parts = {"gamma": "weight", "beta": "bias"}
        parts |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
        for own, other in parts.items():
            getattr(unit.norm, own).assign(arrays[f"{name}.norm.{other}"])
    found["head"].kernel.assign(arrays["head.weight"].T)
    found["head"].bias.assign(arrays["head.bias"])
