"""A model of Keras 3 as a function of its variables, whose logits stand before any last softmax."""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from vog.errors import ModelError, first_few
from vog.wording import option

# Inputs and output of a layer, as it was called last.
Call = tuple[Any, Any]


_MAKE_PROBABILITIES = (keras.activations.softmax, keras.activations.sigmoid)


@dataclass(frozen=True)
class KerasNetwork:
    """A model of Keras 3.

    Attributes:
        model: the user's; its own variables are never changed by `run`.
        softmax: the layer that makes probabilities of logits, by a softmax or a sigmoid; None if
            the model returns logits.
        head: the last `Dense`, if its output is the logits.
    """

    model: Any
    softmax: Any = None
    head: Any = None

    @property
    def variables(self) -> list[Any]:
        """All variables: those that are trained, then the rest, as `run` takes their values."""
        return [*self.model.trainable_variables, *self.model.non_trainable_variables]

    @property
    def names(self) -> tuple[str, ...]:
        """The path of each variable in the model; a path that comes again has a number."""
        counts: dict[str, int] = {}
        names = []
        for variable in self.variables:
            count = counts[variable.path] = counts.get(variable.path, 0) + 1
            names.append(variable.path if count == 1 else f"{variable.path}:{count}")
        return tuple(names)

    @property
    def has_bias(self) -> bool:
        """Whether the last layer has a bias."""
        return self.head is not None and bool(self.head.use_bias)

    def run(self, values: Sequence[Any], inputs: Any) -> tuple[Any, Any]:
        """Return logits in float32, and the inputs of the last layer; None without such a layer."""
        split = len(self.model.trainable_variables)
        layers = [] if self.head is None else [self.head]
        with self._logits_returned(), _watched(layers) as calls:
            outputs, _ = self.model.stateless_call(
                list(values[:split]), list(values[split:]), inputs, **_evaluation(self.model)
            )
        features = None if self.head is None else calls[id(self.head)][0]
        return keras.ops.cast(logits_of(outputs), "float32"), features

    def run_plainly(self, inputs: Any) -> Any:
        """Return the logits of the model itself, with the values that its variables have."""
        with self._logits_returned():
            return keras.ops.cast(_logits(self.model, inputs), "float32")

    @contextmanager
    def _logits_returned(self) -> Iterator[None]:
        """Leave the last softmax out inside the block."""
        layer = self.softmax
        if layer is None:
            yield
        elif isinstance(layer, keras.layers.Softmax):
            with _calling(layer, lambda inputs, *_, **__: inputs):
                yield
        else:
            activation = layer.activation
            layer.activation = keras.activations.linear
            try:
                yield
            finally:
                layer.activation = activation

    def with_parts(self, inputs: Any, head: str | None) -> "KerasNetwork":
        """Return the network with its last softmax and its last layer, as a run shows them.

        Args:
            inputs: a few examples.
            head: the name of the last layer, as the user gives it; None to search.

        Raises:
            ModelError: the layer that the user names does not compute the logits.
        """
        layers = list(self.model._flatten_layers(include_self=False))
        softmax = _last_softmax(self.model, layers, inputs)
        network = replace(self, softmax=softmax)
        dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
        if head is not None:
            dense = [layer for layer in dense if head in (layer.name, layer.path)]
            if not dense:
                names = [layer.name for layer in layers if isinstance(layer, keras.layers.Dense)]
                raise ModelError(
                    f"{option('head', head)}: the model has no Dense of that name. Expected one of "
                    f"{first_few(names, 10) or 'none: it has no Dense'}."
                )
        with network._logits_returned(), _watched(dense) as calls:
            logits = to_numpy(_logits(self.model, inputs))
        last = [layer for layer in dense if _computes(layer, calls.get(id(layer)), logits)]
        if head is not None and not last:
            raise ModelError(
                f"{option('head', head)}: the output of this layer is not what the model returns. "
                f"Name the layer that computes the logits, or leave {option('head')} out."
            )
        return replace(network, head=last[-1] if last else None)

    @property
    def omitted_activation(self) -> str | None:
        """The function that is left out at the end: softmax, sigmoid, or None."""
        if self.softmax is None:
            return None
        activation = getattr(self.softmax, "activation", None)
        return "sigmoid" if activation is keras.activations.sigmoid else "softmax"

    @property
    def description(self) -> str:
        """The architecture as text, without the names that Keras counts up within a process."""
        try:
            config = self.model.get_config()
            text = json.dumps(config, sort_keys=True, default=repr)
            for position, name in enumerate(dict.fromkeys(_names_in(config))):
                text = text.replace(f'"{name}"', f'"part {position}"')
        except Exception:  # a model of a class of the user need not have a configuration
            layers = self.model._flatten_layers(include_self=True)
            text = "\n".join(type(layer).__name__ for layer in layers)
        shapes = [tuple(variable.shape) for variable in self.variables]
        return f"{type(self.model).__name__}\n{text}\n{shapes}"


def _names_in(config: Any) -> Iterator[str]:
    """Yield the names of layers and operations in a configuration, in its order."""
    if isinstance(config, dict):
        if isinstance(name := config.get("name"), str):
            yield name
        for value in config.values():
            yield from _names_in(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _names_in(value)


def to_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor of any backend as an array."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _logits(model: Any, inputs: Any) -> Any:
    return logits_of(model(inputs, **_evaluation(model)))


def _evaluation(model: Any) -> dict[str, bool]:
    """Return the keywords of a call that evaluates; a model need not have any."""
    parameters = inspect.signature(model.call).parameters
    return {"training": False} if "training" in parameters else {}


def logits_of(output: Any) -> Any:
    """Return the logits in an output: a tensor, or a dict with `logits`.

    Raises:
        ModelError: there are none.
    """
    if isinstance(output, dict) and ("logits" in output or len(output) == 1):
        output = output.get("logits", next(iter(output.values())))
    if not hasattr(output, "shape") or len(output.shape) < 1:
        actual = (
            f"shape {tuple(output.shape)}" if hasattr(output, "shape") else type(output).__name__
        )
        raise ModelError(
            f"the model returns {actual}; expected one row an example, (examples, ...). Give "
            f"a model with one output of logits."
        )
    return output


def _last_softmax(model: Any, layers: Sequence[Any], inputs: Any) -> Any:
    """Return the layer whose softmax or sigmoid is the output of the model, or None."""
    makes_softmax = [
        layer
        for layer in layers
        if isinstance(layer, keras.layers.Softmax)
        or getattr(layer, "activation", None) in _MAKE_PROBABILITIES
    ]
    with _watched(makes_softmax) as calls:
        outputs = to_numpy(_logits(model, inputs))
    found = [
        layer
        for layer in makes_softmax
        if id(layer) in calls and _equal(calls[id(layer)][1], outputs)
    ]
    return found[-1] if found else None


def _computes(layer: Any, call: Call | None, logits: np.ndarray) -> bool:
    """Return whether a layer's output is the logits, and is its matrix times one vector a row."""
    if call is None or len(call[0].shape) != 2 or not _equal(call[1], logits):
        return False
    product = to_numpy(call[0]) @ to_numpy(layer.kernel)
    product = product + to_numpy(layer.bias) if layer.use_bias else product
    scale = np.abs(logits).max(initial=0.0)
    return bool(np.abs(product - logits).max(initial=0.0) <= 1e-5 * scale + 1e-12)


def _equal(tensor: Any, values: np.ndarray) -> bool:
    array = to_numpy(tensor)
    return array.shape == values.shape and np.array_equal(array, values, equal_nan=True)


@contextmanager
def _watched(layers: Sequence[Any]) -> Iterator[dict[int, Call]]:
    """Give what each layer took and returned when it was called last, by its identity."""
    calls: dict[int, Call] = {}
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_calling(layer, _noting(layer, calls)))
        yield calls


def _noting(layer: Any, calls: dict[int, Call]) -> Callable[..., Any]:
    call = layer.call

    def noted(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        output = call(inputs, *arguments, **keywords)
        calls[id(layer)] = (inputs, output)
        return output

    return noted


@contextmanager
def _calling(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    """Let a layer call another function inside the block."""
    own = vars(layer).get("call")
    layer.call = call
    try:
        yield
    finally:
        if own is None:
            del layer.call
        else:
            layer.call = own
