"""The small network in the Keras that TensorFlow had before Keras 3, with a softmax at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tf_keras
from tf_keras import layers

from small_resnet import CLASSES, Arrays


def _unit(x: Any, name: str, wide: int, size: int, stride: int = 1) -> Any:
    x = layers.ZeroPadding2D(size // 2)(x)
    x = layers.Conv2D(wide, size, stride, use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


def build() -> tf_keras.Model:
    """The network with probabilities, as most models of Keras are."""
    silu = tf_keras.activations.swish
    inputs = tf_keras.Input((16, 16, 3))
    x = silu(_unit(inputs, "stem", 8, 3))
    inner = layers.Dropout(0.5)(silu(_unit(x, "first", 16, 3, 2)))
    x = silu(_unit(inner, "second", 16, 3) + _unit(x, "projection", 16, 1, 2))
    x = layers.Dense(CLASSES, "softmax", name="head")(layers.GlobalAveragePooling2D()(x))
    return tf_keras.Model(inputs, x)


def _carry(arrays: Arrays, model: tf_keras.Model) -> None:
    for unit in ("stem", "first", "second", "projection"):
        kernel = arrays[f"{unit}.conv.weight"].transpose(2, 3, 1, 0)
        model.get_layer(f"{unit}_conv").set_weights([kernel])
        parts = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(f"{unit}_norm").set_weights([arrays[f"{unit}.norm.{p}"] for p in parts])
    model.get_layer("head").set_weights([arrays["head.weight"].T, arrays["head.bias"]])


def save(weights: Mapping[int, Arrays], folder: Path, ending: str) -> None:
    """`cp-STEP` in TensorFlow's format, `cp-STEP.weights.h5`, or whole models `cp-STEP.keras`."""
    folder.mkdir(parents=True)
    model = build()
    model.compile("adam", "sparse_categorical_crossentropy")
    for step, arrays in weights.items():
        _carry(arrays, model)
        path = folder / f"cp-{step:04d}{ending}"
        (model.save if ending == ".keras" else model.save_weights)(str(path))
