"""A small network of TensorFlow 1 with the names, and the order of layers, of the reference's.

Its layers are `get_variable` in scopes of the names that `tf.layers` gives them, so that neither
Keras is needed nor do names count up within a process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reference_port import BLOCKS, CLASSES, WIDTH

v1 = tf.compat.v1
SCOPE = "resnet_model/"
_EXPANSION = 4
_EPSILON, _MOMENTUM = 1e-5, 0.9


@dataclass
class _Layers:
    """The layers that were made so far, by kind, and how they compute.

    Attributes:
        is_training: batch norms compute with the statistics of the batch, and average them.
        updates: the averaging.
    """

    is_training: bool
    counts: dict[str, int] = field(default_factory=dict)
    updates: list[Any] = field(default_factory=list)

    def scope(self, kind: str) -> Any:
        """Open the scope `kind`, then `kind_1`, `kind_2`, ..."""
        count = self.counts.get(kind, 0)
        self.counts[kind] = count + 1
        return v1.variable_scope(f"{kind}_{count}" if count else kind)

    def convolution(self, x: Any, wide: int, size: int, stride: int = 1) -> Any:
        """Pad by the same number at both sides, and convolve."""
        with self.scope("conv2d"):
            kernel = v1.get_variable("kernel", (size, size, x.shape[-1], wide))
        before, after = (size - 1) // 2, size // 2
        padding = ((0, 0), (before, after), (before, after), (0, 0))
        return tf.nn.conv2d(tf.pad(x, padding), kernel, stride, "VALID")

    def norm(self, x: Any) -> Any:
        """Normalise each channel."""
        width, ones, zeros = x.shape[-1], v1.ones_initializer(), v1.zeros_initializer()
        with self.scope("batch_normalization"):
            gamma = v1.get_variable("gamma", width, initializer=ones)
            beta = v1.get_variable("beta", width, initializer=zeros)
            averages = [
                v1.get_variable("moving_mean", width, initializer=zeros, trainable=False),
                v1.get_variable("moving_variance", width, initializer=ones, trainable=False),
            ]
        if not self.is_training:
            return v1.nn.fused_batch_norm(x, gamma, beta, *averages, _EPSILON, is_training=False)[0]
        x, *moments = v1.nn.fused_batch_norm(x, gamma, beta, epsilon=_EPSILON)
        self.updates += [
            average.assign(_MOMENTUM * average + (1 - _MOMENTUM) * moment)
            for average, moment in zip(averages, moments, strict=True)
        ]
        return x

    def dense(self, x: Any, wide: int) -> Any:
        """Multiply by a matrix, and add a bias."""
        with self.scope("dense"):
            kernel = v1.get_variable("kernel", (x.shape[-1], wide))
            bias = v1.get_variable("bias", (wide,), initializer=v1.zeros_initializer())
        return x @ kernel + bias

    def bottleneck(self, x: Any, width: int, stride: int, projects: bool) -> Any:
        """Three convolutions beside a shortcut, whose projection is made first."""
        shortcut = x
        if projects:
            shortcut = self.norm(self.convolution(x, width * _EXPANSION, 1, stride))
        x = tf.nn.relu(self.norm(self.convolution(x, width, 1)))
        x = tf.nn.relu(self.norm(self.convolution(x, width, 3, stride)))
        return tf.nn.relu(self.norm(self.convolution(x, width * _EXPANSION, 1)) + shortcut)


def _network(images: Any, layers: _Layers, blocks: Sequence[int], width: int, classes: int) -> Any:
    with v1.variable_scope(SCOPE[:-1]):
        x = tf.nn.relu(layers.norm(layers.convolution(images, width, 7, 2)))
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                x = layers.bottleneck(x, width << stage, stride, projects=block == 0)
        return layers.dense(tf.reduce_mean(x, (1, 2)), classes)


def logits(images: Any, is_training: bool = False) -> Any:
    """What a user names: from a placeholder of images to logits."""
    return _network(images, _Layers(is_training), BLOCKS, WIDTH, CLASSES)


def train(images: np.ndarray, labels: np.ndarray, folder: Path, steps: Sequence[int]) -> None:
    """Train by Momentum, and save `model.ckpt-STEP` by `tf.train.Saver`, a few updates apart."""
    folder.mkdir(parents=True)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        layers = _Layers(is_training=True)
        batch = v1.placeholder(tf.float32, (None, *images.shape[1:]))
        targets = v1.placeholder(tf.int64, (None,))
        outputs = _network(batch, layers, BLOCKS, WIDTH, CLASSES)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
        step = v1.train.get_or_create_global_step()
        update = v1.train.MomentumOptimizer(0.02, 0.9).minimize(tf.reduce_mean(losses), step)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(max_to_keep=None)
        for number, rows in zip(steps, _batches(len(images), len(steps)), strict=True):
            for some in rows:
                feed = {batch: images[some], targets: labels[some]}
                session.run((update, layers.updates), feed)
            saver.save(session, str(folder / "model.ckpt"), number)


def _batches(rows: int, checkpoints: int) -> Iterator[list[np.ndarray]]:
    """Yield the rows of eight batches for each checkpoint."""
    rng = np.random.default_rng(0)
    for _ in range(checkpoints):
        yield [rng.permutation(rows)[:16] for _ in range(8)]
