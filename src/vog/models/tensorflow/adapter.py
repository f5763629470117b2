"""A network of TensorFlow that is observed under the weights of one checkpoint after the other.

It is traced once, and its variables are assigned the weights of the checkpoint in use.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from vog import checkpoints, host_memory, user_functions
from vog.checkpoints import Reader
from vog.data.inputs import Inputs
from vog.errors import ModelError
from vog.models.framework_batches import (
    Unmatched,
    Unread,
    errors_named,
    float_tensor,
    read_arrays,
)
from vog.models.last_layer import LinearLastLayer
from vog.models.match_variables import match
from vog.models.options import ModelOptions
from vog.models.own_model import OwnModel, model_of_object
from vog.models.protocol import FittedWeights, Outputs
from vog.models.tensorflow.image_layout import layout_of_shape
from vog.models.tensorflow.networks import Graph, Source
from vog.models.tensorflow.traced_network import TracedNetwork
from vog.scores.gradient import Layout
from vog.wording import option

Arrays = Mapping[str, np.ndarray]


@dataclass(eq=False)
class Assigned:
    """Which arrays the variables hold now."""

    arrays: Arrays | None = None


@dataclass(frozen=True)
class Traced:
    """A network that was traced for one shape of examples.

    Attributes:
        graph: its variables, and how it is run.
        network: the traced function.
        assigned: the weights that are in the variables.
    """

    graph: Graph
    network: TracedNetwork
    assigned: Assigned


@dataclass(frozen=True)
class TensorflowModel:
    """A network with its traced functions; see `vog.models.own_model`.

    Attributes:
        source: what the user gave.
        options: how checkpoints are read.
        shape: of an example; None until one was seen.
        traced: the network for this shape; made when it is needed.
    """

    source: Source
    options: ModelOptions
    shape: tuple[int, ...] | None = None
    traced: Traced | None = None

    plain_name = "the network in a session of TensorFlow 1, one checkpoint after the other"

    def __getstate__(self) -> dict[str, Any]:
        """Return the model as it is sent to another process, which traces the network again."""
        try:
            return {"packed": pickle.dumps((self.source, self.options, self.shape))}
        except Exception as error:  # objects of the user can raise anything
            raise ModelError(
                f"the model cannot be sent to another process: "
                f"{user_functions.describe_error(error)}. Give {option('model')} by a name."
            ) from error

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Trace the network again, if its shape is known."""
        source, options, shape = pickle.loads(state["packed"])
        traced = None if shape is None else trace(source, shape)
        vars(self).update(source=source, options=options, shape=shape, traced=traced)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of TensorFlow."""
        return {"tensorflow": tf.__version__}

    def identity(self) -> Mapping[str, str]:
        """Return what identifies the network."""
        return self.source.identity()

    def reads_itself(self, path: Path) -> bool:
        """Return True if a path is a checkpoint that only the network's own framework reads."""
        return self.source.reads_itself(path)

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """None: inputs are passed as they are."""
        return None

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return None: the inputs are differentiated."""
        return None

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the axis of colours by the first layer of the network, or by the shape."""
        if len(shape) != 3:
            return None
        return self.source.layout(shape) or layout_of_shape(shape)

    def read(self, path: Path) -> FittedWeights:
        """Return the arrays of a checkpoint by the names of the variables, floats in float32.

        Raises:
            CheckpointError: it cannot be read, or does not fit.
        """
        if self.source.reads_itself(path) and self.options.reader == Reader():
            if self.traced is None:
                return FittedWeights(Unread(path))
            return FittedWeights({n: _float32(a) for n, a in self.source.read(path).items()})
        stored = read_arrays(self.options.reader, path)
        if self.traced is None:
            return FittedWeights(Unmatched(stored.arrays, path), stored.key, stored.notes)
        matched = match(stored.arrays, self.traced.graph.shapes, path)
        return FittedWeights(matched.arrays, stored.key, {**stored.notes, **matched.notes})

    def digest(self, fitted: FittedWeights) -> str:
        """Return a digest of values in their order: names may count up within a process."""
        arrays = enumerate(fitted.values.values())
        tensors = {str(position): torch.from_numpy(np.array(a)) for position, a in arrays}
        return checkpoints.weights_digest(tensors)

    def ready(self, fitted: FittedWeights) -> Arrays:
        """Return the arrays as they were read; they are assigned when they are used."""
        assert self.traced is not None, "the shape of examples is known"
        if isinstance(fitted.values, Unread):
            return self.read(fitted.values.path).values
        if isinstance(fitted.values, Unmatched):
            return match(fitted.values, self.traced.graph.shapes, fitted.values.path).arrays
        return fitted.values

    def place(self, inputs: Inputs) -> Any:
        """Return a batch as a tensor of TensorFlow.

        Raises:
            ModelError: it is not one tensor of floats.
        """
        return tf.constant(float_tensor(inputs).numpy())

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Compute in float32 inside the block; the network is in evaluation mode always."""
        allowed = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            with self.source.values_restored():
                yield
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(allowed)
            if self.traced is not None:
                self.traced.assigned.arrays = None  # the user may change variables in between

    @contextmanager
    def observe(self, weights: Arrays, placed: Any, differentiate: bool) -> Iterator[Outputs]:
        """Give the outputs of a batch under one checkpoint.

        Raises:
            ModelError: the network cannot take such a batch.
        """
        assert self.traced is not None, "the shape of examples is known"
        with self._device():
            self._assign(weights)
            if not differentiate:
                with self._errors_named(placed):
                    logits, features = self.traced.network.forward(placed, ())
                yield self._outputs(logits, features, _no_gradient)
                return
            with ExitStack() as stack:
                with self._errors_named(placed):
                    run = stack.enter_context(self.traced.network.differentiated(placed, ()))

                def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
                    with self._errors_named(placed):
                        gradient = run.vjp(cotangent.float().numpy(), more)
                    if gradient is None:
                        raise ModelError(
                            "the outputs of the model do not depend on its inputs. Give a network "
                            "whose output is a differentiable function of the placeholder."
                        )
                    return torch.from_numpy(np.array(gradient))

                yield self._outputs(run.logits, run.features, vjp)

    def _outputs(self, logits: Any, features: Any, vjp: Any) -> Outputs:
        assert self.traced is not None
        layer = None
        if features is not None:
            layer = LinearLastLayer(
                torch.from_numpy(np.array(features)), self.traced.graph.has_bias
            )
        return Outputs(torch.from_numpy(np.array(logits)), vjp, layer)

    def _device(self) -> Any:
        return tf.device("/CPU:0") if self.options.device == "cpu" else nullcontext()

    def _assign(self, weights: Arrays) -> None:
        assert self.traced is not None
        if self.traced.assigned.arrays is weights:
            return
        self.traced.assigned.arrays = None  # in case that it fails half way
        for name, variable in self.traced.graph.variables.items():
            variable.assign(weights[name])
        self.traced.assigned.arrays = weights

    def _errors_named(self, placed: Any) -> AbstractContextManager[None]:
        return errors_named(tuple(placed.shape), self.ran_out)

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "TensorflowModel":
        """Return the model with its network traced for the shape of the inputs.

        Raises:
            CheckpointError: the checkpoint does not fit.
            ModelError: the network cannot take such inputs.
        """
        placed = self.place(inputs[:1])
        shape = tuple(placed.shape[1:])
        with self._device(), self._errors_named(placed):
            traced = trace(self.source, shape)
        model = replace(self, shape=shape, traced=traced)
        if isinstance(fitted.values, Unmatched):
            match(fitted.values, traced.graph.shapes, path)
        return model

    def plain(self) -> "TensorflowModel | None":
        """Return the network in a session of TensorFlow 1, if it is a function of it."""
        from vog.models.tensorflow.plain_way import plain_way

        return plain_way(self)

    def peak_bytes(self, work: Callable[[], object]) -> int | None:
        """Return None: TensorFlow does not tell on a processor."""
        work()
        return None

    def ran_out(self, error: BaseException) -> bool:
        """Return True if memory of the machine or of the device ran out."""
        return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)

    def release(self) -> None:
        """Give unused memory back, after memory ran out."""
        host_memory.release()


def trace(source: Source, shape: tuple[int, ...]) -> Traced:
    """Return a network that is traced for examples of a shape when it first runs."""
    graph = source.graph(shape)
    return Traced(graph, TracedNetwork(lambda inputs, _: graph.run(inputs)), Assigned())


def _float32(array: np.ndarray) -> np.ndarray:
    is_float = array.dtype.kind == "f" or "float" in array.dtype.name  # bfloat16 is of kind V
    return array.astype(np.float32) if is_float else array


def _no_gradient(cotangent: Tensor, more: bool = False) -> Tensor:
    raise AssertionError("`differentiate` was not set")


def model_of_source(source: Source, options: ModelOptions) -> OwnModel:
    """Return the model of a network of TensorFlow.

    Raises:
        ModelError: the device is not there, or a last layer is named.
    """
    if options.device not in ("auto", "cpu"):
        raise ModelError(
            f"{option('device', options.device)}: TensorFlow chooses the GPU itself. Use "
            f"{option('device', 'auto')} or {option('device', 'cpu')}."
        )
    if options.head is not None:
        raise ModelError(
            f"{option('head', options.head)}: the last layer of a network of TensorFlow is found "
            f"in its graph, where layers have no names of their own. Leave {option('head')} out."
        )
    return model_of_object(TensorflowModel(source, options), options)
