"""The sweep of networks of JAX beside the bare loop of JAX, in turns.

The bare loop is what a user would write: for each checkpoint, one compiled gradient of the logit of
the label, batch by batch, and mean and spread over checkpoints in NumPy. Both take the same arrays
and the same batches, read each checkpoint once before, and have compiled before they are timed.
Run it in the environment of `make interop-jax`,

    pytest benchmarks/bench_jax.py --benchmark-only -c benchmarks/frameworks.ini
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from beside_bare_loop import BATCH, CHECKPOINTS, CLASSES, compare, data

jax = pytest.importorskip("jax", reason="JAX is not installed: make interop-jax")
eqx = pytest.importorskip("equinox", reason="Equinox is not installed: make interop-jax")
linen = pytest.importorskip("flax.linen", reason="Flax is not installed: make interop-jax")
nnx = pytest.importorskip("flax.nnx", reason="Flax is not installed: make interop-jax")

EXAMPLES = 256


class Block(linen.Module):
    """A block of ResNet-18."""

    wide: int
    stride: int

    @linen.compact
    def __call__(self, x: Any) -> Any:
        """Return the sum of two convolutions and the shortcut."""
        sizes = {"use_bias": False, "padding": ((1, 1), (1, 1))}
        inner = linen.Conv(self.wide, (3, 3), self.stride, **sizes)(x)
        inner = linen.relu(linen.BatchNorm(use_running_average=True)(inner))
        inner = linen.Conv(self.wide, (3, 3), **sizes)(inner)
        inner = linen.BatchNorm(use_running_average=True)(inner)
        if self.stride > 1:
            x = linen.Conv(self.wide, (1, 1), self.stride, use_bias=False)(x)
            x = linen.BatchNorm(use_running_average=True)(x)
        return linen.relu(inner + x)


class ResNet18(linen.Module):
    """ResNet-18 for images of 32 x 32."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        """Return logits."""
        x = linen.Conv(64, (3, 3), use_bias=False)(x)
        x = linen.relu(linen.BatchNorm(use_running_average=True)(x))
        for wide, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
            x = Block(wide, stride)(x)
        x = Block(512, 1)(Block(512, 2)(x))
        return linen.Dense(CLASSES)(x.mean(axis=(1, 2)))


class NnxConvolutions(nnx.Module):
    """Four convolutions and a linear layer."""

    def __init__(self, rngs: Any) -> None:
        widths = ((3, 32), (32, 64), (64, 64), (64, 64))
        self.convolutions = nnx.List([nnx.Conv(a, b, (3, 3), rngs=rngs) for a, b in widths])
        self.head = nnx.Linear(64, CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        """Return logits."""
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x))
        return self.head(x.mean(axis=(1, 2)))


class EquinoxConvolutions(eqx.Module):
    """Four convolutions and a linear layer, of one example."""

    convolutions: list[Any]
    head: Any

    def __init__(self, key: Any) -> None:
        widths = ((3, 32), (32, 64), (64, 64), (64, 64))
        self.convolutions = [eqx.nn.Conv2d(a, b, 3, padding=1, key=key) for a, b in widths]
        self.head = eqx.nn.Linear(64, CLASSES, key=key)

    def __call__(self, x: Any) -> Any:
        """Return logits."""
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x))
        return self.head(x.mean(axis=(1, 2)))


@dataclass(frozen=True)
class Subject:
    """A network with its checkpoints, and the bare gradient by weights, inputs and labels.

    Attributes:
        module: what is scored.
        trees: the weights of each checkpoint, as the bare gradient takes them.
        logits: the logits of a batch.
        shape: of an example.
    """

    module: Any
    trees: list[Any]
    logits: Callable[[Any, Any], Any]
    shape: tuple[int, ...]

    def save(self, folder: Path) -> list[Path]:
        """Write the checkpoints by the names of the adapter, and return their files."""
        from vog.models.jax.named_arrays import tree_of

        folder.mkdir()
        paths = [folder / f"step-{step}.npz" for step in range(len(self.trees))]
        for path, tree in zip(paths, self.trees, strict=True):
            leaves = jax.tree_util.tree_leaves(tree)
            names = tree_of(tree, dropped=("value",)).names
            np.savez(path, **dict(zip(names, map(np.asarray, leaves), strict=True)))
        return paths


def in_linen() -> Subject:
    """Return ResNet-18 in linen."""
    module, example = ResNet18(), np.zeros((1, 32, 32, 3), np.float32)
    trees = [module.init(jax.random.key(step), example) for step in range(CHECKPOINTS)]
    return Subject(module, trees, module.apply, (32, 32, 3))


def in_nnx() -> Subject:
    """Return convolutions in nnx."""
    modules = [NnxConvolutions(nnx.Rngs(step)) for step in range(CHECKPOINTS)]
    graph, _ = nnx.split(modules[0])
    trees = [nnx.state(module) for module in modules]
    return Subject(modules[0], trees, lambda t, x: nnx.merge(graph, t)(x), (32, 32, 3))


def in_equinox() -> Subject:
    """Return convolutions in Equinox."""
    modules = [EquinoxConvolutions(jax.random.key(step)) for step in range(CHECKPOINTS)]
    return Subject(modules[0], modules, lambda t, x: jax.vmap(t)(x), (3, 32, 32))


SUBJECTS = {
    "ResNet-18 in linen": in_linen,
    "convolutions in nnx": in_nnx,
    "convolutions in Equinox": in_equinox,
}


def bare_loop(subject: Subject, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """Return the loop that a user would write, over weights that are on the device."""
    colours = subject.shape.index(3) + 1

    @jax.jit
    def gradient(tree: Any, x: Any, y: Any) -> Any:
        def label_logits(x: Any) -> Any:
            return jax.numpy.take_along_axis(subject.logits(tree, x), y[:, None], axis=1).sum()

        return jax.grad(label_logits)(x)

    def run() -> np.ndarray:
        scores = []
        for start in range(0, len(images), BATCH):
            x, y = images[start : start + BATCH], labels[start : start + BATCH]
            gradients = [np.asarray(gradient(tree, x, y)) for tree in subject.trees]
            averaged = np.stack([g.mean(axis=colours) for g in gradients])
            scores.append(averaged.std(axis=0).mean(axis=(1, 2)))
        return np.concatenate(scores)

    return run


@pytest.mark.benchmark(group="networks of JAX")
@pytest.mark.parametrize("name", SUBJECTS)
def bench_beside_the_bare_loop(benchmark: BenchmarkFixture, tmp_path: Path, name: str) -> None:
    subject = SUBJECTS[name]()
    images, labels = data(subject.shape, EXAMPLES)
    files = subject.save(tmp_path / "c")
    compare(benchmark, subject.module, files, bare_loop(subject, images, labels), (images, labels))
