"""A PyTorch module, looked at under the weights of one checkpoint after the other.

The weights of a checkpoint are in place while the module goes forward and backward, and its own
are back afterwards. What fits is decided by a template, a copy that loads each file and is never
run. Where a module keeps something of one checkpoint for the next, each gets a module of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from vog import user_functions
from vog.errors import ModelError, VogError
from vog.models import targets
from vog.models.protocol import Weights
from vog.models.targets import Target
from vog.models.torch import memory, tied_tensors
from vog.models.torch.fresh_modules import ModuleSource, source_of
from vog.models.torch.linear_head import Head, logits_of
from vog.models.torch.norm_folding import Folding
from vog.models.torch.state_dict import live_state, load, rename, set_mode
from vog.models.torch.weights_in_place import restored_on_exit, tensors_of, weights_in_place
from vog.scores.protocol import Observation, Signal

Precision = Literal["float32", "bfloat16"]
# Weights and inputs to logits, and to what went into the head if there is one.
Forward = Callable[[Weights, Tensor], tuple[Tensor, Tensor | None]]


class LoadedWeights(dict[str, Tensor]):
    """The weights of a checkpoint inside the module that it alone was loaded into."""

    def __init__(self, module: nn.Module) -> None:
        """Take a module that a checkpoint was loaded into; its parameters take no gradients."""
        module.float()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        super().__init__(tensors_of(module))
        self.module = module


@dataclass(frozen=True)
class TorchModel:
    """A module that maps a batch of inputs to logits: a tensor, or something with `.logits`.

    Attributes:
        module: its mode, gradients and buffers are afterwards what they were before.
        target: the scalar whose input gradient is asked for.
        device: where checkpoints and batches meet; the module may live elsewhere.
        head: the last linear layer, if the module has one and its output is the logits.
        folding: the batch norms that are computed by the convolutions before them.
        precision: of convolutions and linear layers, but for the head. Everything else, and
            what comes out, is float32.
        compiled: the forward pass as one compiled graph for all checkpoints, for full batches.
        compiled_for: how many examples a full batch has.
        source: where modules come from that checkpoints are loaded into; by default, copies.
        layout: in which images lie in memory; channels last is faster, and some models refuse it.
        may_fold: whether norms may be folded into convolutions.
        apart: each checkpoint is loaded into a copy of its own.
        is_users: the module is the user's own object, so its values are restored as well.
        in_pairs: an example that is alone in its batch is computed twice. PyTorch takes the memory
            of one example for laid out otherwise on the way back through a batch norm, where what
            follows turns channels into tokens, and gives a wrong gradient without a word.
    """

    module: nn.Module
    target: Target = field(default_factory=lambda: targets.choose_target("logit"))
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
        """The module that checkpoints are loaded into, and that is never run."""
        assert self.source is not None, "it is made with the model"
        return self.source.template

    @property
    def signals(self) -> frozenset[Signal]:
        """All of them, but for the norm of the last layer where there is no linear head."""
        missing = frozenset() if self.head is not None else frozenset({Signal.LAST_LAYER_NORM})
        return frozenset(Signal) - missing

    def fit(self, weights: Mapping[str, Any], name: str) -> Weights:
        """The weights of a checkpoint by the names of the module, in float32 where they were."""
        if self.in_copies:
            assert self.source is not None, "it is made with the model"
            module = self.source.copy_or_fresh()
            if module is None:
                raise ModelError(
                    "the model cannot be copied after a checkpoint was loaded into it. "
                    "Give a function that builds it as --model."
                )
            load(weights, module, name)
            for parameter in module.parameters():
                parameter.requires_grad_(False)
            return LoadedWeights(module)
        if self.template is not None:
            return {k: _float32(v) for k, v in load(weights, self.template, name).items()}
        # Extra state stays as the file has it, so that `settings` can tell; `borrowed` restores it.
        with restored_on_exit(self.module, with_extra_state=False):
            return {k: _float32(v) for k, v in load(weights, self.module, name).items()}

    def extra_state(self, weights: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return what a file gives the module that is neither parameter nor buffer: extra state."""
        assert self.source is not None, "it is made with the model"
        module = self.source.template or self.module
        tensors = {id(tensor) for tensor in tensors_of(module).values()}
        saved = live_state(module)
        matched = rename(weights, module, name).weights
        return {k: v for k, v in matched.items() if k in saved and id(saved[k]) not in tensors}

    def settings(self) -> tuple[object, ...]:
        """Return what modules keep beside tensors, as the checkpoint that was fitted last left it.

        Loading may change it: an extra state, a hook. Weights alone do not carry that over.
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
        """What `observe` takes: norms folded, in the precision, on the device, in the layout."""
        if isinstance(fitted, LoadedWeights):
            return LoadedWeights(fitted.module.to(self.device))
        return {
            key: self._to_device(value.bfloat16() if key in self._bfloat16_names else value)
            for key, value in self.folding.fold_weights(fitted).items()
        }

    @cached_property
    def _bfloat16_names(self) -> frozenset[str]:
        """The weights that are kept in bfloat16; autocast takes care of all others."""
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
        """Whether checkpoints are loaded into another module than the one that is run."""
        return self.in_copies or self.template is not None

    def place(self, inputs: Tensor) -> Tensor:
        """A batch on the device, in the layout of the model."""
        # From pinned memory a copy waits for nothing, and the GPU does not wait for it.
        return self._to_device(inputs.pin_memory() if self.device.type == "cuda" else inputs)

    def _to_device(self, tensor: Tensor) -> Tensor:
        on_device = tensor.to(self.device, non_blocking=True)
        if tensor.layout is not torch.strided:
            return on_device
        # Convolutions on CPU and on GPU are faster with channels innermost.
        is_image = tensor.ndim == 4 and not self.in_copies
        return on_device.contiguous(
            memory_format=self.layout if is_image else torch.contiguous_format
        )

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Evaluation mode for as long as it is entered; then each sub-module's own mode again.

        In training mode dropout would add noise to the spread, and batch normalisation
        would let the examples of a batch see each other. The module's own `train` changes the
        mode, since it may do more than that.
        """
        if self.in_copies:  # it runs in copies, each loaded and in evaluation mode
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

    def observe(
        self,
        weights: Weights,
        inputs: Float[Tensor, "n *input"],
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """What one checkpoint says about n examples; goes backward only if `needs` a gradient."""
        if self.in_pairs and len(inputs) == 1:
            doubled = (labels.repeat(2), needs, None if aim is None else aim.repeat(2))
            return self.observe(weights, torch.cat([inputs, inputs]), *doubled).of(slice(1))
        wants_target = Signal.INPUT_GRADIENT in needs
        wants_loss = Signal.LOSS_GRADIENT in needs
        leaf = inputs.detach().requires_grad_(wants_target or wants_loss)
        # Going backward may call layers again, so the weights are in place until it has ended.
        # Some models take gradients themselves; where nothing requires any, nothing is recorded.
        with torch.enable_grad(), self._in_place(weights):
            logits, features = self._forward(weights, leaf)
            observation = Observation(labels, logits.detach()[None])
            # Examples are independent, so the gradient of the sum is, row by row, the
            # gradient of each: one backward pass for the batch, not one an example.
            if wants_target:
                total = self.target(logits, labels if aim is None else aim).sum()
                gradient = _input_gradient(total, leaf, keep_graph=wants_loss)
                observation = replace(observation, input_gradient=gradient[None])
            if wants_loss:
                total = targets.label_cross_entropy(logits, labels).sum()
                observation = replace(observation, loss_gradient=_input_gradient(total, leaf)[None])
        if Signal.LAST_LAYER_NORM in needs:
            assert features is not None, "`signals` tells that there is no linear head"
            observation = replace(
                observation, last_layer_norm=self._last_layer_norm(observation, features.detach())
            )
        return observation

    def _in_place(self, weights: Weights) -> AbstractContextManager[None]:
        return (
            nullcontext()
            if isinstance(weights, LoadedWeights)
            else weights_in_place(self.module, weights)
        )

    def forward(
        self, weights: Weights, inputs: Float[Tensor, "n *input"]
    ) -> tuple[Float[Tensor, "n classes"], Tensor | None]:
        """Logits in float32, and what went into the last linear layer if there is one.

        Raises:
            ModelError: the model cannot take such a batch, or returns no logits.
        """
        with self._in_place(weights):
            return self._forward(weights, inputs)

    def _forward(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same with weights that are in place."""
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
        """Return what to do about an error of the module, by what it says."""
        message = str(error)
        if "does not require grad" in message or "One of the differentiated Tensors" in message:
            return (
                "The model takes gradients by its own weights while it goes forward, and weights "
                "take none here. Compute what it needs of them without, or give another model."
            )
        dtypes = {p.dtype for p in self.module.parameters()} - {torch.float32}
        if dtypes and "dtype" in message:
            names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
            return (
                f"Weights and inputs are float32 here, whatever they were trained in ({names}). "
                f"Take out of the model what makes its inputs {names}."
            )
        return (
            f"Give the --transform it was trained with, or correct --model"
            f"{', or leave out --precision' if self.precision == 'bfloat16' else ''}."
        )

    def module_for(self, weights: Weights) -> nn.Module:
        """Return the module that runs under these weights."""
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

    def _last_layer_norm(
        self, observation: Observation, features: Float[Tensor, "n width"]
    ) -> Float[Tensor, "1 n"]:
        """Norm of d loss / d (W, b), in closed form: the gradient of W is (p - onehot) h^T.

        Its norm is the product of the norms, and the bias adds a feature that is 1.
        """
        assert self.head is not None
        error = (observation.log_probability.exp() - observation.is_label).norm(dim=-1)
        squared = features.float().square().sum(dim=-1) + (self.head.layer.bias is not None)
        return error * squared.sqrt()


_REGISTRIES = frozenset(vars(nn.Module()))  # tensors, layers and hooks, which are no settings


def _comparable(value: object, addresses: Set[int | None]) -> object:
    """Return what tells one setting from another; None where that cannot be told.

    Tensors in memory of the module's `own` are parameters and buffers, which are no settings.
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
    """Return a copy in float32, whatever it was saved in; whole numbers stay what they are."""
    return (
        value.detach().to(torch.float32, copy=True)
        if value.is_floating_point()
        else value.detach().clone()
    )


@contextmanager
def _float32_arithmetic() -> Iterator[None]:
    """While entered, float32 means float32, and gradients can be taken, whatever the caller set.

    A GPU would round what it convolves to TF32 by default. New tensors of the model are float32 as
    its weights are.
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


def _input_gradient(
    total: Float[Tensor, ""], leaf: Float[Tensor, "n *input"], keep_graph: bool = False
) -> Float[Tensor, "n *input"]:
    """Return the gradient by the input. `backward`: some models refuse `autograd.grad`."""
    leaf.grad = None
    try:
        total.backward(retain_graph=keep_graph)
    except Exception as error:  # layers of the user's may fail in any way
        if memory.ran_out(error):
            raise
        if "does not require grad" not in str(error):
            raise ModelError(
                f"the model cannot go backward: {user_functions.describe_error(error)}"
            ) from error
    if leaf.grad is None:
        raise ModelError(
            "the logits do not depend on the input in a way that can be differentiated: the "
            "model works under torch.no_grad() or detaches its input, or the target function "
            "does not use them. Remove that."
        )
    gradient, leaf.grad = leaf.grad, None
    return gradient.float()
