"""From what a reader returns for each example to the inputs of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vog.data.arrays import native
from vog.data.examples import UnreadableError
from vog.data.inputs import (
    Inputs,
    Uniform,
    from_tensors,
    names_phrase,
    of_examples,
    position_name,
    tensors_by_name,
)
from vog.errors import DataError, first_few
from vog.wording import option

# All that 64 bits with a sign hold.
_WHOLE_NUMBERS = frozenset(
    (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint32, torch.uint16, torch.uint8)
)


def as_inputs(value: Any, example: str) -> Uniform:
    """Return an array or a tensor, or several of them, as inputs of one example.

    Several are a mapping by the names of the model's arguments, or a tuple or list in their order.
    Floats get 32 bits, whole numbers 64 bits, and booleans beside others stay what they are.

    Args:
        value: as a reader returns it, without an axis of examples.
        example: the id of the example, for messages.

    Raises:
        DataError: a value is no array, or not of numbers that a model takes.
        UnreadableError: the example is a sequence without a position, such as an empty text.
    """
    if _are_several(value):
        value = {position_name(position): part for position, part in enumerate(value)}
    if not isinstance(value, Mapping):
        return _with_positions({None: _as_numbers(value, example, None)[None]})
    if not value or not all(isinstance(name, str) for name in value):
        keys = f"the keys {first_few([repr(key) for key in value])}" if value else "no keys"
        raise DataError(
            f"example {example!r} is read as {type(value).__name__} with {keys}; expected a tensor "
            f"or an array, or some of them by name. Return these in {option('transform')}."
        )
    tensors = {name: _as_numbers(part, example, name)[None] for name, part in value.items()}
    if all(tensor.dtype == torch.bool for tensor in tensors.values()):
        raise DataError(
            f"example {example!r} has booleans alone: {first_few([repr(key) for key in value])}; "
            f"expected floats or whole numbers beside a mask. Add them in {option('transform')}."
        )
    return _with_positions({**tensors})


def _are_several(value: Any) -> bool:
    """Return whether a value is several inputs in a row, and not one list of numbers."""
    if not isinstance(value, tuple | list) or hasattr(value, "_fields"):
        return False
    return any(isinstance(part, Tensor | np.ndarray) and part.ndim > 0 for part in value)


def _with_positions(tensors: Mapping[str | None, Tensor]) -> Uniform:
    """Return the inputs; raise UnreadableError for a sequence of whole numbers without any."""
    for tensor in tensors.values():
        if tensor.dtype == torch.int64 and tensor.shape[1:] == (0,):
            raise UnreadableError("it is a sequence of length 0")
    return from_tensors(tensors)


def _as_numbers(value: Any, example: str, name: str | None) -> Tensor:
    tensor = _as_tensor(value, example, name).detach()
    if tensor.is_floating_point():
        return tensor.float()
    if name is None and not _may_be_tokens(tensor):
        raise DataError(
            f"example {example!r} is read as {tensor.dtype}; expected floats, which "
            f"have gradients. Convert and scale it as in training, in {option('transform')}."
        )
    if tensor.dtype in _WHOLE_NUMBERS:
        return tensor.long()
    if tensor.dtype == torch.bool:
        return tensor
    raise DataError(
        f"{name!r} of example {example!r} is read as {tensor.dtype}; expected floats, whole "
        f"numbers or booleans. Convert it in {option('transform')}."
    )


def _may_be_tokens(tensor: Tensor) -> bool:
    """Return whether whole numbers may be tokens or categories, and not pixels to be scaled."""
    is_byte = tensor.dtype in (torch.uint8, torch.int8)
    return tensor.dtype in _WHOLE_NUMBERS and tensor.ndim <= (1 if is_byte else 2)


def _as_tensor(value: Any, example: str, name: str | None) -> Tensor:
    try:
        # Copied: a row may be read-only or a view with negative strides, which torch refuses.
        return torch.as_tensor(value if isinstance(value, Tensor) else native(np.asarray(value)))
    except (TypeError, ValueError, RuntimeError) as error:
        part = "" if name is None else f"{name!r} of "
        advice = f"Pass {option('transform', 'imagenet')} or a function that makes one."
        if name is not None:
            advice = f"Make one of it in {option('transform')}, or leave it out there."
        raise DataError(
            f"{part}example {example!r} is read as {type(value).__name__}; expected a tensor "
            f"or an array. {advice}"
        ) from error


def collate(ids: Sequence[str], examples: Sequence[Uniform]) -> Inputs:
    """Return the inputs of single examples as those of a batch; sequences may differ in length.

    Args:
        ids: the id of each example, for messages.
        examples: the inputs, as `as_inputs` returns them.

    Raises:
        DataError: examples differ in names, shapes or types.
    """
    if not examples:
        return torch.empty(0)
    for example, inputs in zip(ids, examples, strict=True):
        _check_alike(ids[0], tensors_by_name(examples[0]), example, tensors_by_name(inputs))
    return of_examples(examples)


def _check_alike(
    first: str,
    expected: Mapping[str | None, Tensor],
    example: str,
    actual: Mapping[str | None, Tensor],
) -> None:
    """Raise DataError unless an example has the names, shapes and types of the first."""
    if actual.keys() != expected.keys():
        raise DataError(
            f"examples differ in names: {first!r} has {names_phrase(expected)}; "
            f"{example!r} has {names_phrase(actual)}. Equalise them in {option('transform')}."
        )
    for name, tensor in expected.items():
        part = "" if name is None else f"{name!r} of "
        for property_name, describe in (("shape", _shape), ("type", _type)):
            if describe(actual[name]) != describe(tensor):
                if describe is _shape and _may_vary(_shape(tensor), _shape(actual[name])):
                    continue
                raise DataError(
                    f"examples differ in {property_name}: {part}{first!r} is {describe(tensor)}, "
                    f"{part}{example!r} is {describe(actual[name])}. "
                    f"Equalise them in {option('transform')}."
                )


def _may_vary(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Return whether two shapes are of sequences that differ in length alone."""
    return len(first) == len(second) and len(first) in (1, 2) and first[1:] == second[1:]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])


def _type(tensor: Tensor) -> torch.dtype:
    return tensor.dtype
