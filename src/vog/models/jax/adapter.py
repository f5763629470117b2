"""A network of JAX that is observed under the weights of one checkpoint after the other.

The weights are an argument of compiled functions, so one compilation serves all checkpoints. A
short batch is filled up to the size of a full one, and the rows that were added are cut off again.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor

from vog import host_memory, user_functions
from vog.data.inputs import Inputs
from vog.errors import ModelError
from vog.models.framework_batches import Unmatched, errors_named, float_tensor
from vog.models.jax import last_layer, match_names, programs, read_checkpoint
from vog.models.jax.devices import choose_device, to_jax, to_torch, torch_device
from vog.models.jax.named_arrays import Arrays
from vog.models.jax.network_kinds import network_of
from vog.models.jax.networks import Network
from vog.models.jax.programs import Programs
from vog.models.last_layer import LinearLastLayer
from vog.models.options import ModelOptions
from vog.models.own_model import OwnModel, model_of_object
from vog.models.protocol import FittedWeights, Outputs
from vog.scores.gradient import Layout
from vog.wording import option

# Checks take a few examples, of several sizes; all are computed as batches of this size.
_SMALL_BATCH = 16


@dataclass(frozen=True)
class PlacedBatch:
    """A batch on the device.

    Attributes:
        inputs: filled up with repetitions of its last row.
        rows: the number of rows that count.
    """

    inputs: Any
    rows: int

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class JaxModel:
    """A network with the device and the compiled functions; see `vog.models.own_model`.

    Attributes:
        network: gives outputs from arrays and inputs.
        options: how checkpoints are read.
        jax_device: of the computation.
        build: the user's function that built the network; None if the user gave the network.
        value: what the user gave, or the function returned.
        head: the last layer, if the network has one and its output is the logits.
        full_batch: the number of examples in a full batch; 0 until it is known.
        programs: what was compiled.
    """

    network: Network
    options: ModelOptions
    jax_device: Any
    build: Callable[[], object] | None
    value: Any
    head: str | None = None
    full_batch: int = 0
    programs: Programs = field(default_factory=Programs, compare=False, repr=False)

    plain_name = "the network itself, applied without jit to the restored weights"

    def __getstate__(self) -> dict[str, Any]:
        """Return the model as it is sent to another process, which builds the network again."""
        source = {"value": self.value} if self.build is None else {"build": self.build}
        state = source | {
            "options": self.options,
            "head": self.head,
            "full_batch": self.full_batch,
            "device": (self.jax_device.platform, self.jax_device.id),
            "tree": _tree_arguments(self.network),
        }
        try:
            return {"packed": pickle.dumps(state)}
        except Exception as error:  # objects of the user can raise anything
            raise ModelError(
                f"the model cannot be sent to another process: "
                f"{user_functions.describe_error(error)}. Give {option('model')} as "
                f"jax:file.py:function, or a function that can be imported."
            ) from error

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the network again."""
        values = pickle.loads(state["packed"])
        build = values.get("build")
        value = build() if build is not None else values["value"]
        platform, number = values["device"]
        network = network_of(value)
        if values["tree"] is not None:
            network = replace(network, tree=values["tree"])  # type: ignore[type-var]
        vars(self).update(
            network=network,
            options=values["options"],
            jax_device=next(d for d in jax.devices(platform) if d.id == number),
            build=build,
            value=value,
            head=values["head"],
            full_batch=values["full_batch"],
            programs=Programs(),
        )

    @property
    def device(self) -> torch.device:
        """Where PyTorch has the outputs."""
        return torch_device(self.jax_device)

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of JAX and of the library of the network."""
        return {"jax": version("jax"), "jaxlib": version("jaxlib"), **self.network.versions}

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """None: inputs are passed as they are."""
        return None

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return None: the inputs are differentiated."""
        return None

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the axis of colours by the convention of the framework, for images."""
        return self.network.image_layout if len(shape) == 3 else None

    def identity(self) -> Mapping[str, str]:
        """Return digests of the printed network, and of the code that computes it."""
        description = user_functions.address_free(self.network.description)
        code = [*self.network.code, *([self.build.function] if _is_named(self.build) else [])]
        identities = sorted(map(user_functions.function_identity, code))
        return {
            "architecture": user_functions.short_digest(description),
            "code": user_functions.short_digest("\n".join(identities)),
        }

    def reads_itself(self, path: Path) -> bool:
        """Return True if a path is a checkpoint in a format of JAX."""
        return read_checkpoint.reads_itself(path)

    def read(self, path: Path) -> FittedWeights:
        """Return the arrays of a checkpoint by the names of the network, floats in float32.

        Raises:
            CheckpointError: it cannot be read, or does not fit.
        """
        arrays = read_checkpoint.arrays_in(path, self.options.reader, self.network)
        if self.network.tree is None:
            return FittedWeights(Unmatched(arrays, path))
        matched = self._match(arrays, path)
        return FittedWeights(matched.arrays, notes=matched.notes)

    def _match(self, arrays: Mapping[str, np.ndarray], path: Path) -> match_names.Matched:
        assert self.network.tree is not None, "the tree is known"
        tree, key = self.network.tree, self.options.reader.weights
        return match_names.match(arrays, tree, self.network.groups, key, path)

    def ready(self, fitted: FittedWeights) -> dict[str, Any]:
        """Return the arrays on the device."""
        values = fitted.values
        if isinstance(values, Unmatched):
            values = self._match(values, values.path).arrays
        return {name: jax.device_put(value, self.jax_device) for name, value in values.items()}

    def place(self, inputs: Inputs) -> PlacedBatch:
        """Return a batch on the device, filled up to the size that is compiled.

        Raises:
            ModelError: it is not one tensor of floats.
        """
        inputs = float_tensor(inputs)
        size = self.full_batch or _SMALL_BATCH
        missing = max(0, size - len(inputs))
        if missing:
            inputs = torch.cat([inputs, inputs[-1:].expand(missing, *inputs.shape[1:])])
        return PlacedBatch(to_jax(inputs, self.jax_device), len(inputs) - missing)

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Compute in float32 inside the block; the network is in evaluation mode always."""
        with programs.float32_arithmetic():
            yield

    @contextmanager
    def observe(
        self, weights: Arrays, placed: PlacedBatch, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of a batch under one checkpoint."""
        forward = programs.outputs_and_pullback if differentiate else programs.outputs
        key = (forward, self.head, placed.inputs.shape)
        function = partial(forward, self.network, self.head)
        with self._errors_named(placed):
            logits, features, *pullback = self.programs.run(
                key, function, dict(weights), placed.inputs
            )

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            padded = torch.zeros(logits.shape, dtype=torch.float32, device=cotangent.device)
            padded[: len(cotangent)] = cotangent
            with self._errors_named(placed):
                gradient = self.programs.run(
                    (programs.pulled_back, *key),
                    programs.pulled_back,
                    pullback[0],
                    to_jax(padded, self.jax_device),
                )
            return to_torch(gradient)[: placed.rows]

        yield Outputs(
            to_torch(logits)[: placed.rows], vjp, self._last_layer(weights, features, placed)
        )

    def _last_layer(
        self, weights: Arrays, features: Any, placed: PlacedBatch
    ) -> LinearLastLayer | None:
        if self.head is None:
            return None
        has_bias = self.network.layer_weights(self.head).bias in weights
        return LinearLastLayer(to_torch(features)[: placed.rows], has_bias)

    def _errors_named(self, placed: PlacedBatch) -> AbstractContextManager[None]:
        return errors_named((placed.rows, *placed.inputs.shape[1:]), self.ran_out)

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "JaxModel":
        """Return the model with its tree and its last layer, as a run on a few examples shows."""
        few = self.place(inputs[:_SMALL_BATCH]).inputs[: min(2, len(inputs))]
        model = self
        if isinstance(fitted.values, Unmatched):
            shapes = {name: array.shape for name, array in fitted.values.items()}
            model = replace(self, network=self.network.with_tree(few, shapes))
            matched = model._match(fitted.values, path).arrays
            fitted = FittedWeights(matched)
        arrays = model.ready(fitted)
        with self.evaluation_mode(), self._errors_named(PlacedBatch(few, len(few))):
            head = last_layer.find(model.network, arrays, few, self.options.head)
        return replace(model, head=head)

    def in_batches_of(self, size: int) -> "JaxModel":
        """Return the model that fills short batches up to that size."""
        return replace(self, full_batch=size)

    def plain(self) -> "JaxModel":
        """Return the network applied without compilation and one size of batch."""
        from vog.models.jax.plain_way import PlainJax  # it is a model of this kind

        members = ("network", "options", "jax_device", "build", "value", "head")
        return PlainJax(**{name: getattr(self, name) for name in members})

    def free_bytes(self) -> int:
        """Return the free bytes of the device, or of the machine if it has no memory of its own."""
        memory = self.jax_device.memory_stats() or {}
        if "bytes_limit" in memory:
            return int(memory["bytes_limit"]) - int(memory["bytes_in_use"])
        return host_memory.free_bytes()

    def peak_bytes(self, work: Callable[[], object]) -> int | None:
        """Run `work`, and return the bytes that the compiler plans for it; None if not known.

        A batch was filled up, so its own share of the bytes is returned.
        """
        self.programs.runs.clear()
        work()
        sizes = [self.programs.nbytes[key] for key in self.programs.runs]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def ran_out(self, error: BaseException) -> bool:
        """Return True if memory of the machine or of the device ran out."""
        words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
        is_jax = isinstance(error, jax.errors.JaxRuntimeError)
        return isinstance(error, MemoryError) or (is_jax and any(w in str(error) for w in words))

    def release(self) -> None:
        """Give unused memory back, after memory ran out."""
        host_memory.release()


def model_of_network(
    value: Any, build: Callable[[], object] | None, options: ModelOptions
) -> OwnModel:
    """Return the model of a network, a network with its state, or a function with weights.

    Raises:
        ModelError: it cannot be called with inputs alone, or the device is not there.
    """
    device = choose_device(options.device)
    model = JaxModel(network_of(value), options, device, build, value)
    return model_of_object(model, options)


def _tree_arguments(network: Network) -> Any:
    """Return the tree of a network that was given it by inputs; None if it has its own."""
    return vars(network).get("tree") if "module" in vars(network) and network.groups else None


def _is_named(build: object) -> bool:
    return hasattr(build, "function")
