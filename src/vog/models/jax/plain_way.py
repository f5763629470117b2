"""The plain way: the network as its framework applies it, without compiling and without filling up.

It is the judge of every faster way, so it shares as little with them as it can.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import torch
from jaxtyping import Float
from torch import Tensor

from vog.data.inputs import Inputs
from vog.models.jax.adapter import JaxModel, PlacedBatch
from vog.models.jax.devices import to_jax, to_torch
from vog.models.jax.named_arrays import Arrays
from vog.models.protocol import Outputs

_NORM_EXAMPLES = 4


@dataclass(frozen=True)
class PlainJax(JaxModel):
    """A network that runs anew for each batch, of any size."""

    def place(self, inputs: Inputs) -> PlacedBatch:
        """Return a batch on the device, as long as it is."""
        placed = super().place(inputs)
        return PlacedBatch(placed.inputs[: placed.rows], placed.rows)

    @contextmanager
    def observe(
        self, weights: Arrays, placed: PlacedBatch, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of a batch under one checkpoint."""
        with self._errors_named(placed):
            logits, pullback = jax.vjp(
                lambda x: self.network.run_plainly(weights, x).astype(jnp.float32), placed.inputs
            )

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            return to_torch(pullback(to_jax(cotangent, self.jax_device))[0])

        layer = None
        if self.head is not None:
            layer = DifferentiatedLayer(self, weights, placed)
        yield Outputs(to_torch(logits), vjp, layer)


@dataclass(frozen=True)
class DifferentiatedLayer:
    """The last layer of a network, whose gradients JAX takes, example by example."""

    model: PlainJax
    weights: Arrays
    placed: PlacedBatch

    @property
    def features(self) -> Float[Tensor, "n width"]:
        """The inputs of the layer."""
        head = self.model.head
        assert head is not None, "the layer is that of a head"
        _, calls = self.model.network.run(self.weights, self.placed.inputs, (head,))
        return to_torch(calls[head][0])

    def gradient_norm(self, cotangent: Float[Tensor, "n *outputs"]) -> Float[Tensor, "n"]:
        """Return the norms for the first few examples, else NaN; a sum of squares of gradients."""
        assert self.model.head is not None, "the layer is that of a head"
        names = self.model.network.layer_weights(self.model.head)
        trained = {n: self.weights[n] for n in (names.kernel, names.bias) if n in self.weights}
        norms = torch.full((len(cotangent),), torch.nan, device=cotangent.device)
        for row in range(min(_NORM_EXAMPLES, len(cotangent))):
            inputs = self.placed.inputs[row : row + 1]
            factor = to_jax(cotangent[row : row + 1], self.model.jax_device)

            def target(layer: Arrays, inputs: Any = inputs, factor: Any = factor) -> Any:
                return (
                    self.model.network.run_plainly({**self.weights, **layer}, inputs) * factor
                ).sum()

            gradients = jax.grad(target)(trained)
            norms[row] = float(sum((g**2).sum() for g in gradients.values())) ** 0.5
        return norms
