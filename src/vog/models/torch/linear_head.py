"""The logits in the output of a module, and the linear layer, if any, that computes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from vog.data.inputs import Inputs
from vog.errors import ModelError, first_few
from vog.models.torch.weights_in_place import TorchWeights

# From weights and inputs to logits, and to the input of the head if there is one.
Forward = Callable[[TorchWeights, Inputs], tuple[Tensor, Tensor | None]]


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


def find(module: nn.Module, weights: TorchWeights, run: Callable[[], Tensor]) -> Head | None:
    """Return the head of a module, or None if it has none.

    The name of a layer does not show that it is the head, so the module is run once. The linear
    layer called last is the head if the module returned its output, and if that output is its
    weights times its input: a subclass or a hook may compute something else, such as a cosine.

    Args:
        module: the model.
        weights: of the module, by name.
        run: runs the module once and returns its logits.
    """
    calls: list[tuple[nn.Linear, Any, Tensor]] = []
    names = {layer: name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}

    def record_call(layer: nn.Module, inputs: Any, output: Any) -> None:
        assert isinstance(layer, nn.Linear)
        calls.append((layer, inputs, output.detach().clone()))

    hooks = [layer.register_forward_hook(record_call) for layer in names]
    try:
        logits = run()
    finally:
        for hook in hooks:
            hook.remove()
    if not calls or len(calls[-1][1]) != 1 or calls[-1][1][0].ndim != 2:
        return None
    layer, (features,), output = calls[-1]
    if is_functorch_wrapped_tensor(output):  # of several models at once, by torch.func.vmap
        return None
    name = names[layer]
    # Two layers that share a weight have it under one of their names alone.
    if output.shape != logits.shape or f"{name}.weight" not in weights:
        return None
    head = Head(name, layer)
    is_output = torch.equal(output.nan_to_num(), logits.nan_to_num())
    return head if is_output and _nearly_equal(head.logits(weights, features), logits) else None


def _nearly_equal(head_logits: Tensor, logits: Tensor) -> bool:
    """Return True if both are equal but for rounding, in the rows where both are finite."""
    finite = head_logits.isfinite().all(dim=1) & logits.isfinite().all(dim=1)
    head_logits, logits = head_logits[finite], logits[finite].float()
    scale = logits.abs().amax() if len(logits) else 0.0
    return bool(((head_logits - logits).abs() <= 1e-5 * scale + 1e-12).all())


def logits_of(output: object, examples: int) -> Float[Tensor, "n classes"]:
    """Return the logits in the output of a module: a tensor, or an object or dict with `logits`.

    Raises:
        ModelError: there are no logits, or not one row an example.
    """
    logits = output
    if isinstance(output, dict):
        logits = output.get("logits", output)
    elif not isinstance(output, Tensor):
        logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor):
        kind = type(logits).__name__
        keys = f" with {first_few(list(logits), 6)}" if isinstance(logits, dict) else ""
        raise ModelError(
            f"the model returns a {kind}{keys}; expected a tensor of logits, or an object or "
            f"dict with `logits`. Wrap it in a module that returns the logits."
        )
    if logits.ndim != 2 or len(logits) != examples:
        raise ModelError(
            f"the model returns shape {tuple(logits.shape)}; expected one row an example, "
            f"({examples}, classes) with at least 2 classes. For one output, return "
            f"torch.stack([-z, z], 1) / 2."
        )
    return logits
