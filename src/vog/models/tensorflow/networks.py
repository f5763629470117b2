"""Networks of TensorFlow with their variables: a function of TensorFlow 1, or a SavedModel."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import tensorflow as tf

from vog import user_functions
from vog.errors import ModelError, first_few
from vog.models.builder import Builder
from vog.models.tensorflow.image_layout import layout_of_function, layout_of_shape
from vog.models.tensorflow.last_layer import LastLayer, last_layer
from vog.scores.gradient import Layout
from vog.wording import option

# Parameters of a function that say whether it builds the network for training.
_MODES = ("is_training", "training", "train")


@dataclass(frozen=True)
class Graph:
    """A network that was traced for inputs of one shape.

    Attributes:
        variables: by name, without the `:0` at the end.
        run: from inputs [n, ...] to logits [n, classes], and the features of the last layer; None
            in their place if there is no such layer.
        has_bias: the last layer has a bias.
    """

    variables: Mapping[str, Any]
    run: Callable[[Any], tuple[Any, Any]]
    has_bias: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each variable."""
        return {name: tuple(variable.shape) for name, variable in self.variables.items()}


@runtime_checkable
class Source(Protocol):
    """What a user gives as a network of TensorFlow; it can be sent to another process."""

    def graph(self, shape: tuple[int, ...]) -> Graph:
        """Return the network for examples of a shape."""
        ...

    def identity(self) -> Mapping[str, str]:
        """Return digests of the architecture and of the code."""
        ...

    def reads_itself(self, path: Path) -> bool:
        """Return True if a path is a checkpoint that `read` reads, and not our own readers."""
        ...

    def read(self, path: Path) -> Mapping[str, Any]:
        """Return the arrays of such a checkpoint by the names of variables."""
        ...

    def layout(self, shape: tuple[int, ...]) -> Layout | None:
        """Return where the network takes the colours of images; None if it cannot be told.

        Args:
            shape: of an example with three axes.
        """
        ...

    def values_restored(self) -> AbstractContextManager[None]:
        """Put the values of variables that belong to the user back after the block."""
        ...


class _ReadByOurReaders:
    """A network whose checkpoints our own readers read, into variables of its own."""

    def reads_itself(self, path: Path) -> bool:
        """Return False."""
        return False

    def read(self, path: Path) -> Mapping[str, Any]:
        """Raise AssertionError."""
        raise AssertionError("`reads_itself` is False")

    def values_restored(self) -> AbstractContextManager[None]:
        """Return an empty block."""
        return nullcontext()


@dataclass(frozen=True)
class Tf1Function(_ReadByOurReaders):
    """A function of TensorFlow 1, from a placeholder of inputs to logits.

    Attributes:
        build: the user's function and its keywords.
    """

    build: Builder

    def graph(self, shape: tuple[int, ...]) -> Graph:
        """Return the network for examples of a shape; the function is called once.

        Raises:
            ModelError: the function fails, or returns no logits.
        """
        layers: list[LastLayer | None] = []
        names: list[str] = []

        def network(inputs: Any) -> Any:
            logits = self.logits(inputs)
            layers.append(last_layer(logits))
            variables = tf.compat.v1.global_variables() + tf.compat.v1.local_variables()
            names.extend(map(_name_of, variables))
            return (logits,) if layers[-1] is None else (logits, layers[-1].features)

        specification = tf.TensorSpec((None, *shape), tf.float32)
        wrapped = tf.compat.v1.wrap_function(network, [specification])

        def run(inputs: Any) -> tuple[Any, Any]:
            logits, *features = wrapped(inputs)
            return logits, features[0] if features else None

        # `variables` is in the order of a set, which differs by process.
        by_name = {_name_of(variable): variable for variable in wrapped.variables}
        variables = {name: by_name[name] for name in [*names, *sorted(by_name)] if name in by_name}
        layer = layers[-1]
        return Graph(variables, run, layer is not None and layer.has_bias)

    def logits(self, inputs: Any) -> Any:
        """Return what the function makes of a placeholder; called in a graph.

        Raises:
            ModelError: it returns no logits.
        """
        parameters = inspect.signature(self.build.function).parameters
        off = [name for name in _MODES if name in parameters]
        keywords = {**dict.fromkeys(off, False), **self.build.args}
        return logits_of(self.build.function(inputs, **keywords), self.build.name)

    def layout(self, shape: tuple[int, ...]) -> Layout | None:
        """Return where the first layer of the graph takes colours."""
        return layout_of_function(self.logits, shape)

    def identity(self) -> Mapping[str, str]:
        """Return a digest of the function and its keywords."""
        return {
            "code": user_functions.function_identity(self.build.function),
            "settings": repr(sorted(self.build.args.items())),
        }


@dataclass(frozen=True)
class SavedModel(_ReadByOurReaders):
    """A folder that `tf.saved_model.save` or an exporter wrote, by its one signature.

    Attributes:
        folder: with `saved_model.pb`.
    """

    folder: Path

    def graph(self, shape: tuple[int, ...]) -> Graph:
        """Return the network; the shape is that of its signature.

        Raises:
            ModelError: the folder cannot be loaded, or no signature takes one array.
        """
        loaded = self._load()
        signature = self._signature(loaded)
        ((name, specification),) = signature.structured_input_signature[1].items()
        outputs = signature.structured_outputs
        key = "logits" if "logits" in outputs else next(iter(outputs))
        if len(outputs) > 1 and key != "logits":
            raise ModelError(
                f"the SavedModel {self.folder} has the outputs {first_few(list(outputs))}, and "
                f"nothing says which are logits. Export it with one output, or name it `logits`."
            )

        def run(inputs: Any) -> tuple[Any, Any]:
            cast = tf.cast(inputs, specification.dtype)
            return logits_of(signature(**{name: cast})[key], str(self.folder)), None

        variables = _trackable_names(self.folder, loaded)
        return Graph(variables, run)

    def _load(self) -> Any:
        try:
            return tf.saved_model.load(str(self.folder))
        except Exception as error:  # of TensorFlow, and of what reads protocol buffers
            raise ModelError(
                f"the SavedModel {self.folder} cannot be loaded: "
                f"{user_functions.describe_error(error)}. Expected a folder that "
                f"tf.saved_model.save or model.export wrote."
            ) from error

    def _signature(self, loaded: Any) -> Any:
        signatures = dict(loaded.signatures)
        name = (
            "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
        )
        signature = signatures.get(name)
        inputs = {} if signature is None else signature.structured_input_signature[1]
        if len(inputs) != 1:
            described = first_few(list(inputs)) if inputs else "none"
            raise ModelError(
                f"the SavedModel {self.folder}: the inputs of its signature {name!r} are "
                f"{described}; expected one array of floats. Export it with such a signature."
            )
        return signature

    def layout(self, shape: tuple[int, ...]) -> Layout | None:
        """Return where the signature takes colours; None if its shape leaves it open.

        Raises:
            ModelError: as for `graph`.
        """
        signature = self._signature(self._load())
        (specification,) = signature.structured_input_signature[1].values()
        is_image = specification.shape.rank == 4
        return layout_of_shape(specification.shape.as_list()[1:]) if is_image else None

    def identity(self) -> Mapping[str, str]:
        """Return a digest of the graph."""
        content = (self.folder / "saved_model.pb").read_bytes()
        return {"architecture": hashlib.sha256(content).hexdigest()[:16]}


def _trackable_names(folder: Path, loaded: Any) -> dict[str, Any]:
    """Return the variables of a loaded SavedModel by the names in its checkpoint.

    TensorFlow saves a variable under the path of attributes that leads to it, and a loaded model
    has the same paths.
    """
    checkpoint = tf.train.Checkpoint(root=loaded)
    from tensorflow.python.checkpoint import graph_view  # the only way to the names

    names: dict[str, Any] = {}
    view = graph_view.ObjectGraphView(checkpoint)
    objects, paths = view.breadth_first_traversal()
    for item in objects:
        if isinstance(item, tf.Variable) and paths[item]:
            parts = [reference.name for reference in paths[item]]
            names["/".join(parts[1:] if parts[0] == "root" else parts)] = item
    return names


def logits_of(output: Any, name: str) -> Any:
    """Return the logits in the output of a function.

    Raises:
        ModelError: they are no tensor, or have no axis of examples.
    """
    logits = output.get("logits", output) if isinstance(output, Mapping) else output
    if not isinstance(logits, tf.Tensor) or logits.shape.rank == 0:
        actual = (
            f"a tensor of shape {tuple(logits.shape)}"
            if isinstance(logits, tf.Tensor)
            else f"a {type(logits).__name__}"
        )
        raise ModelError(
            f"{option('model')} {name!r} returns {actual}; expected logits of shape (examples, "
            f"...) from the placeholder of inputs."
        )
    return tf.cast(logits, tf.float32)


def _name_of(variable: Any) -> str:
    return variable.name.removesuffix(":0")
