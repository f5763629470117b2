"""A PyTorch module, looked at under the weights of one checkpoint after the other.

The module itself is only a recipe: every parameter and buffer it uses comes from the
checkpoint (`torch.func.functional_call`), so none of its own is read, changed or given a
gradient, and no second module is built.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from vog import functions
from vog.errors import ModelError, VogError, first_few
from vog.models import targets
from vog.models.fitting import fit
from vog.models.protocol import Weights
from vog.models.targets import Target
from vog.scores.protocol import Observation, Signal


@dataclass(frozen=True)
class TorchModel:
    """A module that maps a batch of inputs to logits: a tensor, or something with `.logits`.

    Attributes:
        module: its mode, gradients and buffers are afterwards what they were before.
        target: the scalar whose input gradient is asked for.
        device: where checkpoints and batches meet; the module may live elsewhere.
        head: the last linear layer, if the module has one and its output is the logits.
    """

    module: nn.Module
    target: Target = field(default_factory=lambda: targets.choose("logit"))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: nn.Linear | None = None

    @property
    def signals(self) -> frozenset[Signal]:
        """All of them, but for the norm of the last layer where there is no linear head."""
        without = frozenset() if self.head is not None else frozenset({Signal.LAST_LAYER_NORM})
        return frozenset(Signal) - without

    def fit(self, weights: Weights, name: str) -> Weights:
        """The weights of a checkpoint by the names of the module, on the device, channels last."""
        matched = fit(weights, self.module, name)
        return {key: self.place(value) for key, value in matched.items()}

    def place(self, inputs: Tensor) -> Tensor:
        """A tensor on the device, images and filters with their channels innermost."""
        # Convolutions on CPU and on GPU are faster that way.
        layout = torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
        return inputs.to(self.device).contiguous(memory_format=layout)

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Evaluation mode for as long as it is entered; then each sub-module's own mode again.

        In training mode dropout would add noise to the spread, and batch normalisation
        would let the examples of a batch see each other.
        """
        was_training = {module: module.training for module in self.module.modules()}
        self.module.eval()
        try:
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
            # A first layer that works in place must not write into the caller's batch.
            logits, features = self._forward(weights, leaf.clone())
            seen = Observation(labels, logits.detach().float()[None])
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
            seen = replace(seen, last_layer_norm=self._last_layer_norm(seen, features))
        return seen

    def _forward(self, weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and what went into the last linear layer if there is one."""
        into_head: list[Tensor] = []
        hook = None
        if self.head is not None:
            hook = self.head.register_forward_pre_hook(
                lambda _, given: into_head.append(given[0].detach())
            )
        try:
            # A module may write into its buffers; those of a checkpoint stay what they are.
            buffers = {key for key, _ in self.module.named_buffers()}
            own = {k: v.clone() if k in buffers else v for k, v in weights.items()}
            logits = logits_of(functional_call(self.module, own, (inputs,)), len(inputs))
        except VogError:
            raise
        except Exception as error:
            raise ModelError(
                f"the model cannot take a batch of shape {tuple(inputs.shape)}: "
                f"{functions.describe(error)}\n"
                f"Give the --transform it was trained with, or correct --model."
            ) from error
        finally:
            if hook is not None:
                hook.remove()
        return logits, into_head[-1] if into_head else None

    def _last_layer_norm(
        self, seen: Observation, features: Float[Tensor, "n width"]
    ) -> Float[Tensor, "1 n"]:
        """Norm of d loss / d (W, b), in closed form: the gradient of W is (p - onehot) h^T.

        Its norm is the product of the norms, and the bias adds a feature that is 1.
        """
        assert self.head is not None
        error = (seen.log_probability.exp() - seen.is_label).norm(dim=-1)
        squared = features.float().square().sum(dim=-1) + (self.head.bias is not None)
        return error * squared.sqrt()


def logits_of(output: object, examples: int) -> Float[Tensor, "n classes"]:
    """The logits in whatever a module returns: a tensor, or an object or dict with `logits`.

    Raises:
        ModelError: none there, or not one row an example.
    """
    found = output
    if isinstance(output, dict):
        found = output.get("logits", output)
    elif not isinstance(output, Tensor):
        found = getattr(output, "logits", output)
    if not isinstance(found, Tensor):
        kind = type(found).__name__
        inside = f" with {first_few(list(found), 6)}" if isinstance(found, dict) else ""
        raise ModelError(
            f"the model returns a {kind}{inside}; expected a tensor of logits, or an object or "
            f"dict with `logits`. Wrap it in a module that returns the logits."
        )
    if found.ndim != 2 or found.shape[1] < 2 or len(found) != examples:
        raise ModelError(
            f"the model returns shape {tuple(found.shape)}; expected ({examples}, classes) with at "
            f"least 2 classes. For one output, return torch.stack([-z, z], 1) / 2."
        )
    return found


def with_head(model: TorchModel, weights: Weights, inputs: Float[Tensor, "n *input"]) -> TorchModel:
    """The model with the linear layer, if any, that makes its logits out of a vector an example.

    Which layer that is cannot be told from its name: the module is run once, and the layer
    called last is taken if what it returned is what the module returned.
    """
    last: list[Any] = []
    hooks = [
        module.register_forward_hook(
            lambda layer, given, out: last.append((layer, given, out.detach().clone()))
        )
        for module in model.module.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        with torch.no_grad():
            logits, _ = replace(model, head=None)._forward(weights, model.place(inputs).clone())
    finally:
        for hook in hooks:
            hook.remove()
    if not last or len(last[-1][1]) != 1 or last[-1][1][0].ndim != 2:
        return replace(model, head=None)
    head, _, out = last[-1]
    is_last = out.shape == logits.shape and torch.equal(out, logits)
    return replace(model, head=head if is_last else None)


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
