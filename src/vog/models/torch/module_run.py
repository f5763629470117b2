"""One run of a module: its logits, the features before its head, and its precision."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from vog.data.inputs import Uniform
from vog.models.torch import module_inputs
from vog.models.torch.linear_head import Head, logits_of
from vog.wording import option

Precision = Literal["float32", "bfloat16"]


def run_module(
    module: nn.Module, head: Head | None, inputs: Uniform
) -> tuple[Tensor, Tensor | None]:
    """Return the logits of a batch, and the input of the head if there is one."""
    head_inputs: list[Tensor] = []
    hook = None
    if head is not None:
        hook = module.get_submodule(head.name).register_forward_pre_hook(
            lambda _, arguments: head_inputs.append(arguments[0])
        )
    try:
        logits = logits_of(module_inputs.call(module, inputs), len(inputs))
    finally:
        if hook is not None:
            hook.remove()
    return logits, head_inputs[-1] if head_inputs else None


def advice_on(error: Exception, module: nn.Module, precision: Precision) -> str:
    """Return what to do about an error of a module, by its message."""
    message = str(error)
    if "does not require grad" in message or "One of the differentiated Tensors" in message:
        return (
            "The model takes gradients with respect to its own weights in its forward pass, "
            "and weights have none here. Change that in the model, or give a different one."
        )
    dtypes = {p.dtype for p in module.parameters()} - {torch.float32}
    if dtypes and "dtype" in message:
        names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        return (
            f"Weights and inputs are float32 here, whatever they were trained in ({names}). "
            f"Remove the conversion to {names} from the model."
        )
    return (
        f"Give the {option('transform')} it was trained with, or correct {option('model')}"
        f"{', or leave out ' + option('precision') if precision == 'bfloat16' else ''}."
    )


def bfloat16_names(module: nn.Module, head: Head | None, precision: Precision) -> frozenset[str]:
    """Return the names of the weights that are stored in bfloat16; autocast converts the rest."""
    if precision == "float32":
        return frozenset()
    head_layer = None if head is None else head.layer
    return frozenset(
        f"{name}.{key}"
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | _ConvNd) and layer is not head_layer
        for key in ("weight", "bias")
    )
