"""A model of Keras 3 that is observed under the weights of one checkpoint after the other."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from vog import checkpoints, host_memory, user_functions
from vog.data.inputs import Inputs
from vog.errors import CheckpointError, ModelError
from vog.models.framework_batches import Unread, errors_named, float_tensor, read_arrays
from vog.models.keras import read_checkpoint
from vog.models.keras.network import KerasNetwork
from vog.models.keras.passes import Pass, Passes, passes_of
from vog.models.last_layer import LinearLastLayer
from vog.models.match_variables import match
from vog.models.options import ModelOptions
from vog.models.own_model import OwnModel, model_of_object
from vog.models.protocol import FittedWeights, Outputs
from vog.scores.gradient import Layout
from vog.wording import option

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class KerasModel:
    """A model of Keras; see `vog.models.own_model`.

    Attributes:
        network: the user's model as a function of its variables.
        options: how checkpoints are read.
        build: the user's function that built the model; None if the user gave the model.
        passes: what was compiled.
    """

    network: KerasNetwork
    options: ModelOptions
    build: Callable[[], object] | None
    passes: Passes = field(compare=False, repr=False)

    plain_name = "load_weights into the model, and its own call, without compiling"

    def __getstate__(self) -> dict[str, Any]:
        """Return the model as it is sent to another process, which builds it again."""
        layers = list(self.network.model._flatten_layers(include_self=False))
        positions = [
            None if layer is None else next(i for i, other in enumerate(layers) if other is layer)
            for layer in (self.network.softmax, self.network.head)
        ]
        shape = getattr(self.network.model, "_vog_input_shape", None)
        source = {"model": self.network.model} if self.build is None else {"build": self.build}
        try:
            packed = pickle.dumps({**source, "options": self.options})
        except Exception as error:  # objects of the user can raise anything
            raise ModelError(
                f"the model cannot be sent to another process: "
                f"{user_functions.describe_error(error)}. Give {option('model')} as "
                f"file.py:function, or a function that can be imported."
            ) from error
        backend = keras.backend.backend()
        return {"packed": packed, "parts": positions, "shape": shape, "backend": backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the model again.

        Raises:
            ModelError: Keras has another backend in this process.
        """
        if keras.backend.backend() != state["backend"]:
            raise ModelError(
                f"Keras computes with {keras.backend.backend()} in this process, and with "
                f"{state['backend']} in the one that began. Set KERAS_BACKEND in the environment."
            )
        values = pickle.loads(state["packed"])
        build = values.get("build")
        model = values["model"] if build is None else build()
        if state["shape"] is not None:
            _build_by_call(model, state["shape"])
        layers = list(model._flatten_layers(include_self=False))
        softmax, head = (None if i is None else layers[i] for i in state["parts"])
        network = KerasNetwork(model, softmax, head)
        vars(self).update(
            network=network, options=values["options"], build=build, passes=passes_of(network.run)
        )

    @property
    def device(self) -> torch.device:
        """Where PyTorch has the outputs."""
        if keras.backend.backend() == "torch":
            return torch.device(keras.ops.convert_to_tensor(np.zeros(1, np.float32)).device)
        return torch.device("cpu")

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of Keras and of the library that it computes with."""
        backend = keras.backend.backend()
        return {"keras": keras.__version__, backend: _version(backend)}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the logits are, if the model itself returns probabilities."""
        if self.network.softmax is None:
            return ()
        activation = self.network.omitted_activation
        return (f"the logits are what goes into the {activation} of {self.network.softmax.name}",)

    @property
    def omitted_activation(self) -> str | None:
        """The function at the end of the model that is left out."""
        return self.network.omitted_activation

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """None: inputs are passed as they are."""
        return None

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return None: the inputs are differentiated."""
        return None

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the axis of colours as Keras is set, for images."""
        if len(shape) != 3:
            return None
        is_last = keras.config.image_data_format() == "channels_last"
        return "channels-last" if is_last else "channels-first"

    def identity(self) -> Mapping[str, str]:
        """Return digests of the architecture, and of the code that computes it."""
        model, build = self.network.model, self.build
        kinds = [type(layer) for layer in model._flatten_layers(include_self=True)]
        own = {kind for kind in kinds if not kind.__module__.startswith("keras.")}
        code = [*own, *([getattr(build, "function", build)] if build is not None else [])]
        identities = sorted(map(user_functions.function_identity, code))
        return {
            "architecture": user_functions.short_digest(
                user_functions.address_free(self.network.description)
            ),
            "code": user_functions.short_digest("\n".join(identities)),
            "backend": keras.backend.backend(),
        }

    def reads_itself(self, path: Path) -> bool:
        """Return True if a path is a file in a format of Keras."""
        return read_checkpoint.reads_itself(path)

    def read(self, path: Path) -> FittedWeights:
        """Return the value of each variable in a checkpoint, floats in float32.

        Raises:
            CheckpointError: it cannot be read, or does not fit.
        """
        if not self.network.model.built:
            return FittedWeights(Unread(path))
        own_format = self.reads_itself(path) and self.options.reader.read is None
        if own_format:
            self._refuse_choice(path)
            values = read_checkpoint.values_in(path, self.network.model, self.network.variables)
            return FittedWeights(dict(zip(self.network.names, values, strict=True)))
        stored = read_arrays(self.options.reader, path)
        new_names = self._names_in_torch()
        arrays = {new_names.get(name, name): array for name, array in stored.arrays.items()}
        matched = match(arrays, self._needed(), path)
        values = {**self._random_states(), **matched.arrays}
        ordered = {name: values[name] for name in self.network.names}
        return FittedWeights(ordered, stored.key, {**stored.notes, **matched.notes})

    def _names_in_torch(self) -> dict[str, str]:
        """Return the path of each variable by its name in the state dict of PyTorch.

        A model of Keras on PyTorch is a module, so the user may save its state dict; on other
        backends there are no such names.
        """
        if keras.backend.backend() != "torch":
            return {}
        pairs = zip(self.network.names, self.network.variables, strict=True)
        paths = {variable.value.data_ptr(): path for path, variable in pairs}
        state = self.network.model.state_dict()
        return {n: paths[t.data_ptr()] for n, t in state.items() if t.data_ptr() in paths}

    def _refuse_choice(self, path: Path) -> None:
        """Raise CheckpointError if options choose or rename what Keras reads by position."""
        reader = self.options.reader
        if reader.weights is None and reader.names is None:
            return
        what = option("names") if reader.weights is None else option("weights", reader.weights)
        raise CheckpointError(
            f"checkpoint {path}: {what} does not apply to files that Keras reads: they hold one "
            f"set of weights, by the position of layers. Leave it out, or give "
            f"{option('read', 'file.py:function')}."
        )

    def _needed(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all variables but the states of random numbers, by name."""
        states = self._random_states()
        pairs = zip(self.network.names, self.network.variables, strict=True)
        return {name: tuple(v.shape) for name, v in pairs if name not in states}

    def _random_states(self) -> Arrays:
        """Return the values of variables that only training uses: the states of dropout."""
        pairs = zip(self.network.names, self.network.variables, strict=True)
        return {name: read_checkpoint.as_array(v) for name, v in pairs if "seed_generator" in name}

    def digest(self, fitted: FittedWeights) -> str:
        """Return a digest of values in order: Keras counts names up within a process."""
        values = fitted.values
        if isinstance(values, Unread):
            raise AssertionError("the model is built before its checkpoints are compared")
        tensors = {
            str(position): torch.from_numpy(np.array(value, _digestible(value)))
            for position, (name, value) in enumerate(values.items())
            if "seed_generator" not in name
        }
        return checkpoints.weights_digest(tensors)

    def ready(self, fitted: FittedWeights) -> Sequence[Any]:
        """Return the values as tensors of the backend, in the order of the variables."""
        values = fitted.values
        if isinstance(values, Unread):
            values = self.read(values.path).values
        pairs = zip(values.values(), self.network.variables, strict=True)
        return [keras.ops.convert_to_tensor(value, dtype=v.dtype) for value, v in pairs]

    def nbytes(self, weights: Sequence[Any]) -> int:
        """Return the bytes of all tensors."""
        return sum(4 * int(np.prod(tensor.shape)) for tensor in weights)

    def place(self, inputs: Inputs) -> Any:
        """Return a batch as a tensor of the backend.

        Raises:
            ModelError: it is not one tensor of floats.
        """
        return keras.ops.convert_to_tensor(float_tensor(inputs).numpy())

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Compute in float32 inside the block; the model is called for evaluation always."""
        with _float32_arithmetic():
            yield

    @contextmanager
    def observe(
        self, weights: Sequence[Any], placed: Any, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of a batch under one checkpoint.

        Raises:
            ModelError: the model cannot take such a batch.
        """
        if not differentiate:
            with self._errors_named(placed):
                run = self.passes.forward(weights, placed)
            yield self._outputs(run, placed)
            return
        with ExitStack() as stack:
            with self._errors_named(placed):
                run = stack.enter_context(self.passes.differentiated(weights, placed))
            yield self._outputs(run, placed)

    def _outputs(self, run: Pass, placed: Any) -> Outputs:
        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            assert run.vjp is not None, "`differentiate` was set"
            with self._errors_named(placed):
                gradient = run.vjp(cotangent, more)
            if gradient is None:
                raise ModelError(
                    "the outputs of the model do not depend on its inputs. Give a model whose "
                    "output is a differentiable function of its input."
                )
            return gradient

        layer = None
        if run.features is not None:
            layer = LinearLastLayer(run.features, self.network.has_bias)
        return Outputs(run.logits, vjp, layer)

    def _errors_named(self, placed: Any) -> AbstractContextManager[None]:
        return errors_named(tuple(placed.shape), self.ran_out)

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "KerasModel":
        """Return the model with its last layer, as a run on a few examples shows it.

        Raises:
            CheckpointError: the checkpoint does not fit.
            ModelError: the model cannot take such inputs.
        """
        few = self.place(inputs[:2])
        with self.evaluation_mode(), self._errors_named(few):
            if not self.network.model.built:
                _build_by_call(self.network.model, tuple(few.shape))
            if isinstance(fitted.values, Unread):
                fitted = self.read(path)
            with holding(self.network, list(fitted.values.values())):
                network = self.network.with_parts(few, self.options.head)
        return replace(self, network=network, passes=passes_of(network.run))

    def plain(self) -> "KerasModel":
        """Return the model itself with the values of a checkpoint, called without compiling."""
        from vog.models.keras.plain_way import PlainKeras  # it is a model of this kind

        return PlainKeras(self.network, self.options, self.build, self.passes)

    def free_bytes(self) -> int:
        """Return the free bytes of the machine."""
        return host_memory.free_bytes()

    def ran_out(self, error: BaseException) -> bool:
        """Return True if memory of the machine or of the device ran out."""
        names = {kind.__name__ for kind in type(error).__mro__}
        ran_out = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}
        return bool(names & ran_out) or "RESOURCE_EXHAUSTED" in str(error)

    def release(self) -> None:
        """Give unused memory back, after memory ran out."""
        host_memory.release()


@contextmanager
def holding(network: KerasNetwork, values: Sequence[Any]) -> Iterator[None]:
    """Let the model itself have these values inside the block."""
    with read_checkpoint.values_restored(network.variables):
        for variable, value in zip(network.variables, values, strict=True):
            variable.assign(value)
        yield


def _build_by_call(model: Any, shape: tuple[int, ...]) -> None:
    """Create the variables of a model that creates them when it is called first."""
    if not model.built:
        model(keras.ops.zeros(shape))
        model._vog_input_shape = shape


def _float32_arithmetic() -> Any:
    """Return a block in which the backend computes in true float32."""
    backend = keras.backend.backend()
    if backend == "torch":
        from vog.models.torch.float32_arithmetic import float32_arithmetic

        return float32_arithmetic()
    if backend == "jax":
        from vog.models.jax.programs import float32_arithmetic as of_jax

        return of_jax()
    return nullcontext()


def _digestible(value: np.ndarray) -> Any:
    """Return a type that PyTorch has: it lacks some unsigned ones."""
    return np.int64 if value.dtype.kind == "u" else value.dtype


def _version(name: str) -> str:
    if name == "torch":
        return torch.__version__
    import importlib

    return str(importlib.import_module(name).__version__)


def model_of_network(
    value: Any, build: Callable[[], object] | None, options: ModelOptions
) -> OwnModel:
    """Return the model of a model of Keras 3.

    Raises:
        ModelError: Keras computes with something else, or the device is not the one of Keras.
    """
    backend = keras.backend.backend()
    if backend not in ("torch", "jax", "tensorflow"):
        raise ModelError(
            f"Keras computes with {backend}, which has no gradients. Set KERAS_BACKEND to torch, "
            f"jax or tensorflow before Keras is imported."
        )
    network = KerasNetwork(value)
    model = KerasModel(network, options, build, passes_of(network.run))
    if options.device not in ("auto", str(model.device)):
        raise ModelError(
            f"{option('device', options.device)}: Keras computes on {model.device}, which its "
            f"backend, {backend}, chooses. Leave {option('device')} out."
        )
    return model_of_object(model, options)
