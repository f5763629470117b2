"""Networks of Equinox: a module that is a tree, and that takes one example."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import equinox as eqx
import jax
import numpy as np

from vog.errors import CheckpointError
from vog.models.jax import networks
from vog.models.jax.named_arrays import Arrays, Tree, as_float32, tree_of
from vog.models.jax.networks import Call, LayerWeights, Run, joined, layers_by_weights
from vog.scores.gradient import Layout

_STATE = "state."
_ARRAY_FILE = b"\x93NUMPY"


@dataclass(frozen=True)
class EquinoxNetwork:
    """A module, with its state if it has one.

    Attributes:
        module: the module.
        state: what batch norms have counted; None without.
    """

    module: Any
    state: Any = None
    image_layout: Layout | None = "channels-first"

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        """The arrays of module and state, and the rest, in evaluation mode."""
        module = eqx.nn.inference_mode(self.module)
        return eqx.partition((module, self.state), eqx.is_array)

    @cached_property
    def tree(self) -> Tree:
        """The arrays of the module by name, and those of the state after `state.`."""
        module, state = self._parts[0]
        first, second = tree_of(module), tree_of(state, _STATE)
        structure = jax.tree_util.tree_structure(self._parts[0])
        return Tree(first.names + second.names, {**first.shapes, **second.shapes}, structure)

    @cached_property
    def mode(self) -> Mapping[str, Any]:
        """The arguments beside inputs and state: no random key."""
        call = type(self.module).__call__
        parameters = inspect.signature(call).parameters
        return {"key": None} if "key" in parameters else {}

    @property
    def groups(self) -> tuple[str, ...]:
        """None: files hold one tree."""
        return ()

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of Equinox."""
        return {"equinox": version("equinox")}

    @property
    def description(self) -> str:
        """The printed module with its state."""
        return f"{self.module}, {self.state}"

    @property
    def code(self) -> tuple[Any, ...]:
        """The classes of all modules."""
        kinds: dict[type, None] = {}

        def collect(part: Any) -> bool:
            if isinstance(part, eqx.Module):
                kinds[type(part)] = None
            return False

        jax.tree_util.tree_leaves(self.module, is_leaf=collect)
        return tuple(kinds)

    def with_tree(self, inputs: Any, names: Mapping[str, tuple[int, ...]]) -> "EquinoxNetwork":
        """Return the network itself: its tree is known."""
        return self

    def names_in_file(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays as they are."""
        return arrays

    @property
    def leaves_reader(self) -> Callable[[Path], Mapping[str, np.ndarray]]:
        """What `tree_serialise_leaves` wrote is read by the module itself."""
        return self.read_leaves

    def read_leaves(self, path: Path) -> Mapping[str, np.ndarray]:
        """Return the arrays that `tree_serialise_leaves` wrote of the module, or of both.

        Raises:
            CheckpointError: the file holds other leaves.
        """
        like = self.module if self.state is None else (self.module, self.state)
        try:
            with path.open("rb") as file:
                _skip_settings(file)
                loaded = eqx.tree_deserialise_leaves(file, like)
                rest = file.read(1)
        except OSError as error:
            raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}.") from error
        except Exception as error:  # NumPy and Equinox raise many kinds for a wrong file
            raise CheckpointError(_misfit(path, self.state, f"{error}")) from error
        if rest:
            raise CheckpointError(_misfit(path, self.state, "it holds more leaves"))
        self._refuse_other_settings(loaded, like, path)
        pair = (loaded, None) if self.state is None else loaded
        leaves = jax.tree_util.tree_leaves(eqx.filter(pair, eqx.is_array))
        arrays = [as_float32(leaf) for leaf in leaves]
        return {
            name: array
            for name, array in zip(self.tree.names, arrays, strict=True)
            if array is not None
        }

    def _refuse_other_settings(self, loaded: Any, like: Any, path: Path) -> None:
        """Raise CheckpointError if a number that is no array differs from that of the module."""
        pairs = zip(*(jax.tree_util.tree_leaves(value) for value in (loaded, like)), strict=True)
        for actual, expected in pairs:
            if isinstance(expected, bool | int | float | complex) and actual != expected:
                raise CheckpointError(
                    f"checkpoint {path} does not fit the model: a setting is {actual!r} in the "
                    f"file and {expected!r} in the module. Build the module as it was saved; "
                    f"evaluation mode is set here."
                )

    def layer_weights(self, layer: str) -> LayerWeights:
        """Return the names of the weight and bias of a Linear."""
        return LayerWeights(joined(layer, "weight"), joined(layer, "bias"), outputs_first=True)

    def layers(self) -> tuple[str, ...]:
        """Return the modules with a weight of two axes."""
        return layers_by_weights(self.tree, "", "weight")

    def run(self, arrays: Arrays, inputs: Any, layers: Collection[str] = ()) -> Run:
        """Map the module over the examples, and record the calls of some Linear layers."""
        module, state = self._combined(arrays)
        paths = jax.tree_util.tree_flatten_with_path(module, is_leaf=_is_linear)[0]
        names = {
            id(part): name
            for path, part in paths
            if _is_linear(part) and (name := tree_name(path)) in layers
        }

        def of_one(example: Any) -> tuple[Any, dict[str, Call]]:
            calls: dict[str, Call] = {}
            recording = jax.tree_util.tree_map(
                lambda part: (
                    _RecordingLinear(part, names[id(part)], calls) if id(part) in names else part
                ),
                module,
                is_leaf=_is_linear,
            )
            return self._output(recording, state, example), calls

        output, calls = jax.vmap(of_one, axis_name="batch")(inputs)
        return networks.logits_of(output, inputs.shape[0]), calls

    def run_plainly(self, arrays: Arrays, inputs: Any) -> Any:
        """Map the module over the examples."""
        module, state = self._combined(arrays)
        output = jax.vmap(lambda x: self._output(module, state, x), axis_name="batch")(inputs)
        return networks.logits_of(output, inputs.shape[0])

    def _output(self, module: Any, state: Any, example: Any) -> Any:
        if state is None:
            return module(example, **self.mode)
        output, _ = module(example, state, **self.mode)
        return output

    def _combined(self, arrays: Arrays) -> tuple[Any, Any]:
        return eqx.combine(self.tree.with_values(arrays), self._parts[1])


class _RecordingLinear(eqx.Module):
    """A linear layer that also records what it takes and gives."""

    layer: eqx.nn.Linear
    name: str = eqx.field(static=True)
    calls: dict[str, Call] = eqx.field(static=True)

    def __call__(self, inputs: Any, *args: Any, **keywords: Any) -> Any:
        output = self.layer(inputs, *args, **keywords)
        self.calls[self.name] = (inputs, output)
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)


def _is_linear(value: object) -> bool:
    return isinstance(value, eqx.nn.Linear)


def tree_name(path: Any) -> str:
    """Return the name of a part of a module."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _skip_settings(file: BinaryIO) -> None:
    """Skip a first line of settings, as JSON, which precedes the leaves in many files."""
    start = file.read(len(_ARRAY_FILE))
    file.seek(0)
    if start[:1] == b"{":
        file.readline()


def _misfit(path: Path, state: Any, reason: str) -> str:
    expected = "the module" if state is None else "(module, state)"
    return (
        f"checkpoint {path} does not fit the model: {' '.join(reason.split())[:300]}. Expected the "
        f"leaves of {expected}, as equinox.tree_serialise_leaves writes them, and nothing else."
    )
