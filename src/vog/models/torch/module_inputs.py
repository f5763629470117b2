"""The inputs of a module: one tensor, or tensors by the names of its arguments."""

from collections.abc import Callable

from torch import Tensor, nn

from vog.data.inputs import Inputs, NamedTensors, concat, from_tensors, tensors_by_name
from vog.errors import ModelError

# Arguments that say which positions are real and not padding, as Hugging Face names them.
_MASKS = ("attention_mask", "padding_mask", "mask")


def mapped(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """Return the inputs with a function applied to each tensor."""
    return from_tensors({n: function(tensor) for n, tensor in tensors_by_name(inputs).items()})


def with_leaf(inputs: Inputs, differentiate: bool) -> tuple[Inputs, Tensor]:
    """Return the inputs, and the tensor among them with respect to which gradients are taken.

    Raises:
        ModelError: none, or several, of the tensors are floats.
    """
    if isinstance(inputs, Tensor):
        leaf = inputs.detach().requires_grad_(differentiate)
        return leaf, leaf
    name = _float_name(inputs)
    leaf = inputs.tensors[name].detach().requires_grad_(differentiate)
    return NamedTensors({**inputs.tensors, name: leaf}), leaf


def _float_name(inputs: NamedTensors) -> str:
    floats = [n for n, t in inputs.tensors.items() if t.is_floating_point() and n not in _MASKS]
    if len(floats) != 1:
        kinds = ", ".join(f"{name} ({t.dtype})" for name, t in inputs.tensors.items())
        raise ModelError(
            f"an input has the tensors {kinds}; expected exactly one of floats, which gradients "
            f"are taken with respect to. Give a model that takes the others from elsewhere, or a "
            f"transform that leaves one of floats."
        )
    return floats[0]


def call(module: nn.Module, inputs: Inputs) -> object:
    """Return the output of a module; its first layer may work in place, so it gets copies."""
    if isinstance(inputs, Tensor):
        return module(inputs.clone())
    return module(**{name: tensor.clone() for name, tensor in inputs.tensors.items()})


def doubled(inputs: Inputs) -> Inputs:
    """Return the examples twice."""
    return concat([inputs, inputs])


def mask_of(inputs: Inputs) -> Tensor | None:
    """Return which positions are real and not padding; None if no argument says so."""
    if isinstance(inputs, Tensor):
        return None
    mask = next((inputs.tensors[name] for name in _MASKS if name in inputs.tensors), None)
    leaf = inputs.tensors[_float_name(inputs)]
    if mask is None or mask.shape != leaf.shape[:2]:
        return None
    return mask.bool()


def is_image(inputs: Inputs) -> bool:
    """Return True if the inputs are a batch of images or feature maps."""
    return any(tensor.ndim == 4 for tensor in tensors_by_name(inputs).values())


def shape_text(inputs: Inputs) -> str:
    """Return the shape of a batch, for messages."""
    if isinstance(inputs, Tensor):
        return str(tuple(inputs.shape))
    return ", ".join(f"{name} {tuple(t.shape)}" for name, t in inputs.tensors.items())
