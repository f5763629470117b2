"""The inputs of a module: one tensor, or tensors by the names of its arguments."""

from collections.abc import Callable

from torch import Tensor, nn

from vog.data.inputs import Inputs, NamedTensors, concat, from_tensors, tensors_by_name
from vog.errors import ModelError

# The argument that says which positions are real (1) and not padding (0), as Hugging Face has it.
# Masks of other names often mean the opposite.
_MASK = "attention_mask"


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
    floats = [n for n, t in inputs.tensors.items() if t.is_floating_point() and n != _MASK]
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
    positional, named = arguments(mapped(Tensor.clone, inputs))
    return module(*positional, **named)


def arguments(inputs: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return the arguments of the module: one tensor by position, or several by name."""
    return ((inputs,), {}) if isinstance(inputs, Tensor) else ((), dict(inputs.tensors))


def doubled(inputs: Inputs) -> Inputs:
    """Return the examples twice."""
    return concat([inputs, inputs])


def mask_of(inputs: Inputs) -> Tensor | None:
    """Return which positions are real and not padding; None if no argument says so."""
    mask = _position_mask(inputs)
    return None if mask is None else mask.bool()


def check_mask(inputs: Inputs) -> None:
    """Raise ModelError if the mask of positions has other values than 0 and 1."""
    mask = _position_mask(inputs)
    if mask is not None and not bool(((mask == 0) | (mask == 1)).all()):
        raise ModelError(
            f"{_MASK} has other values than 0 (padding) and 1; it may be one that is added to "
            f"attention. Pass the mask of 0 and 1, and let the model make the other from it."
        )


def _position_mask(inputs: Inputs) -> Tensor | None:
    """Return the mask if it has one value for each position of what is differentiated."""
    if isinstance(inputs, Tensor) or _MASK not in inputs.tensors:
        return None
    mask, leaf = inputs.tensors[_MASK], inputs.tensors[_float_name(inputs)]
    return mask if mask.shape == leaf.shape[:2] else None


def is_image(inputs: Inputs) -> bool:
    """Return True if the inputs are a batch of images or feature maps."""
    return any(tensor.ndim == 4 for tensor in tensors_by_name(inputs).values())


def shape_text(inputs: Inputs) -> str:
    """Return the shape of a batch, for messages."""
    if isinstance(inputs, Tensor):
        return str(tuple(inputs.shape))
    return ", ".join(f"{name} {tuple(t.shape)}" for name, t in inputs.tensors.items())
