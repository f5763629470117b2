"""Networks that are a function: `apply(weights, inputs)`, with an example of the weights."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vog.models.jax import networks
from vog.models.jax.named_arrays import Arrays, Tree, tree_of
from vog.models.jax.networks import LayerWeights, Run
from vog.scores.gradient import Layout


@dataclass(frozen=True)
class FunctionNetwork:
    """A function of weights and a batch, in evaluation mode.

    Attributes:
        apply: the function.
        example: weights of the right structure and shapes; their values do not count.
    """

    apply: Callable[[Any, Any], Any]
    example: Any
    image_layout: Layout | None = None

    @cached_property
    def tree(self) -> Tree:
        """The arrays of the example."""
        return tree_of(self.example)

    @property
    def groups(self) -> tuple[str, ...]:
        """The collections of variables if the weights are those of Flax."""
        first = tuple(dict.fromkeys(name.partition(".")[0] for name in self.tree.names))
        return first if "params" in first else ()

    @property
    def versions(self) -> Mapping[str, str]:
        """None beside those of JAX."""
        return {}

    @property
    def description(self) -> str:
        """The names and shapes of the weights."""
        return str(dict(self.tree.shapes))

    @property
    def code(self) -> tuple[Any, ...]:
        """The function."""
        return (self.apply,)

    def with_tree(self, inputs: Any, names: Mapping[str, tuple[int, ...]]) -> "FunctionNetwork":
        """Return the network itself: its tree is known."""
        return self

    def names_in_file(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays as they are."""
        return arrays

    @property
    def leaves_reader(self) -> None:
        """Nothing: leaves without names fit modules of Equinox alone."""
        return

    def layer_weights(self, layer: str) -> LayerWeights:
        """Return names that no layer has: a function has no layers."""
        return LayerWeights(f"{layer}.kernel", f"{layer}.bias")

    def layers(self) -> tuple[str, ...]:
        """Return nothing: a function has no layers."""
        return ()

    def run(self, arrays: Arrays, inputs: Any, layers: Collection[str] = ()) -> Run:
        """Call the function."""
        return self.run_plainly(arrays, inputs), {}

    def run_plainly(self, arrays: Arrays, inputs: Any) -> Any:
        """Call the function."""
        output = self.apply(self.tree.with_values(arrays), inputs)
        return networks.logits_of(output, inputs.shape[0])
