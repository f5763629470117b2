"""The logits in the output of a module, and the linear layer, if any, that computes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from vog.data.inputs import Uniform
from vog.errors import ModelError, first_few
from vog.models.torch.weights_in_place import TorchWeights
from vog.wording import option

# From weights and inputs to logits, and to the input of the head if there is one.
Forward = Callable[[TorchWeights, Uniform], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Head:
    """The linear layer that computes the logits from one vector of features an example.

    Attributes:
        name: the name of the layer in the module.
        layer: the layer itself.
    """

    name: str
    layer: nn.Linear

    def logits(
        self, weights: TorchWeights, features: Float[Tensor, "n width"]
    ) -> Float[Tensor, "n classes"]:
        """Return the logits of the features, in float32 whatever their precision."""
        bias = weights.get(f"{self.name}.bias")
        return F.linear(features.float(), weights[f"{self.name}.weight"], bias)


@dataclass(frozen=True)
class _Call:
    """A call of a linear layer."""

    layer: nn.Linear
    inputs: Any
    output: Tensor


def find(
    module: nn.Module,
    weights: TorchWeights,
    run: Callable[[], Tensor],
    layer_name: str | None = None,
) -> Head | None:
    """Return the head of a module, or None if it has none.

    The name of a layer does not show that it is the head, so the module is run once. The linear
    layer called last is the head if the module returned its output, and if that output is its
    weights times its input: a subclass or a hook may compute something else, such as a cosine.

    Args:
        module: the model.
        weights: of the module, by name.
        run: runs the module once and returns its logits.
        layer_name: the layer that the user names as the head; None to take the one called last.

    Raises:
        ModelError: the user names a layer that is not there or not linear, or that is not the head.
    """
    names = {layer: name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    if layer_name is not None and layer_name not in names.values():
        raise ModelError(
            f"{option('head', layer_name)}: the model has no linear layer of that name. Expected "
            f"one of {first_few(list(names.values()), 10) or 'none: it has no nn.Linear'}."
        )
    logits, calls = _run_with_calls(list(names), run)
    named = [call for call in calls if layer_name is None or names[call.layer] == layer_name]
    head = _head_of(named[-1], names, weights, logits) if named else None
    if head is None and layer_name is not None:
        raise ModelError(
            f"{option('head', layer_name)}: the output of this layer, its weights times one vector "
            f"of features an example, is not what the model returns. Name the layer that computes "
            f"the logits, or leave {option('head')} out."
        )
    return head


def _run_with_calls(
    layers: list[nn.Linear], run: Callable[[], Tensor]
) -> tuple[Tensor, list[_Call]]:
    """Return the logits of a run, and the calls of some layers in order."""
    calls: list[_Call] = []

    def record_call(layer: nn.Module, inputs: Any, output: Any) -> None:
        assert isinstance(layer, nn.Linear)
        calls.append(_Call(layer, inputs, output.detach().clone()))

    hooks = [layer.register_forward_hook(record_call) for layer in layers]
    try:
        return run(), calls
    finally:
        for hook in hooks:
            hook.remove()


def _head_of(
    call: _Call, names: dict[nn.Linear, str], weights: TorchWeights, logits: Tensor
) -> Head | None:
    """Return the head that made a call; None if its output is not the logits."""
    if len(call.inputs) != 1 or call.inputs[0].ndim != 2:
        return None
    if is_functorch_wrapped_tensor(call.output):  # of several models at once, by torch.func.vmap
        return None
    name, output = names[call.layer], call.output
    # Two layers that share a weight have it under one of their names alone.
    if output.shape != logits.shape or f"{name}.weight" not in weights:
        return None
    head = Head(name, call.layer)
    is_output = torch.equal(output.nan_to_num(), logits.nan_to_num())
    is_linear = is_output and _nearly_equal(head.logits(weights, call.inputs[0]), logits)
    return head if is_linear else None


def _nearly_equal(head_logits: Tensor, logits: Tensor) -> bool:
    """Return True if both are equal but for rounding, in the rows where both are finite."""
    finite = head_logits.isfinite().all(dim=1) & logits.isfinite().all(dim=1)
    head_logits, logits = head_logits[finite], logits[finite].float()
    scale = logits.abs().amax() if len(logits) else 0.0
    return bool(((head_logits - logits).abs() <= 1e-5 * scale + 1e-12).all())


# What libraries call the outputs, in the order of preference: transformers, and torchvision's
# networks for segmentation.
_OUTPUT_KEYS = ("logits", "out")


def logits_of(output: Any, examples: int) -> Float[Tensor, "n *outputs"]:
    """Return the outputs of a module: a tensor, the first of a tuple, or `logits` or `out`.

    Raises:
        ModelError: there are no outputs, or not one row an example.
    """
    logits = output
    if isinstance(output, Mapping):
        key = next((key for key in _OUTPUT_KEYS if key in output), None)
        logits = output if key is None else output[key]
    elif not isinstance(output, Tensor) and hasattr(output, "logits"):
        logits = output.logits
    elif isinstance(output, tuple) and output and isinstance(output[0], Tensor):
        logits = output[0]
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        keys = f" with {first_few(list(logits), 6)}" if isinstance(logits, Mapping) else ""
        raise ModelError(
            f"the model returns a {kind}{keys}; expected a tensor of logits, or an object or "
            f"dict with `logits`. Wrap it in a module that returns the logits. Detection of "
            f"objects is not supported."
        )
    if logits.ndim == 0 and examples == 1:  # a module that squeezes
        return logits.reshape(1)
    if logits.ndim < 1 or len(logits) != examples:
        raise ModelError(
            f"the model returns shape {tuple(logits.shape)}; expected one row an example, "
            f"({examples}, ...). Return the outputs of each example, and not their mean."
        )
    return logits
