"""Networks of Flax linen: a module without arrays, to which variables are applied."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from flax import linen

from vog.models.jax import networks
from vog.models.jax.match_names import names_without_tree
from vog.models.jax.named_arrays import Arrays, Tree, tree_of
from vog.models.jax.networks import Call, LayerWeights, Run, joined, layers_by_weights
from vog.scores.gradient import Layout

_PARAMS = "params."


@dataclass(frozen=True)
class LinenNetwork:
    """A module of linen.

    Attributes:
        module: the module.
        tree: its variables; None until inputs are known.
    """

    module: linen.Module
    tree: Tree | None = None
    image_layout: Layout | None = "channels-last"

    def __post_init__(self) -> None:
        """Raise ModelError if the module cannot be called with inputs alone."""
        assert self.mode is not None

    @cached_property
    def mode(self) -> networks.Evaluation:
        """The arguments that set evaluation mode."""
        kind = type(self.module).__name__
        return networks.evaluation_arguments(
            self.module.__call__,
            f"the module {kind}",
            "Return (lambda variables, x: module.apply(variables, x, ...), variables) with "
            "example variables, such as those of init, in place of the module.",
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """The collections of variables."""
        names = () if self.tree is None else self.tree.names
        return tuple(dict.fromkeys(name.partition(".")[0] for name in names))

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of Flax."""
        return {"flax": version("flax")}

    @property
    def description(self) -> str:
        """The printed module."""
        return repr(self.module)

    @property
    def code(self) -> tuple[Any, ...]:
        """The classes of the module and of the modules that are its attributes."""
        parts = [self.module, *jax.tree_util.tree_leaves(vars(self.module), is_leaf=_is_module)]
        return tuple(dict.fromkeys(type(part) for part in parts if _is_module(part)))

    def with_tree(self, inputs: Any, names: Mapping[str, tuple[int, ...]]) -> "LinenNetwork":
        """Return the network with the variables that `init` would make, or else those of a file."""
        key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
        try:
            variables = jax.eval_shape(
                lambda key, x: self.module.init({"params": key, "dropout": key}, x, **self.mode),
                key,
                inputs,
            )
        except Exception:  # whatever is wrong, `apply` says it with the variables of the file
            shapes = names_without_tree(names)
            variables = _nested(
                {n: jax.ShapeDtypeStruct(shape, np.float32) for n, shape in shapes.items()}
            )
        sown = {"intermediates", "losses"}  # results of a call, which are no weights
        variables = {name: value for name, value in variables.items() if name not in sown}
        return replace(self, tree=tree_of(variables, dropped=("value",)))

    def names_in_file(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays as they are."""
        return arrays

    @property
    def leaves_reader(self) -> None:
        """Nothing: leaves without names fit modules of Equinox alone."""
        return

    def layer_weights(self, layer: str) -> LayerWeights:
        """Return the names of the kernel and bias of a Dense."""
        path = joined("params", layer)
        return LayerWeights(f"{path}.kernel", f"{path}.bias")

    def layers(self) -> tuple[str, ...]:
        """Return the modules with a kernel of two axes."""
        return layers_by_weights(self.tree, _PARAMS, "kernel")

    def run(self, arrays: Arrays, inputs: Any, layers: Collection[str] = ()) -> Run:
        """Apply the module, and record the calls of some of its Dense layers."""
        calls: dict[str, Call] = {}

        def record(call: Any, args: Any, keywords: Any, context: Any) -> Any:
            output = call(*args, **keywords)
            name = ".".join(context.module.path)
            is_call = isinstance(context.module, linen.Dense) and context.method_name == "__call__"
            if is_call and name in layers and len(args) == 1:
                calls[name] = (args[0], output)
            return output

        with linen.intercept_methods(record):
            output = self._apply(arrays, inputs)
        return networks.logits_of(output, inputs.shape[0]), calls

    def run_plainly(self, arrays: Arrays, inputs: Any) -> Any:
        """Apply the module."""
        return networks.logits_of(self._apply(arrays, inputs), inputs.shape[0])

    def _apply(self, arrays: Arrays, inputs: Any) -> Any:
        assert self.tree is not None, "the tree is known when the network runs"
        return self.module.apply(self.tree.with_values(arrays), inputs, **self.mode)


def _is_module(value: object) -> bool:
    return isinstance(value, linen.Module)


def _nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts of arrays by names joined by dots."""
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = array
    return nested
