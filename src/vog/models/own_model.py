"""A model of the user's own: any object that has `observe`, whatever it computes with.

`observe` is as in `vog.models.Model`. Whatever else the object has of that interface is used, and
the rest has a default: checkpoints are read by our readers into tensors by name, and the model
computes on the processor. What the object gives is checked where it is given.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from vog import checkpoints, host_memory, user_functions
from vog.checkpoints.contents import is_tensor
from vog.data.inputs import Inputs, VariedInputs
from vog.errors import CheckpointError, ModelError, VogError, first_few
from vog.models.framework_batches import VARIED_MESSAGE
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import FittedWeights, LastLayer, Model, Outputs, Placed, Variant, Weights
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
        device: of the outputs; the processor unless the object has another.
        layout: the axis of colours, as the options or else the object say; None if its
            `layout_of`, or else the shape of an example, decides.
        versions: of libraries, by name.
        identifiers: what identifies it in the question, taken before it has run.
        has_last_layer: a run showed that its outputs have a last layer.
    """

    adapter: Any
    options: ModelOptions
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    layout: Layout | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    has_last_layer: bool = False

    @property
    def signals(self) -> frozenset[Signal]:
        """What the object says; else outputs and gradients, and what a run showed."""
        shown = OF_LAST_LAYER if self.has_last_layer else frozenset()
        declared = getattr(self.adapter, "signals", None)
        return (
            _GRADIENTS | shown if declared is None else frozenset(declared) & (_GRADIENTS | shown)
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing: what the object is set to belongs into its `identity`."""
        return {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for the plan, as the object has them."""
        return tuple(map(str, getattr(self.adapter, "remarks", ())))

    @property
    def predicts_next_token(self) -> bool:
        """What the object says of its outputs, or else False."""
        return bool(getattr(self.adapter, "predicts_next_token", False))

    @property
    def omitted_activation(self) -> str | None:
        """What the object says that it leaves out at its end, such as a sigmoid; else None."""
        return getattr(self.adapter, "omitted_activation", None)

    @property
    def plain_name(self) -> str:
        """What the object calls its plain way."""
        return str(getattr(self.adapter, "plain_name", "the plain way of the model"))

    @property
    def reads_concurrently(self) -> bool:
        """True if the object says so, or neither reads nor readies checkpoints itself."""
        touches = self._has("read") or self._has("ready")
        return bool(getattr(self.adapter, "reads_concurrently", not touches))

    def identity(self) -> Mapping[str, str]:
        """Return what the object said when it was opened, or else its code and attributes."""
        return self.identifiers

    def reads_itself(self, path: Path) -> bool:
        """Return what the object says of a file or folder, or else False."""
        return self._has("reads_itself") and bool(self._call("reads_itself", path))

    def read(self, path: Path) -> FittedWeights:
        """Return what the object reads, or else the tensors in the file by name.

        Raises:
            CheckpointError: the file has no weights, or values that are NaN or infinite.
            ModelError: the weights are of another kind, and the object has no `digest`.
        """
        if self._has("read"):
            fitted = self._call("read", path)
            fitted = fitted if isinstance(fitted, FittedWeights) else FittedWeights(fitted)
            self._require_digest(fitted.values)
        else:
            contents = self.options.reader.contents(path)
            tensors = {
                name: _float32(torch.as_tensor(value))
                for name, value in contents.weights.items()
                if is_tensor(value)
            }
            notes = {} if contents.note is None else {"taken": contents.note}
            fitted = FittedWeights(tensors, contents.key, notes)
        broken = [name for name, value in _arrays_of(fitted.values).items() if not _finite(value)]
        if broken:
            raise CheckpointError(
                f"checkpoint {path}: NaN or infinite values in {first_few(broken)}. Training "
                f"diverged there; leave this checkpoint out."
            )
        return fitted

    def _require_digest(self, values: Any) -> None:
        if not self._has("digest") and not (
            isinstance(values, Mapping) and values and len(_arrays_of(values)) == len(values)
        ):
            raise ModelError(
                f"`read` of the model returns {type(values).__name__}; expected tensors or arrays "
                f"by name, or a model with `digest`, which tells checkpoints apart."
            )

    def digest(self, fitted: FittedWeights) -> str:
        """Return the digest that the object gives, or else that of tensors or arrays by name."""
        if self._has("digest"):
            return str(self._call("digest", fitted))
        arrays = _arrays_of(fitted.values)
        return checkpoints.weights_digest({k: torch.as_tensor(v) for k, v in arrays.items()})

    def ready(self, fitted: FittedWeights) -> Weights:
        """Return the weights as the object readies them, or as they were read."""
        return self._call("ready", fitted) if self._has("ready") else fitted.values

    def nbytes(self, weights: Weights) -> int:
        """Return the bytes that the object says, or else those of its tensors or arrays."""
        if self._has("nbytes"):
            return int(self._call("nbytes", weights))
        values = weights.values() if isinstance(weights, Mapping) else [weights]
        return sum(int(getattr(value, "nbytes", 0)) for value in values)

    def place(self, inputs: Inputs) -> Placed:
        """Return the batch as the object places it, or as it is.

        Raises:
            ModelError: examples differ in length, so they are no tensors.
        """
        if isinstance(inputs, VariedInputs):
            raise ModelError(VARIED_MESSAGE)
        return self._call("place", inputs) if self._has("place") else inputs

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """Return the block of the object, or an empty one."""
        if not self._has("evaluation_mode"):
            return nullcontext()
        return _require(self._call("evaluation_mode"), AbstractContextManager, "evaluation_mode")

    @contextmanager
    def observe(self, weights: Weights, placed: Placed, differentiate: bool) -> Iterator[Outputs]:
        """Give the outputs of the object.

        Raises:
            ModelError: the object fails, or gives anything but `Outputs`.
        """
        with ExitStack() as stack:
            block = self._call("observe", weights, placed, differentiate)
            if not isinstance(block, AbstractContextManager):
                raise ModelError(
                    f"`observe` of the model returns {type(block).__name__}; expected a context "
                    f"manager that gives `vog.models.Outputs`, such as a generator under "
                    f"`contextlib.contextmanager`."
                )
            outputs = self._guarded("observe", stack.enter_context, block)
            yield self._checked(outputs)

    def _checked(self, outputs: Any) -> Outputs:
        """Return outputs with plain values, and a `vjp` that is checked when it is called."""
        if not isinstance(outputs, Outputs) or not _is_floats(outputs.values):
            actual = type(outputs).__name__
            if isinstance(outputs, Outputs):
                actual = f"Outputs with values that are {_described(outputs.values)}"
            raise ModelError(
                f"`observe` of the model gives {actual}; expected `vog.models.Outputs` with values "
                f"that are a tensor of floats of shape (examples, classes), or (examples, ...)."
            )
        layer = outputs.last_layer
        if layer is not None and not (isinstance(layer, LastLayer) and _is_matrix(layer.features)):
            raise ModelError(
                f"`observe` of the model gives {_described(layer)} as the last layer; expected "
                f"`vog.models.LinearLastLayer` with features of shape (examples, width)."
            )

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            gradient = self._guarded("vjp", outputs.vjp, cotangent, more)
            if not isinstance(gradient, Tensor) or len(gradient) != len(cotangent):
                raise ModelError(
                    f"`vjp` of the model gives {_described(gradient)}; expected a tensor with one "
                    f"row for each of {len(cotangent)} examples."
                )
            return gradient.detach().float()

        return replace(outputs, values=outputs.values.detach().float(), vjp=vjp)

    def ways(self, inputs: Inputs) -> "Iterator[Model]":
        """Yield the ways that the object has, or else this one."""
        ways = self._call("ways", inputs) if self._has("ways") else [self.adapter]
        yield from (self._with(way, "ways") for way in ways)

    def apart(self) -> "Model":
        """Return the object that keeps checkpoints apart.

        Raises:
            ModelError: it has no such way.
        """
        if self._has("apart"):
            return self._with(self._call("apart"), "apart")
        raise ModelError("the model keeps something of a checkpoint beside its weights.")

    def plain(self) -> "Model | None":
        """Return the plain way of the object, if it has another."""
        plain = self._call("plain") if self._has("plain") else None
        return None if plain is None else self._with(plain, "plain")

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "Model":
        """Return the model after a run on a few examples, which checks what `observe` gives.

        Raises:
            ModelError: outputs or gradients do not have the shape that they must have.
        """
        own = self
        if self._has("adapted"):
            own = self._with(self._call("adapted", fitted, path, inputs), "adapted")
        few = inputs[:_EXAMPLES]
        with (
            own.evaluation_mode(),
            own.observe(own.ready(fitted), own.place(few), differentiate=True) as outputs,
        ):
            if len(outputs.values) != len(few):
                raise ModelError(
                    f"`observe` of the model gives {len(outputs.values)} outputs for {len(few)} "
                    f"examples; expected one row an example."
                )
            gradient = outputs.vjp(torch.ones_like(outputs.values))
            if isinstance(few, Tensor) and gradient.shape != few.shape:
                raise ModelError(
                    f"`vjp` of the model gives shape {tuple(gradient.shape)}; expected that of the "
                    f"inputs, {tuple(few.shape)}."
                )
            return replace(own, has_last_layer=outputs.last_layer is not None)

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """None: inputs are passed as they are."""
        return None

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return None: the inputs are differentiated."""
        return None

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the axis of colours that was set, or that the object says for this shape."""
        if self.layout is None and self._has("layout_of"):
            return self._call("layout_of", shape)
        return self.layout

    def in_batches_of(self, size: int) -> "Model":
        """Return the object for batches of that size, if it has any such way."""
        if not self._has("in_batches_of"):
            return self
        return self._with(self._call("in_batches_of", size), "in_batches_of")

    def variant(self, variant: Variant, batch_size: int = 0) -> "Model":
        """Return the object in another way, or without its last layer.

        Raises:
            ModelError: the object has no such way.
        """
        if variant is Variant.WITHOUT_LAST_LAYER:
            return replace(self, has_last_layer=False)
        if self._has("variant"):
            return self._with(self._call("variant", variant, batch_size), "variant")
        raise ModelError(f"the model has no way of its own with {variant}")

    def free_bytes(self) -> int:
        """Return what the object says, or else the free bytes of the machine."""
        free = self._call("free_bytes") if self._has("free_bytes") else host_memory.free_bytes()
        return int(free)

    def peak_bytes(self, work: Callable[[], object]) -> int | None:
        """Return what the object measures, or None."""
        if self._has("peak_bytes"):
            peak = self._call("peak_bytes", work)
            return None if peak is None else int(peak)
        work()
        return None

    def ran_out(self, error: BaseException) -> bool:
        """Return what the object says, or else True if memory of the machine or of PyTorch did."""
        if self._has("ran_out"):
            return bool(self.adapter.ran_out(error))
        return isinstance(error, MemoryError | torch.OutOfMemoryError)

    def release(self) -> None:
        """Give unused memory back."""
        self._call("release") if self._has("release") else host_memory.release()

    def _has(self, name: str) -> bool:
        return callable(getattr(self.adapter, name, None))

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._guarded(name, getattr(self.adapter, name), *arguments)

    def _guarded(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of the user's object.

        Raises:
            ModelError: it failed, and not for lack of memory.
        """
        try:
            return function(*arguments)
        except VogError:
            raise
        except Exception as error:
            if self.ran_out(error):
                raise
            raise ModelError(
                f"`{name}` of the model failed: {user_functions.describe_error(error)}"
            ) from error

    def _with(self, adapter: Any, name: str) -> "OwnModel":
        """Return this model with another object, which a method of that name returned."""
        if not _opens(adapter):
            raise ModelError(
                f"`{name}` of the model gives {_described(adapter)}; expected an object with "
                f"`observe`."
            )
        return replace(self, adapter=adapter)


def _opens(value: object) -> bool:
    """Return whether an object has `observe`; a class makes objects and is none."""
    return callable(getattr(value, "observe", None)) and not isinstance(value, type)


def _model(value: Any, build: Callable[[], object] | None, options: ModelOptions) -> OwnModel:
    """Return the model of an object.

    Raises:
        ModelError: the options name a device, and the object does not say which it computes on; or
            what it says of itself is not of the kind that it must be.
    """
    device = _device_of(value)
    if options.device not in ("auto", str(device)):
        raise ModelError(
            f"{option('device', options.device)}: this model computes on {device}. Leave "
            f"{option('device')} out, or give the object a `device`."
        )
    return model_of_object(value, options)


def model_of_object(value: Any, options: ModelOptions) -> OwnModel:
    """Return the model of an object that computes where the options say.

    Raises:
        ModelError: what it says of itself is not of the kind that it must be.
    """
    device = _device_of(value)
    signals = getattr(value, "signals", None)
    if signals is not None and not (
        isinstance(signals, frozenset | set | tuple | list) and set(signals) <= set(Signal)
    ):
        raise ModelError(
            f"`signals` of the model is {_described(signals)}; expected some of "
            f"{first_few([repr(str(signal)) for signal in Signal], 10)}."
        )
    layout = options.layout or getattr(value, "layout", None)
    if layout not in (None, *get_args(Layout)):
        expected = ", ".join(get_args(Layout))
        raise ModelError(f"the layout of the model is {layout!r}; expected {expected}.")
    versions = _texts(getattr(value, "versions", {}), "versions")
    own = OwnModel(value, options, device, layout, versions)
    if callable(getattr(value, "identity", None)):
        return replace(own, identifiers=_texts(own._call("identity"), "identity"))
    kinds = [kind for kind in type(value).__mro__ if kind is not object]
    code = "; ".join(map(user_functions.function_identity, kinds))
    attributes = user_functions.function_identity(value)
    return replace(own, identifiers={"code": code, "settings": attributes})


def _device_of(value: Any) -> torch.device:
    device = getattr(value, "device", "cpu")
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"`device` of the model is {device!r}; expected where PyTorch has the tensors that it "
            f"gives, such as cpu or cuda."
        ) from error


def _texts(values: Any, name: str) -> dict[str, str]:
    """Return texts by name; raise ModelError if an attribute or method gives anything else."""
    if not isinstance(values, Mapping):
        raise ModelError(f"`{name}` of the model is {_described(values)}; expected texts by name.")
    return {str(key): str(value) for key, value in values.items()}


def _require(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise ModelError(
            f"`{name}` of the model gives {_described(value)}; expected a {kind.__name__}."
        )
    return value


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')}, shape {tuple(value.shape)}"
    return (
        repr(value)
        if isinstance(value, str | int | None)
        else f"of the type {type(value).__name__}"
    )


def _is_floats(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 0


def _is_matrix(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 2


def _arrays_of(values: Any) -> dict[str, Any]:
    """Return the tensors and arrays among values by name; none if they are of another kind."""
    if not isinstance(values, Mapping):
        return {}
    return {str(name): value for name, value in values.items() if is_tensor(value)}


def _finite(value: Any) -> bool:
    return bool(torch.as_tensor(value).isfinite().all())


def _float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


ADAPTER = Adapter("an object with `observe`", _opens, _model)
