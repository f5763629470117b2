"""A PyTorch module that is observed under the weights of one checkpoint after the other.

The weights of a checkpoint are in place during a forward and backward pass, and the module has its
own again afterwards. A template, a copy that loads each file and is never run, decides whether a
checkpoint fits. If a module carries state from one checkpoint to the next, each gets its own copy.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from vog import user_functions
from vog.errors import ModelError, VogError
from vog.models.protocol import Outputs, Weights
from vog.models.torch import memory, tied_tensors
from vog.models.torch.fresh_modules import ModuleSource, source_of
from vog.models.torch.linear_head import Head, logits_of
from vog.models.torch.norm_folding import Folding
from vog.models.torch.state_dict import live_state, load, rename, set_mode
from vog.models.torch.weights_in_place import restored_on_exit, tensors_of, weights_in_place
from vog.observation import Signal
from vog.wording import option

Precision = Literal["float32", "bfloat16"]
# From weights and inputs to logits, and to the input of the head if there is one.
Forward = Callable[[Weights, Tensor], tuple[Tensor, Tensor | None]]


class LoadedWeights(dict[str, Tensor]):
    """The weights of a checkpoint, with a module into which no other checkpoint was loaded."""

    def __init__(self, module: nn.Module) -> None:
        """Take a module that holds a checkpoint, and turn off gradients of its parameters."""
        module.float()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        super().__init__(tensors_of(module))
        self.module = module


@dataclass(frozen=True)
class TorchModel:
    """A module that maps a batch of inputs to logits: a tensor, or an object with `.logits`.

    Attributes:
        module: its mode, gradients and buffers are restored after use.
        device: of the computation; the module may be elsewhere.
        head: the last linear layer, if the module has one and its output is the logits.
        folding: the batch norms that the convolutions before them compute.
        precision: of convolutions and linear layers except the head. Everything else, and all
            results, are float32.
        compiled: the forward pass as one compiled graph for all checkpoints, for full batches.
        full_batch: the number of examples in a full batch.
        source: makes the modules into which checkpoints are loaded; by default, copies.
        layout: of images in memory; channels last is faster, and some models refuse it.
        may_fold: norms may be folded into convolutions.
        in_copies: each checkpoint is loaded into its own copy of the module.
        restores: the module is the user's own object, so its values are restored as well.
        in_pairs: an example that is alone in its batch is computed twice. In the backward pass
            through a batch norm whose channels then become tokens, PyTorch mistakes the memory
            layout of a single example, and returns a wrong gradient without an error.
    """

    module: nn.Module
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: Head | None = None
    folding: Folding = field(default_factory=Folding)
    precision: Precision = "float32"
    compiled: Forward | None = None
    full_batch: int = 0
    source: ModuleSource | None = None
    layout: torch.memory_format = torch.channels_last
    may_fold: bool = True
    in_copies: bool = False
    restores: bool = True
    in_pairs: bool = False

    def __post_init__(self) -> None:
        if self.source is None:
            object.__setattr__(self, "source", source_of(self.module, None))

    @property
    def template(self) -> nn.Module | None:
        """The module that loads checkpoints and is never run; None if there is no copy."""
        assert self.source is not None, "it is made with the model"
        return self.source.template

    @property
    def signals(self) -> frozenset[Signal]:
        """All signals, except the norm of the last layer if there is no linear head."""
        missing = frozenset() if self.head is not None else frozenset({Signal.LAST_LAYER_NORM})
        return frozenset(Signal) - missing

    def fit(self, weights: Mapping[str, Any], name: str) -> Weights:
        """Return the weights of a checkpoint by the names of the module, floats in float32."""
        if self.in_copies:
            assert self.source is not None, "it is made with the model"
            module = self.source.copy_or_fresh()
            if module is None:
                raise ModelError(
                    "the model cannot be copied after a checkpoint was loaded into it. "
                    f"Give a function that builds it as {option('model')}."
                )
            load(weights, module, name)
            for parameter in module.parameters():
                parameter.requires_grad_(False)
            return LoadedWeights(module)
        if self.template is not None:
            return {k: _float32(v) for k, v in load(weights, self.template, name).items()}
        # `settings` reads the extra state of the file; `evaluation_mode` restores that of the user.
        with restored_on_exit(self.module, with_extra_state=False):
            return {k: _float32(v) for k, v in load(weights, self.module, name).items()}

    def extra_state(self, weights: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return the values in a file that the module takes as extra state, not as tensors."""
        assert self.source is not None, "it is made with the model"
        module = self.source.template or self.module
        tensors = {id(tensor) for tensor in tensors_of(module).values()}
        saved = live_state(module)
        matched = rename(weights, module, name).weights
        return {k: v for k, v in matched.items() if k in saved and id(saved[k]) not in tensors}

    def settings(self) -> tuple[object, ...]:
        """Return the attributes of modules beside tensors, as the last fitted checkpoint left them.

        Loading may change them, by extra state or by a hook, and weights alone do not contain that.
        """
        if self.in_copies:
            return ()
        module = self.module if self.template is None else self.template
        addresses = {tied_tensors.address_of(tensor) for tensor in tensors_of(module).values()}
        return tuple(
            (name, key, comparable)
            for name, part in module.named_modules()
            for key, value in sorted(vars(part).items())
            if key not in _REGISTRIES and (comparable := _comparable(value, addresses)) is not None
        )

    def ready(self, fitted: Weights) -> Weights:
        """Return weights for `observe`: norms folded; precision, device and layout as set."""
        if isinstance(fitted, LoadedWeights):
            return LoadedWeights(fitted.module.to(self.device))
        return {
            key: self._to_device(value.bfloat16() if key in self._bfloat16_names else value)
            for key, value in self.folding.fold_weights(fitted).items()
        }

    @cached_property
    def _bfloat16_names(self) -> frozenset[str]:
        """Names of the weights that are stored in bfloat16; autocast converts the rest."""
        if self.precision == "float32":
            return frozenset()
        head_layer = None if self.head is None else self.head.layer
        return frozenset(
            f"{name}.{key}"
            for name, layer in self.module.named_modules()
            if isinstance(layer, nn.Linear | _ConvNd) and layer is not head_layer
            for key in ("weight", "bias")
        )

    @property
    def can_fit_concurrently(self) -> bool:
        """True if checkpoints are not loaded into the module that runs."""
        return self.in_copies or self.template is not None

    def place(self, inputs: Tensor) -> Tensor:
        """Return a batch on the device, in the layout of the model."""
        # A copy from pinned memory runs while the CPU and the GPU do other work.
        return self._to_device(inputs.pin_memory() if self.device.type == "cuda" else inputs)

    def _to_device(self, tensor: Tensor) -> Tensor:
        on_device = tensor.to(self.device, non_blocking=True)
        if tensor.layout is not torch.strided:
            return on_device
        # Convolutions on CPU and GPU are faster with channels innermost in memory.
        is_image = tensor.ndim == 4 and not self.in_copies
        return on_device.contiguous(
            memory_format=self.layout if is_image else torch.contiguous_format
        )

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Set evaluation mode inside the block, and restore the mode of each sub-module after it.

        In training mode dropout would add noise to the spread, and batch normalisation would make
        the examples of a batch depend on each other. The module's own `train` changes the mode,
        since it may do more than that.
        """
        if self.in_copies:  # the copies that run are in evaluation mode already
            with _float32_arithmetic():
                yield
            return
        with (
            _float32_arithmetic(),
            restored_on_exit(self.module) if self.restores else nullcontext(),
        ):
            if any(part.training for part in self.module.modules()):
                set_mode(self.module, training=False)
            with self.folding.applied(self.module):
                yield

    @contextmanager
    def observe(
        self, weights: Weights, inputs: Float[Tensor, "n *input"], differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of n examples; the weights stay in place inside the block."""
        if not (self.in_pairs and len(inputs) == 1):
            with self._observe(weights, inputs, differentiate) as outputs:
                yield outputs
            return
        with self._observe(weights, torch.cat([inputs, inputs]), differentiate) as pair:
            yield _first_of_pair(pair)

    @contextmanager
    def _observe(self, weights: Weights, inputs: Tensor, differentiate: bool) -> Iterator[Outputs]:
        leaf = inputs.detach().requires_grad_(differentiate)
        # A backward pass may call layers again, so the weights stay in place until it ends.
        # Gradients are enabled always, because some models compute gradients themselves.
        with torch.enable_grad(), self._in_place(weights):
            logits, features = self._forward(weights, leaf)

            def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
                return _input_gradient(logits, cotangent, leaf, keep_graph=more)

            has_bias = self.head is not None and self.head.layer.bias is not None
            detached = None if features is None else features.detach()
            yield Outputs(logits.detach(), vjp, detached, has_bias)

    def _in_place(self, weights: Weights) -> AbstractContextManager[None]:
        return (
            nullcontext()
            if isinstance(weights, LoadedWeights)
            else weights_in_place(self.module, weights)
        )

    def forward(
        self, weights: Weights, inputs: Float[Tensor, "n *input"]
    ) -> tuple[Float[Tensor, "n classes"], Tensor | None]:
        """Return logits in float32, and the input of the head if there is one.

        Raises:
            ModelError: the model cannot take such a batch, or returns no logits.
        """
        with self._in_place(weights):
            return self._forward(weights, inputs)

    def _forward(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Do the same as `forward` with weights that are in place."""
        run = self.compiled if self.compiled and len(inputs) == self.full_batch else self._run
        is_bfloat16 = self.precision == "bfloat16"
        try:
            with (
                self.folding.pairs_checked(),
                torch.autocast(
                    self.device.type, torch.bfloat16, enabled=is_bfloat16, cache_enabled=False
                ),
            ):
                logits, features = run(weights, inputs)
        except VogError:
            raise
        except Exception as error:
            if memory.ran_out(error):
                raise
            raise ModelError(
                f"the model cannot take a batch of shape {tuple(inputs.shape)}"
                f"{' in bfloat16' if is_bfloat16 else ''}: {user_functions.describe_error(error)}\n"
                f"{self._advice(error)}"
            ) from error
        if is_bfloat16 and self.head is not None and features is not None:
            # Logits of two or three digits would spoil every score that compares them.
            logits = self.head.logits(weights, features)
        return logits.float(), features

    def _advice(self, error: Exception) -> str:
        """Return what to do about an error of the module, by its message."""
        message = str(error)
        if "does not require grad" in message or "One of the differentiated Tensors" in message:
            return (
                "The model takes gradients with respect to its own weights in its forward pass, "
                "and weights have none here. Change that in the model, or give a different one."
            )
        dtypes = {p.dtype for p in self.module.parameters()} - {torch.float32}
        if dtypes and "dtype" in message:
            names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
            return (
                f"Weights and inputs are float32 here, whatever they were trained in ({names}). "
                f"Remove the conversion to {names} from the model."
            )
        return (
            f"Give the {option('transform')} it was trained with, or correct {option('model')}"
            f"{', or leave out ' + option('precision') if self.precision == 'bfloat16' else ''}."
        )

    def module_for(self, weights: Weights) -> nn.Module:
        """Return the module that runs with these weights."""
        return weights.module if isinstance(weights, LoadedWeights) else self.module

    def _run(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        module = self.module_for(weights)
        head_inputs: list[Tensor] = []
        hook = None
        if self.head is not None:
            hook = module.get_submodule(self.head.name).register_forward_pre_hook(
                lambda _, arguments: head_inputs.append(arguments[0])
            )
        try:
            # A first layer that works in place must not write into the caller's batch.
            logits = logits_of(module(inputs.clone()), len(inputs))
        finally:
            if hook is not None:
                hook.remove()
        return logits, head_inputs[-1] if head_inputs else None


_REGISTRIES = frozenset(vars(nn.Module()))  # tensors, layers and hooks, not settings


def _comparable(value: object, addresses: Set[int | None]) -> object:
    """Return a setting in a form that can be compared; None if it has no such form.

    Tensors at one of these addresses are parameters and buffers of the module, not settings.
    """
    if isinstance(value, str | int | float | bytes):
        return value
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value) if value.dtype.kind in "biufc" else value.tolist()
    if isinstance(value, Tensor):
        if tied_tensors.address_of(value) in addresses:
            return None
        is_plain = value.layout is torch.strided and not value.is_meta and not value.is_quantized
        raw = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8) if is_plain else None
        return tuple(value.shape), None if raw is None else hash(raw.numpy().tobytes())
    if isinstance(value, dict):
        return tuple((str(key), _comparable(inner, addresses)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(_comparable(inner, addresses) for inner in value)
    return None


def _float32(value: Tensor) -> Tensor:
    """Return a copy in float32 of a tensor of floats, and a plain copy of any other."""
    return (
        value.detach().to(torch.float32, copy=True)
        if value.is_floating_point()
        else value.detach().clone()
    )


@contextmanager
def _float32_arithmetic() -> Iterator[None]:
    """Compute in true float32 with gradients inside the block, whatever the caller has set.

    By default a GPU rounds inputs of convolutions to TF32. New tensors are float32 as well.
    """
    default, matmul = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(mode=False),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False) if torch.cuda.is_available() else nullcontext(),
            torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                benchmark=torch.backends.cudnn.benchmark,
                deterministic=torch.backends.cudnn.deterministic,
                allow_tf32=False,
            ),
        ):
            yield
    finally:
        torch.set_default_dtype(default)
        torch.set_float32_matmul_precision(matmul)


def _first_of_pair(pair: Outputs) -> Outputs:
    """Return the outputs of the first of two equal examples."""

    def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
        return pair.vjp(cotangent.repeat(2, 1), more)[:1]

    features = None if pair.features is None else pair.features[:1]
    return Outputs(pair.values[:1], vjp, features, pair.has_bias)


def _input_gradient(
    logits: Float[Tensor, "n classes"],
    cotangent: Float[Tensor, "n classes"],
    leaf: Float[Tensor, "n *input"],
    keep_graph: bool,
) -> Float[Tensor, "n *input"]:
    """Return the gradient by `backward`, because some models refuse `autograd.grad`."""
    leaf.grad = None
    try:
        logits.backward(cotangent, retain_graph=keep_graph)
    except Exception as error:  # the user's layers may raise anything
        if memory.ran_out(error):
            raise
        if "does not require grad" not in str(error):
            raise ModelError(
                f"the model cannot go backward: {user_functions.describe_error(error)}"
            ) from error
    if leaf.grad is None:
        raise ModelError(
            "the logits do not depend on the input in a way that can be differentiated: the "
            "model works under torch.no_grad() or detaches its input. Remove that."
        )
    gradient, leaf.grad = leaf.grad, None
    return gradient.float()
