"""The sweep of a model of Keras beside the bare loop of its backend, in turns.

The bare loop is what a user would write: for each checkpoint, `load_weights` once before, values
assigned, and one compiled gradient of the logit of the label, batch by batch (not compiled with
PyTorch, as Keras trains there). Run it in the environment of `make interop-keras`, for each backend
that KERAS_BACKEND names,

    pytest benchmarks/bench_keras.py --benchmark-only -c benchmarks/frameworks.ini
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from beside_bare_loop import BATCH, CHECKPOINTS, CLASSES, compare, data, vog_of

keras = pytest.importorskip("keras", reason="Keras is not installed: make interop-keras")
EXAMPLES = 128


def build() -> Any:
    """Build a network of four convolutions with batch norms, for images of 32 x 32."""
    layers = [keras.Input((32, 32, 3))]
    for wide in (32, 64, 64, 128):
        layers += [keras.layers.Conv2D(wide, 3, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
    return keras.Sequential(layers)


@pytest.mark.benchmark(group="models of Keras")
def bench_beside_the_bare_loop(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    images, labels = data((32, 32, 3), EXAMPLES)
    folder = tmp_path / "c"
    folder.mkdir()
    models = [build() for _ in range(CHECKPOINTS)]
    for step, model in enumerate(models):
        model.save_weights(folder / f"{step}.weights.h5")
    gradient = GRADIENTS[keras.backend.backend()]
    gradients = [gradient(model) for model in models]

    def bare() -> np.ndarray:
        scores = []
        for start in range(0, EXAMPLES, BATCH):
            x, y = images[start : start + BATCH], labels[start : start + BATCH]
            scores.append(vog_of([each(x, y) for each in gradients], 3))
        return np.concatenate(scores)

    compare(benchmark, build, folder, bare, (images, labels))


Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _in_torch(model: Any) -> Gradient:
    import torch

    def gradient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        leaf = torch.from_numpy(x).requires_grad_()
        chosen = model(leaf, training=False).gather(1, torch.from_numpy(y)[:, None])
        return torch.autograd.grad(chosen.sum(), leaf)[0].numpy()

    return gradient


def _in_jax(model: Any) -> Gradient:
    import jax

    def chosen(x: Any, y: Any) -> Any:
        return jax.numpy.take_along_axis(model(x, training=False), y[:, None], axis=1).sum()

    compiled = jax.jit(jax.grad(chosen))
    return lambda x, y: np.asarray(compiled(x, y))


def _in_tensorflow(model: Any) -> Gradient:
    import tensorflow as tf

    @tf.function
    def gradient(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            chosen = tf.gather(model(x, training=False), y, axis=1, batch_dims=1)
        return tape.gradient(chosen, x)

    return lambda x, y: gradient(tf.constant(x), tf.constant(y)).numpy()


GRADIENTS = {"torch": _in_torch, "jax": _in_jax, "tensorflow": _in_tensorflow}
