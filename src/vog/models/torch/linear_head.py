"""From whatever a module returns to logits, and the linear layer, if any, that makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional as F

from vog.errors import ModelError, first_few
from vog.models.protocol import Weights


@dataclass(frozen=True)
class Head:
    """The linear layer that makes the logits out of a vector an example.

    Attributes:
        name: of the layer in the module.
        layer: the layer itself.
    """

    name: str
    layer: nn.Linear

    def logits(
        self, weights: Weights, features: Float[Tensor, "n width"]
    ) -> Float[Tensor, "n classes"]:
        """What the layer makes of the features, in float32 whatever their precision."""
        bias = weights.get(f"{self.name}.bias")
        return F.linear(features.float(), weights[f"{self.name}.weight"], bias)


def find(module: nn.Module, weights: Weights, run: Callable[[], Tensor]) -> Head | None:
    """The head of a module, whose logits `run` gives.

    Which layer that is cannot be told from its name: the module is run once, and the layer called
    last is taken if what it returned is what the module returned, and what its weights make of its
    input. A subclass or a hook may compute something else, such as a cosine.
    """
    last: list[tuple[nn.Linear, Any, Tensor]] = []
    names = {layer: name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}

    def called(layer: nn.Module, given: Any, out: Any) -> None:
        assert isinstance(layer, nn.Linear)
        last.append((layer, given, out.detach().clone()))

    hooks = [layer.register_forward_hook(called) for layer in names]
    try:
        logits = run()
    finally:
        for hook in hooks:
            hook.remove()
    if not last or len(last[-1][1]) != 1 or last[-1][1][0].ndim != 2:
        return None
    layer, (features,), out = last[-1]
    if is_functorch_wrapped_tensor(out):  # of several models at once, by torch.func.vmap
        return None
    name = names[layer]
    # A layer that shares its weight with another may have it under the other's name alone.
    if out.shape != logits.shape or f"{name}.weight" not in weights:
        return None
    head = Head(name, layer)
    is_last = torch.equal(out.nan_to_num(), logits.nan_to_num())
    return head if is_last and _alike(head.logits(weights, features), logits) else None


def _alike(made: Tensor, logits: Tensor) -> bool:
    """Whether both are the same but for rounding, in the examples whose logits are finite."""
    finite = made.isfinite().all(dim=1) & logits.isfinite().all(dim=1)
    made, logits = made[finite], logits[finite].float()
    size = logits.abs().amax() if len(logits) else 0.0
    return bool(((made - logits).abs() <= 1e-5 * size + 1e-12).all())


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
