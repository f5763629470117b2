"""A model of the user's own: any object that has `observe`, whatever it computes with.

`observe` is as in `vog.models.Model`. Whatever else the object has of that interface is used, and
the rest has a default: checkpoints are read by our readers into tensors by name, and the model
computes on the processor.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vog import checkpoints, host_memory, user_functions
from vog.checkpoints.contents import is_tensor
from vog.data.inputs import Inputs
from vog.errors import CheckpointError, ModelError, VogError, first_few
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import FittedWeights, Model, Outputs, Placed, Variant, Weights
from vog.observation import OF_LAST_LAYER, Signal
from vog.scores.gradient import Layout
from vog.wording import option

_GRADIENTS = frozenset({Signal.LOGITS, Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT})
_EXAMPLES = 2


@dataclass(frozen=True)
class OwnModel:
    """An object of the user, with defaults for what it does not define.

    Attributes:
        adapter: the object.
        options: how its checkpoints are read.
        has_last_layer: a run showed that its outputs have a last layer.
    """

    adapter: Any
    options: ModelOptions
    has_last_layer: bool = False

    @property
    def signals(self) -> frozenset[Signal]:
        """What the object says; else outputs and gradients, and what a run showed."""
        shown = OF_LAST_LAYER if self.has_last_layer else frozenset()
        return frozenset(getattr(self.adapter, "signals", _GRADIENTS | shown))

    @property
    def device(self) -> torch.device:
        """The device of the outputs; the processor unless the object has another."""
        return torch.device(getattr(self.adapter, "device", "cpu"))

    @property
    def layout(self) -> Layout | None:
        """The axis of colours, as the options or else the object say."""
        return self.options.layout or getattr(self.adapter, "layout", None)

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of libraries, as the object has them."""
        return getattr(self.adapter, "versions", {})

    @property
    def settings(self) -> Mapping[str, Any]:
        """How the model is computed, as the object has it."""
        return getattr(self.adapter, "settings", {})

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for the plan, as the object has them."""
        return tuple(getattr(self.adapter, "remarks", ()))

    @property
    def plain_name(self) -> str:
        """What the object calls its plain way."""
        return getattr(self.adapter, "plain_name", "the plain way of the model")

    @property
    def reads_concurrently(self) -> bool:
        """True if the object says so, or does not read checkpoints itself."""
        return getattr(self.adapter, "reads_concurrently", not hasattr(self.adapter, "read"))

    def identity(self) -> Mapping[str, str]:
        """Return what the object says, or else a digest of its code and attributes."""
        if hasattr(self.adapter, "identity"):
            return self.adapter.identity()
        return {"code": user_functions.function_identity(self.adapter)}

    def read(self, path: Path) -> FittedWeights:
        """Return what the object reads, or else the tensors in the file by name.

        Raises:
            CheckpointError: the file has no weights, or values that are NaN or infinite.
        """
        if hasattr(self.adapter, "read"):
            fitted = _user_call("read", self.adapter.read, path)
            return fitted if isinstance(fitted, FittedWeights) else FittedWeights(fitted)
        contents = self.options.reader.contents(path)
        values = {
            name: _float32(torch.as_tensor(value))
            for name, value in contents.weights.items()
            if is_tensor(value)
        }
        broken = [name for name, tensor in values.items() if not tensor.isfinite().all()]
        if broken:
            raise CheckpointError(
                f"checkpoint {path}: NaN or infinite values in {first_few(broken)}. Training "
                f"diverged there; leave this checkpoint out."
            )
        notes = {} if contents.note is None else {"taken": contents.note}
        return FittedWeights(values, contents.key, notes)

    def digest(self, fitted: FittedWeights) -> str:
        """Return the digest that the object gives, or else that of tensors or arrays by name.

        Raises:
            ModelError: the weights are of another kind, and the object has no `digest`.
        """
        if hasattr(self.adapter, "digest"):
            return self.adapter.digest(fitted)
        if not isinstance(fitted.values, Mapping):
            raise ModelError(
                f"`read` of the model returns {type(fitted.values).__name__}; expected tensors or "
                f"arrays by name, or a model with `digest`, which tells checkpoints apart."
            )
        return checkpoints.weights_digest(
            {name: torch.as_tensor(value) for name, value in fitted.values.items()}
        )

    def ready(self, fitted: FittedWeights) -> Weights:
        """Return the weights as the object readies them, or as they were read."""
        if hasattr(self.adapter, "ready"):
            return _user_call("ready", self.adapter.ready, fitted)
        return fitted.values

    def nbytes(self, weights: Weights) -> int:
        """Return the bytes that the object says, or else those of its tensors or arrays."""
        if hasattr(self.adapter, "nbytes"):
            return self.adapter.nbytes(weights)
        values = weights.values() if isinstance(weights, Mapping) else [weights]
        return sum(int(getattr(value, "nbytes", 0)) for value in values)

    def place(self, inputs: Inputs) -> Placed:
        """Return the batch as the object places it, or as it is."""
        return (
            _user_call("place", self.adapter.place, inputs)
            if hasattr(self.adapter, "place")
            else inputs
        )

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """Return the block of the object, or an empty one."""
        if hasattr(self.adapter, "evaluation_mode"):
            return self.adapter.evaluation_mode()
        return nullcontext()

    @contextmanager
    def observe(self, weights: Weights, placed: Placed, differentiate: bool) -> Iterator[Outputs]:
        """Give the outputs of the object.

        Raises:
            ModelError: the object fails, or gives anything but `Outputs`.
        """
        with ExitStack() as stack:
            block = _user_call("observe", self.adapter.observe, weights, placed, differentiate)
            if not isinstance(block, AbstractContextManager):
                raise ModelError(
                    f"`observe` of the model returns {type(block).__name__}; expected a context "
                    f"manager that gives `vog.models.Outputs`, such as a generator under "
                    f"`contextlib.contextmanager`."
                )
            outputs = _user_call("observe", stack.enter_context, block)
            if not isinstance(outputs, Outputs) or outputs.values.ndim != 2:
                actual = type(outputs).__name__
                shape = f" of shape {tuple(outputs.values.shape)}" if actual == "Outputs" else ""
                raise ModelError(
                    f"`observe` of the model gives {actual}{shape}; expected `vog.models.Outputs` "
                    f"with values of shape (examples, classes)."
                )

            def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
                return _user_call("vjp", outputs.vjp, cotangent, more)

            yield replace(outputs, vjp=vjp)

    def ways(self, inputs: Inputs) -> "Iterator[Model]":
        """Yield the ways that the object has, or else this one."""
        if hasattr(self.adapter, "ways"):
            yield from (replace(self, adapter=way) for way in self.adapter.ways(inputs))
        else:
            yield self

    def apart(self) -> "Model":
        """Return the object that keeps checkpoints apart.

        Raises:
            ModelError: it has no such way.
        """
        if hasattr(self.adapter, "apart"):
            return replace(self, adapter=self.adapter.apart())
        raise ModelError("the model keeps something of a checkpoint beside its weights.")

    def plain(self) -> "Model | None":
        """Return the plain way of the object, if it has another."""
        plain = _user_call("plain", self.adapter.plain) if hasattr(self.adapter, "plain") else None
        return None if plain is None else replace(self, adapter=plain)

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "Model":
        """Return the model after a run on a few examples, which checks what `observe` gives.

        Raises:
            ModelError: the gradients do not have the shape of the inputs.
        """
        if hasattr(self.adapter, "adapted"):
            return replace(self, adapter=self.adapter.adapted(fitted, path, inputs))
        few = inputs[:_EXAMPLES]
        with (
            self.evaluation_mode(),
            self.observe(self.ready(fitted), self.place(few), differentiate=True) as outputs,
        ):
            gradient = outputs.vjp(torch.ones_like(outputs.values))
            if isinstance(few, Tensor) and gradient.shape != few.shape:
                raise ModelError(
                    f"`vjp` of the model gives shape {tuple(gradient.shape)}; expected that of the "
                    f"inputs, {tuple(few.shape)}."
                )
            return replace(self, has_last_layer=outputs.last_layer is not None)

    def variant(self, variant: Variant, batch_size: int = 0) -> "Model":
        """Return the object in another way, or without its last layer.

        Raises:
            ModelError: the object has no such way.
        """
        if variant is Variant.WITHOUT_LAST_LAYER:
            return replace(self, has_last_layer=False)
        if hasattr(self.adapter, "variant"):
            return replace(self, adapter=self.adapter.variant(variant, batch_size))
        raise ModelError(f"the model has no way of its own with {variant}")

    def free_bytes(self) -> int:
        """Return what the object says, or else the free bytes of the machine."""
        if hasattr(self.adapter, "free_bytes"):
            return self.adapter.free_bytes()
        return host_memory.free_bytes()

    def peak_bytes(self, work: Callable[[], object]) -> int | None:
        """Return what the object measures, or None."""
        if hasattr(self.adapter, "peak_bytes"):
            return self.adapter.peak_bytes(work)
        work()
        return None

    def ran_out(self, error: BaseException) -> bool:
        """Return what the object says, or else True for a `MemoryError`."""
        if hasattr(self.adapter, "ran_out"):
            return self.adapter.ran_out(error)
        return isinstance(error, MemoryError)

    def release(self) -> None:
        """Give unused memory back."""
        getattr(self.adapter, "release", host_memory.release)()


def _user_call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method of the user's object.

    Raises:
        ModelError: it failed.
    """
    try:
        return function(*arguments)
    except (VogError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"`{name}` of the model failed: {user_functions.describe_error(error)}"
        ) from error


def _float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _opens(value: object) -> bool:
    """Return whether an object has `observe`; a class makes objects and is none."""
    return callable(getattr(value, "observe", None)) and not isinstance(value, type)


def _model(value: Any, build: Callable[[], object] | None, options: ModelOptions) -> OwnModel:
    """Return the model of an object.

    Raises:
        ModelError: the options name a device, and the object does not say which it computes on.
    """
    own = OwnModel(value, options)
    if options.device not in ("auto", str(own.device)):
        raise ModelError(
            f"{option('device', options.device)}: this model computes on {own.device}. Leave "
            f"{option('device')} out, or give the object a `device`."
        )
    return own


ADAPTER = Adapter("an object with `observe`", _opens, _model)
