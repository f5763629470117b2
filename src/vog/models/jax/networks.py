"""What a network of any framework of JAX is: a tree of arrays, and how they give outputs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from vog.errors import ModelError, first_few
from vog.models.jax.named_arrays import Arrays, Tree
from vog.scores.gradient import Layout


@dataclass(frozen=True)
class LayerWeights:
    """The names of the weights of a linear layer.

    Attributes:
        kernel: the name of the matrix.
        bias: the name of the bias, which the layer may lack.
        outputs_first: the matrix has a row for each output, and not one for each input.
    """

    kernel: str
    bias: str
    outputs_first: bool = False


# What a linear layer took and gave when it was called last.
Call = tuple[Any, Any]
Run = tuple[Any, Mapping[str, Call]]


@runtime_checkable
class Network(Protocol):
    """An architecture of one framework, which computes with the arrays of any checkpoint."""

    @property
    def tree(self) -> Tree | None:
        """The arrays that a checkpoint must hold; None if they are not known without inputs."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """The first parts of names that files may hold apart, such as `params`; may be empty."""
        ...

    @property
    def image_layout(self) -> Layout | None:
        """The axis of colours by the convention of the framework, for examples of three axes."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the libraries, by name."""
        ...

    @property
    def description(self) -> str:
        """The architecture as text."""
        ...

    @property
    def code(self) -> tuple[Any, ...]:
        """The classes and functions of the user that compute it."""
        ...

    def with_tree(self, inputs: Any, names: Mapping[str, tuple[int, ...]]) -> "Network":
        """Return the network with its tree known, from a few inputs or else the names in a file."""
        ...

    def names_in_file(self, arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the arrays of a file without what the framework adds to names as it saves."""
        ...

    @property
    def leaves_reader(self) -> Callable[[Path], Mapping[str, np.ndarray]] | None:
        """What reads the leaves in an `.eqx` file, which have no names; None if nothing can."""
        ...

    def layer_weights(self, layer: str) -> LayerWeights:
        """Return the names of the weights that a linear layer of that name has."""
        ...

    def layers(self) -> tuple[str, ...]:
        """Return the names of the layers that may be linear ones."""
        ...

    def run(self, arrays: Arrays, inputs: Any, layers: Collection[str] = ()) -> Run:
        """Return the outputs of a batch, and the last call of each layer that is named.

        Args:
            arrays: by the names of the tree.
            inputs: of a batch.
            layers: names of linear layers whose calls are returned.
        """
        ...

    def run_plainly(self, arrays: Arrays, inputs: Any) -> Any:
        """Return the outputs as a user of the framework would compute them."""
        ...


def layers_by_weights(tree: Tree | None, prefix: str, ending: str) -> tuple[str, ...]:
    """Return the names of the layers that have a matrix of weights.

    Args:
        tree: the arrays of a network.
        prefix: what precedes the name of a layer in that of its weights.
        ending: the name of the matrix in a layer.
    """
    shapes = {} if tree is None else tree.shapes
    return tuple(
        name.removesuffix(ending).removeprefix(prefix).removesuffix(".")
        for name, shape in shapes.items()
        if len(shape) == 2 and name.startswith(prefix) and _has_ending(name, prefix, ending)
    )


def _has_ending(name: str, prefix: str, ending: str) -> bool:
    return name.endswith(f".{ending}") or name == prefix + ending


def joined(*parts: str) -> str:
    """Return the parts that are not empty, joined by dots."""
    return ".".join(part for part in parts if part)


def logits_of(output: Any, examples: int) -> Any:
    """Return the logits in an output: an array, or an object or dict with `logits`.

    Raises:
        ModelError: there are no logits, or not one row an example.
    """
    logits = output
    if isinstance(output, Mapping):
        logits = output.get("logits", output)
    elif isinstance(output, tuple | list) and output and not hasattr(output, "logits"):
        logits = output[0]
    elif not hasattr(output, "shape"):
        logits = getattr(output, "logits", output)
    if not hasattr(logits, "shape"):
        keys = f" with {first_few(list(logits), 6)}" if isinstance(logits, Mapping) else ""
        raise ModelError(
            f"the model returns a {type(logits).__name__}{keys}; expected an array of logits, or "
            f"an object or dict with `logits`. Give (apply, weights) with a function that returns "
            f"the logits."
        )
    if not logits.shape or logits.shape[0] != examples:
        raise ModelError(
            f"the model returns shape {tuple(logits.shape)}; expected one row an example, "
            f"({examples}, ...). Return the outputs of each example, and not their mean."
        )
    return logits


Evaluation = Mapping[str, bool]
_OFF = ("train", "training", "is_training", "enable_dropout")
_ON = ("deterministic", "use_running_average", "inference", "eval", "is_eval")


def evaluation_arguments(call: Callable[..., Any], what: str, advice: str) -> Evaluation:
    """Return the keywords that put a call into evaluation mode, by the names of its parameters.

    Args:
        call: takes the inputs of a batch first.
        what: the network, for messages.
        advice: what to do if other arguments are needed.

    Raises:
        ModelError: it needs arguments whose value is not known.
    """
    import inspect

    parameters = list(inspect.signature(call).parameters.values())
    keywords = {p.name: p.name in _ON for p in parameters[1:] if p.name in (*_OFF, *_ON)}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    unknown = [
        p.name
        for p in parameters[1:]
        if p.name not in keywords and p.default is p.empty and p.kind in named
    ]
    if unknown:
        raise ModelError(
            f"{what} is called with {first_few(unknown)} beside its inputs, and nothing says with "
            f"which value. {advice}"
        )
    return keywords
