"""The inputs of a module: one tensor, or several by the names or the order of its arguments."""

from collections.abc import Callable, Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn

from vog.data.inputs import (
    MASK,
    Inputs,
    Uniform,
    VariedInputs,
    from_tensors,
    is_positional,
    tensors_by_name,
)
from vog.errors import ModelError
from vog.wording import option


def mapped(function: Callable[[Tensor], Tensor], inputs: Uniform) -> Uniform:
    """Return the inputs with a function applied to each tensor."""
    return from_tensors({n: function(tensor) for n, tensor in tensors_by_name(inputs).items()})


def with_leaf(inputs: Uniform, differentiate: bool) -> tuple[Uniform, Tensor | None]:
    """Return the inputs, and the tensor among them with respect to which gradients are taken.

    Without `differentiate`, there may be no such tensor.

    Raises:
        ModelError: none, or several, of the tensors are floats.
    """
    tensors = tensors_by_name(inputs)
    floats = [name for name, t in tensors.items() if t.is_floating_point() and name != MASK]
    if len(floats) != 1:
        if differentiate:
            _refuse_tensors(tensors)
        return inputs, None
    leaf = tensors[floats[0]].detach().requires_grad_(differentiate)
    return from_tensors({**tensors, floats[0]: leaf}), leaf


def _refuse_tensors(tensors: Mapping[str | None, Tensor]) -> NoReturn:
    kinds = ", ".join(f"{name or 'input'} ({t.dtype})" for name, t in tensors.items())
    raise ModelError(
        f"an input has the tensors {kinds}; expected exactly one of floats, which gradients are "
        f"taken with respect to. Name the module whose output is differentiated instead with "
        f"{option('wrt', 'NAME')}, or choose {option('scores')} that need no gradient."
    )


def call(module: nn.Module, inputs: Uniform) -> object:
    """Return the output of a module; its first layer may work in place, so it gets copies."""
    positional, named = arguments(mapped(Tensor.clone, inputs))
    return module(*positional, **named)


def arguments(inputs: Uniform) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return the arguments of the module: by position one tensor or several, or several by name."""
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if is_positional(inputs):
        return tuple(inputs.tensors.values()), {}
    return (), dict(inputs.tensors)


def doubled(inputs: Uniform) -> Uniform:
    """Return the examples twice."""
    return mapped(lambda tensor: torch.cat([tensor, tensor]), inputs)


def mask_of(inputs: Uniform, leaf: Tensor, of_module: bool) -> Tensor | None:
    """Return which positions of what is differentiated are real; None if no argument says so.

    Args:
        inputs: of the model.
        leaf: what is differentiated.
        of_module: it is the output of a module, whose last axis then holds no positions.

    Raises:
        ModelError: there is padding, and it is unknown which positions of the output it concerns.
    """
    mask = tensors_by_name(inputs).get(MASK)
    if mask is None or mask.ndim != 2:
        return None
    if mask.shape == leaf.shape[:2] and has_positions(leaf, of_module):
        return mask.bool()
    if of_module and leaf.ndim == 3 and not bool((mask != 0).all()):
        raise ModelError(
            f"what is differentiated has shape {tuple(leaf.shape)}, and {MASK} has shape "
            f"{tuple(mask.shape)}; so it is unknown which of its positions are padding. Name a "
            f"module with {option('wrt')} whose output has one position a token."
        )
    return None


def has_positions(leaf: Tensor, of_module: bool) -> bool:
    """Return whether the second axis of what is differentiated may be that of positions."""
    return leaf.ndim >= (3 if of_module else 2)


def every_position(inputs: Uniform, leaf: Tensor, of_module: bool) -> Tensor | None:
    """Return a mask of real positions alone; None if what is differentiated has none."""
    lengths = {t.shape[1] for t in tensors_by_name(inputs).values() if t.ndim > 1}
    if not has_positions(leaf, of_module) or leaf.shape[1] not in lengths:
        return None
    return leaf.new_ones(leaf.shape[:2], dtype=torch.bool)


def check_mask(inputs: Uniform) -> None:
    """Raise ModelError if the mask of positions has other values than 0 and 1."""
    mask = tensors_by_name(inputs).get(MASK)
    if mask is not None and mask.ndim == 2 and not bool(((mask == 0) | (mask == 1)).all()):
        raise ModelError(
            f"{MASK} has other values than 0 (padding) and 1; it may be one that is added to "
            f"attention. Pass the mask of 0 and 1, and let the model make the other from it."
        )


def is_image(inputs: Inputs) -> bool:
    """Return True if the inputs are a batch of images or feature maps."""
    if isinstance(inputs, VariedInputs):
        return False
    return any(tensor.ndim == 4 for tensor in tensors_by_name(inputs).values())


def shape_text(inputs: Uniform) -> str:
    """Return the shape of a batch, for messages."""
    if isinstance(inputs, Tensor):
        return str(tuple(inputs.shape))
    return ", ".join(f"{name} {tuple(t.shape)}" for name, t in inputs.tensors.items())
