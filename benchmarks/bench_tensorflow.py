"""The sweep of a network of TensorFlow beside the bare loop of TensorFlow, in turns.

The bare loop is what a user would write: for each checkpoint, variables assigned and one traced
gradient of the logit of the label, batch by batch. Run it in the environment of
`make interop-tensorflow`,

    pytest benchmarks/bench_tensorflow.py --benchmark-only -c benchmarks/frameworks.ini
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from beside_bare_loop import BATCH, CHECKPOINTS, CLASSES, compare, data, vog_of

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
v1 = tf.compat.v1
EXAMPLES = 128


def _unit(x: Any, name: str, wide: int, size: int, stride: int) -> Any:
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", (size, size, x.shape[-1], wide))
        zeros, ones = tf.zeros_initializer(), tf.ones_initializer()
        scale, variance = (v1.get_variable(n, (wide,), initializer=ones) for n in ("scale", "var"))
        shift, mean = (v1.get_variable(n, (wide,), initializer=zeros) for n in ("shift", "mean"))
    pad = size // 2
    x = tf.nn.conv2d(tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))), kernel, stride, "VALID")
    return v1.nn.fused_batch_norm(x, scale, shift, mean, variance, 1e-5, is_training=False)[0]


def resnet18(images: Any) -> Any:
    """Build ResNet-18 for images of 32 x 32."""
    x = tf.nn.relu(_unit(images, "stem", 64, 3, 1))
    for block in range(8):
        wide, stride = 64 << block // 2, 2 if block in (2, 4, 6) else 1
        inner = tf.nn.relu(_unit(x, f"{block}/first", wide, 3, stride))
        inner = _unit(inner, f"{block}/second", wide, 3, 1)
        x = tf.nn.relu(inner + (_unit(x, f"{block}/down", wide, 1, 2) if stride > 1 else x))
    kernel, bias = v1.get_variable("head", (512, CLASSES)), v1.get_variable("bias", (CLASSES,))
    return tf.reduce_mean(x, (1, 2)) @ kernel + bias


@pytest.mark.benchmark(group="networks of TensorFlow")
def bench_beside_the_bare_loop(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    images, labels = data((32, 32, 3), EXAMPLES)
    network = v1.wrap_function(resnet18, [tf.TensorSpec((None, 32, 32, 3))])
    variables = {variable.name.removesuffix(":0"): variable for variable in network.variables}
    rng = np.random.default_rng(0)
    folder = tmp_path / "c"
    folder.mkdir()
    checkpoints = []
    for step in range(CHECKPOINTS):
        values = {
            name: (np.abs(rng.normal(size=v.shape)) / max(1, np.prod(v.shape[:-1])) ** 0.5)
            if v.shape.rank == 1
            else rng.normal(size=v.shape) / np.prod(v.shape[:-1]) ** 0.5
            for name, v in variables.items()
        }
        checkpoints.append({name: np.float32(value) for name, value in values.items()})
        np.savez(folder / f"step-{step}.npz", **checkpoints[-1])

    @tf.function(
        input_signature=[tf.TensorSpec((None, 32, 32, 3)), tf.TensorSpec((None,), tf.int64)]
    )
    def gradient(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = tf.gather(network(x), y, axis=1, batch_dims=1)
        return tape.gradient(logits, x)

    def bare() -> np.ndarray:
        scores = []
        for start in range(0, EXAMPLES, BATCH):
            x, y = images[start : start + BATCH], labels[start : start + BATCH]
            gradients = []
            for arrays in checkpoints:
                for name, variable in variables.items():
                    variable.assign(arrays[name])
                gradients.append(gradient(x, y).numpy())
            scores.append(vog_of(gradients, 3))
        return np.concatenate(scores)

    spec = f"tf1:{Path(sys.modules[__name__].__file__ or '')}:resnet18"
    compare(benchmark, spec, folder, bare, (images, labels))
