"""A model of the Keras that TensorFlow had before Keras 3 (`tf_keras`), as a network of TensorFlow.

Its variables are those of the user's model; what they held is put back after the run.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vog import user_functions
from vog.errors import CheckpointError
from vog.models.tensorflow.last_layer import before_softmax, last_layer
from vog.models.tensorflow.networks import Graph, logits_of
from vog.scores.gradient import Layout

_ENDINGS = (".keras", ".h5", ".hdf5", ".index")


@dataclass(frozen=True)
class OldKeras:
    """A model of `tf_keras`.

    Attributes:
        model: the user's.
        build: the user's function that built it; None if the user gave the model.
    """

    model: Any
    build: Callable[[], object] | None = None

    def __reduce__(self) -> Any:
        """Return how another process gets the model: built again, or with its values."""
        return (OldKeras, (self.model, None)) if self.build is None else (_built, (self.build,))

    def graph(self, shape: tuple[int, ...]) -> Graph:
        """Return the network for examples of a shape, whose logits stand before any softmax."""
        if not self.model.built:
            self.model(np.zeros((1, *shape), np.float32), training=False)

        def run(inputs: Any) -> tuple[Any, Any]:
            logits = self._logits(inputs)
            layer = last_layer(logits)
            return logits, None if layer is None else layer.features

        batch = tf.TensorSpec((None, *shape), tf.float32)
        trace = tf.function(self._logits, autograph=False).get_concrete_function(batch)
        layer = last_layer(trace.outputs[0])
        return Graph(self.variables, run, layer is not None and layer.has_bias)

    def _logits(self, inputs: Any) -> Any:
        """Return the logits; called in a graph."""
        output = self.model(inputs, training=False)
        return before_softmax(logits_of(output, type(self.model).__name__))

    @property
    def variables(self) -> dict[str, Any]:
        """The variables by name; a name that comes again has a number."""
        counts: dict[str, int] = {}
        variables = {}
        for variable in self.model.variables:
            name = variable.name.removesuffix(":0")
            count = counts[name] = counts.get(name, 0) + 1
            variables[name if count == 1 else f"{name}:{count}"] = variable
        return variables

    def identity(self) -> Mapping[str, str]:
        """Return the classes of the layers, and digests of the user's code."""
        layers = list(self.model._flatten_layers())
        own = {type(layer) for layer in layers if "keras." not in f"{type(layer).__module__}."}
        code = [*own, *([getattr(self.build, "function", self.build)] if self.build else [])]
        return {
            "architecture": " ".join(type(layer).__name__ for layer in layers),
            "code": " ".join(sorted(map(user_functions.function_identity, code))),
        }

    def layout(self, shape: tuple[int, ...]) -> Layout | None:
        """Return where the first layer with an axis of colours has it."""
        formats = (getattr(layer, "data_format", None) for layer in self.model._flatten_layers())
        names: dict[Any, Layout] = {
            "channels_last": "channels-last",
            "channels_first": "channels-first",
        }
        return next((names[data_format] for data_format in formats if data_format in names), None)

    def reads_itself(self, path: Path) -> bool:
        """Return True if a path is a file of Keras, or the index of a checkpoint of it."""
        return path.name.lower().endswith(_ENDINGS)

    def read(self, path: Path) -> dict[str, np.ndarray]:
        """Return the value of each variable in a checkpoint, by its name.

        Raises:
            CheckpointError: it cannot be read, or does not fit.
        """
        prefix = str(path).removesuffix(".index")
        with self.values_restored():
            for variable in self.variables.values():
                if variable.dtype.is_floating:
                    variable.assign(tf.fill(variable.shape, tf.constant(np.nan, variable.dtype)))
            try:
                status = self.model.load_weights(prefix)
                if status is not None:
                    status.assert_existing_objects_matched().expect_partial()
            except Exception as error:  # of h5py, zipfile and TensorFlow: each has its own
                raise CheckpointError(
                    f"checkpoint {path} cannot be read into the model: "
                    f"{user_functions.describe_error(error)}. Expected weights that Keras saved of "
                    f"this model, intact."
                ) from error
            return {name: np.array(v.numpy()) for name, v in self.variables.items()}

    @contextmanager
    def values_restored(self) -> Iterator[None]:
        """Put the values of the user's variables back after the block."""
        values = [variable.numpy() for variable in self.model.variables]
        try:
            yield
        finally:
            for variable, value in zip(self.model.variables, values, strict=False):
                variable.assign(value)


def _built(build: Callable[[], Any]) -> OldKeras:
    return OldKeras(build(), build)
