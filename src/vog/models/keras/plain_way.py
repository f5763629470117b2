"""The plain way of Keras: a checkpoint is loaded into the model, which is called as users call it.

Nothing is compiled, nothing is passed by `stateless_call`, and the gradient is that of the backend.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from vog.models.keras.adapter import KerasModel, holding
from vog.models.protocol import Outputs

_NORM_EXAMPLES = 4  # each takes a backward pass of its own
Array = np.ndarray


@dataclass(frozen=True)
class PlainKeras(KerasModel):
    """The model itself."""

    @contextmanager
    def observe(
        self, weights: Sequence[Any], placed: Any, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of a batch under one checkpoint."""
        network = self.network
        with self._errors_named(placed), holding(network, weights):
            values = _numpy(network.run_plainly(placed))

            def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
                return _tensor(_gradient(network.run_plainly, placed, cotangent.numpy()))

            layer = None
            if network.head is not None:
                layer = _PlainLayer(network, placed)
            yield Outputs(_tensor(values), vjp, layer)


@dataclass(frozen=True)
class _PlainLayer:
    """A last layer whose gradients the backend computes."""

    network: Any
    placed: Any

    @property
    def features(self) -> Tensor:
        """The inputs of the layer."""
        values = [variable.value for variable in self.network.variables]
        return _tensor(_numpy(self.network.run(values, self.placed)[1]))

    def gradient_norm(self, cotangent: Tensor) -> Tensor:
        """Return the norm of the gradient by matrix and bias for a few examples; else NaN."""
        norms = torch.full((len(cotangent),), torch.nan)
        features = self.features.numpy()
        head = self.network.head
        for row in range(min(_NORM_EXAMPLES, len(cotangent))):
            inputs = keras.ops.convert_to_tensor(features[row : row + 1])
            factor = cotangent[row : row + 1].numpy()

            def output(kernel: Any, inputs: Any = inputs) -> Any:
                return keras.ops.matmul(inputs, kernel)

            squared = np.square(_gradient(output, head.kernel.value, factor)).sum()
            squared += np.square(factor).sum() if head.use_bias else 0
            norms[row] = float(squared) ** 0.5
        return norms


def _gradient(function: Callable[[Any], Any], point: Any, cotangent: Array) -> Array:
    """Return the gradient of the sum of `cotangent * function(point)`, by the backend."""
    backend = keras.backend.backend()
    if backend == "torch":
        leaf = point.detach().clone().requires_grad_()
        with torch.enable_grad():
            total = (function(leaf) * torch.from_numpy(cotangent).to(leaf.device)).sum()
        total.backward()
        return _numpy(leaf.grad)
    if backend == "jax":
        import jax

        return _numpy(jax.grad(lambda x: (function(x) * cotangent).sum())(point))
    import tensorflow as tf

    point = tf.convert_to_tensor(point)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = tf.reduce_sum(function(point) * cotangent)
    return _numpy(tape.gradient(total, point))


def _numpy(value: Any) -> Array:
    return np.array(keras.ops.convert_to_numpy(value), np.float32)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(array)
