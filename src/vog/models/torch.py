"""A PyTorch module, looked at under the weights of one checkpoint after the other.

The module itself is only a recipe: every parameter and buffer it uses comes from the
checkpoint (`torch.func.functional_call`), so none of its own is read, changed or given a
gradient, and no second module is built.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

from vog import functions
from vog.errors import ModelError, VogError
from vog.models import memory, targets
from vog.models.fitting import Wanted, fit, wanted
from vog.models.folding import Folding
from vog.models.head import Head, logits_of
from vog.models.protocol import Weights
from vog.models.targets import Target
from vog.scores.protocol import Observation, Signal

Precision = Literal["float32", "bfloat16"]
# Weights and inputs to logits, and to what went into the head if there is one.
Forward = Callable[[Weights, Tensor], tuple[Tensor, Tensor | None]]


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
        wanted: what a checkpoint has to give, told before anything stands in for the norms.
    """

    module: nn.Module
    target: Target = field(default_factory=lambda: targets.choose("logit"))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: Head | None = None
    folding: Folding = field(default_factory=Folding)
    precision: Precision = "float32"
    compiled: Forward | None = None
    compiled_for: int = 0
    wanted: Wanted | None = None

    def __post_init__(self) -> None:
        if self.wanted is None:
            object.__setattr__(self, "wanted", wanted(self.module))

    @property
    def signals(self) -> frozenset[Signal]:
        """All of them, but for the norm of the last layer where there is no linear head."""
        without = frozenset() if self.head is not None else frozenset({Signal.LAST_LAYER_NORM})
        return frozenset(Signal) - without

    def fit(self, weights: Weights, name: str) -> Weights:
        """The weights of a checkpoint by the names of the module, in float32 where they were."""
        assert self.wanted is not None
        return fit(weights, self.wanted, name)

    def ready(self, fitted: Weights) -> Weights:
        """What `observe` takes: norms folded, in the precision, on the device, channels last."""
        return {
            key: self._placed(value.bfloat16() if key in self._in_precision else value)
            for key, value in self.folding.of(fitted).items()
        }

    @cached_property
    def _in_precision(self) -> frozenset[str]:
        """The weights that are kept in bfloat16; autocast takes care of all others."""
        if self.precision == "float32":
            return frozenset()
        own = None if self.head is None else self.head.layer
        return frozenset(
            f"{name}.{key}"
            for name, layer in self.module.named_modules()
            if isinstance(layer, nn.Linear | _ConvNd) and layer is not own
            for key in ("weight", "bias")
        )

    def place(self, inputs: Tensor) -> Tensor:
        """A batch on the device, images with their channels innermost."""
        # From pinned memory a copy waits for nothing, and the GPU does not wait for it.
        return self._placed(inputs.pin_memory() if self.device.type == "cuda" else inputs)

    def _placed(self, tensor: Tensor) -> Tensor:
        on_device = tensor.to(self.device, non_blocking=True)
        return on_device.contiguous(memory_format=_layout(tensor))

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Evaluation mode for as long as it is entered; then each sub-module's own mode again.

        In training mode dropout would add noise to the spread, and batch normalisation
        would let the examples of a batch see each other.
        """
        was_training = {module: module.training for module in self.module.modules()}
        self.module.eval()
        try:
            # float32 means float32: by default a GPU would round what it convolves to TF32.
            with (
                self.folding.applied(self.module),
                torch.backends.cudnn.flags(
                    enabled=torch.backends.cudnn.enabled,
                    benchmark=torch.backends.cudnn.benchmark,
                    deterministic=torch.backends.cudnn.deterministic,
                    allow_tf32=False,
                ),
            ):
                yield
        finally:
            for module, training in was_training.items():
                module.training = training

    def observe(
        self,
        weights: Weights,
        inputs: Float[Tensor, "n *input"],
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """What one checkpoint says about n examples; goes backward only if `needs` a gradient."""
        wants_target = Signal.INPUT_GRADIENT in needs
        wants_loss = Signal.LOSS_GRADIENT in needs
        leaf = inputs.detach().requires_grad_(wants_target or wants_loss)
        with torch.set_grad_enabled(wants_target or wants_loss):
            logits, features = self.forward(weights, leaf)
            seen = Observation(labels, logits.detach()[None])
            # Examples are independent, so the gradient of the sum is, row by row, the
            # gradient of each: one backward pass for the batch, not one an example.
            if wants_target:
                total = self.target(logits, labels if aim is None else aim).sum()
                gradient = _gradient(total, leaf, keep_graph=wants_loss)
                seen = replace(seen, input_gradient=gradient[None])
            if wants_loss:
                total = targets.cross_entropy(logits, labels).sum()
                seen = replace(seen, loss_gradient=_gradient(total, leaf)[None])
        if Signal.LAST_LAYER_NORM in needs:
            assert features is not None, "`signals` tells that there is no linear head"
            seen = replace(seen, last_layer_norm=self._last_layer_norm(seen, features.detach()))
        return seen

    def forward(
        self, weights: Weights, inputs: Float[Tensor, "n *input"]
    ) -> tuple[Float[Tensor, "n classes"], Tensor | None]:
        """Logits in float32, and what went into the last linear layer if there is one.

        Raises:
            ModelError: the model cannot take such a batch, or returns no logits.
        """
        run = self.compiled if self.compiled and len(inputs) == self.compiled_for else self._run
        halved = self.precision == "bfloat16"
        try:
            with (
                self.folding.held_to(),
                torch.autocast(
                    self.device.type, torch.bfloat16, enabled=halved, cache_enabled=False
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
                f"{' in bfloat16' if halved else ''}: {functions.describe(error)}\n"
                f"Give the --transform it was trained with, or correct --model"
                f"{', or leave out --precision' if halved else ''}."
            ) from error
        if halved and self.head is not None and features is not None:
            # Logits of two or three digits would spoil every score that compares them.
            logits = self.head.logits(weights, features)
        return logits.float(), features

    def _run(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        into_head: list[Tensor] = []
        hook = None
        if self.head is not None:
            hook = self.head.layer.register_forward_pre_hook(
                lambda _, given: into_head.append(given[0])
            )
        try:
            own = own_buffers(weights, self.buffers)
            # A first layer that works in place must not write into the caller's batch.
            output = functional_call(self.module, own, (inputs.clone(),))
            logits = logits_of(output, len(inputs))
        finally:
            if hook is not None:
                hook.remove()
        return logits, into_head[-1] if into_head else None

    @cached_property
    def buffers(self) -> frozenset[str]:
        """The names of what a module may write into while it runs."""
        return frozenset(key for key, _ in self.module.named_buffers())

    def _last_layer_norm(
        self, seen: Observation, features: Float[Tensor, "n width"]
    ) -> Float[Tensor, "1 n"]:
        """Norm of d loss / d (W, b), in closed form: the gradient of W is (p - onehot) h^T.

        Its norm is the product of the norms, and the bias adds a feature that is 1.
        """
        assert self.head is not None
        error = (seen.log_probability.exp() - seen.is_label).norm(dim=-1)
        squared = features.float().square().sum(dim=-1) + (self.head.layer.bias is not None)
        return error * squared.sqrt()


def own_buffers(weights: Weights, buffers: frozenset[str]) -> dict[str, Tensor]:
    """The weights with copies of the buffers: a module may write into those."""
    return {key: value.clone() if key in buffers else value for key, value in weights.items()}


def _layout(tensor: Tensor) -> torch.memory_format:
    """Convolutions on CPU and on GPU are faster with channels innermost."""
    return torch.channels_last if tensor.ndim == 4 else torch.contiguous_format


def _gradient(
    total: Float[Tensor, ""], leaf: Float[Tensor, "n *input"], keep_graph: bool = False
) -> Float[Tensor, "n *input"]:
    try:
        (gradient,) = torch.autograd.grad(total, leaf, retain_graph=keep_graph)
    except RuntimeError as error:
        if "does not require grad" in str(error) or "not have been used" in str(error):
            raise ModelError(
                "the logits do not depend on the input in a way that can be differentiated: the "
                "model works under torch.no_grad() or detaches its input, or the target function "
                "does not use them. Remove that."
            ) from error
        raise
    return gradient.float()
