"""Networks of Flax nnx: a module that is split into its graph and its state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from flax import nnx

from vog.models.jax import networks
from vog.models.jax.named_arrays import Arrays, Tree, tree_of
from vog.models.jax.networks import Call, LayerWeights, Run, joined, layers_by_weights
from vog.scores.gradient import Layout

_CONTAINERS = ("value", "raw_value", "[...]")


@dataclass(frozen=True)
class NnxNetwork:
    """A module of nnx in evaluation mode.

    Attributes:
        module: the module; never changed after it was split.
    """

    module: nnx.Module
    image_layout: Layout | None = "channels-last"

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        """The graph, the state of random numbers, and the state that checkpoints hold."""
        module = nnx.clone(self.module)
        module.eval()
        return nnx.split(module, nnx.RngState, ...)

    @cached_property
    def tree(self) -> Tree:
        """The state that checkpoints hold."""
        return tree_of(self._parts[2], dropped=_CONTAINERS)

    @cached_property
    def mode(self) -> networks.Evaluation:
        """The arguments that set evaluation mode beside `eval()`."""
        return networks.evaluation_arguments(
            self.module.__call__,  # type: ignore[operator]
            f"the module {type(self.module).__name__}",
            "Return a module whose __call__ takes the inputs alone.",
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """None: all variables have one tree."""
        return ()

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of Flax."""
        return {"flax": version("flax")}

    @property
    def description(self) -> str:
        """The graph without values."""
        return f"{self._parts[0]}"

    @property
    def code(self) -> tuple[Any, ...]:
        """The classes of all modules."""
        return tuple(dict.fromkeys(type(part) for _, part in nnx.iter_modules(self.module)))

    def with_tree(self, inputs: Any, names: Mapping[str, tuple[int, ...]]) -> "NnxNetwork":
        """Return the network itself: its tree is known."""
        return self

    def names_in_file(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays without the containers of variables and the state of random numbers."""
        random = tree_of(self._parts[1], dropped=_CONTAINERS).names
        endings = tuple(f".{name}" for name in random)
        bare = {_without_container(name): array for name, array in arrays.items()}
        return {name: array for name, array in bare.items() if not f".{name}".endswith(endings)}

    @property
    def leaves_reader(self) -> None:
        """Nothing: leaves without names fit modules of Equinox alone."""
        return

    def layer_weights(self, layer: str) -> LayerWeights:
        """Return the names of the kernel and bias of a Linear."""
        return LayerWeights(joined(layer, "kernel"), joined(layer, "bias"))

    def layers(self) -> tuple[str, ...]:
        """Return the modules with a kernel of two axes."""
        return layers_by_weights(self.tree, "", "kernel")

    def run(self, arrays: Arrays, inputs: Any, layers: Collection[str] = ()) -> Run:
        """Call the module, and record the calls of some of its Linear layers."""
        module, calls = self._merged(arrays), dict[str, Call]()
        for path, part in nnx.iter_modules(module):
            name = ".".join(map(str, path))
            if name in layers and isinstance(part, nnx.Linear):
                part.__class__ = _recording(type(part), name, calls)
        output = module(inputs, **self.mode)
        return networks.logits_of(output, inputs.shape[0]), calls

    def run_plainly(self, arrays: Arrays, inputs: Any) -> Any:
        """Update a copy of the module, and call it."""
        module = nnx.clone(self.module)
        module.eval()
        nnx.update(module, self.tree.with_values(arrays))
        return networks.logits_of(module(inputs, **self.mode), inputs.shape[0])  # type: ignore[operator]

    def _merged(self, arrays: Arrays) -> Any:
        graph, random, _ = self._parts
        return nnx.merge(graph, random, self.tree.with_values(arrays))


def _without_container(name: str) -> str:
    first, _, last = name.rpartition(".")
    return first if last in _CONTAINERS else name


def _recording(kind: type, name: str, calls: dict[str, Call]) -> type:
    """Return a class of the same layers that also record what they take and give."""

    def call(layer: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
        output = kind.__call__(layer, inputs, *args, **keywords)
        calls[name] = (inputs, output)
        return output

    return type(kind)(kind.__name__, (kind,), {"__call__": call})
