"""All tensors that a module holds, and a check that a copy of it is complete and independent.

A complete copy shares no memory with the module, and its own tensors share memory in the same way
as those of the module. `copy.deepcopy` can fail in both: it separates views from their parameters,
and it copies no function, so that a closure still holds tensors of the original.
"""

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vog import user_functions

_MAX_DEPTH = 4
_REGISTRIES = ("_parameters", "_buffers", "_modules")


def is_independent_copy(module: nn.Module, duplicate: nn.Module) -> bool:
    """Return True if a copy shares no memory with a module, and ties its tensors as it does."""
    original_tensors, copied_tensors = list(all_tensors(module)), list(all_tensors(duplicate))
    memory = {address_of(tensor) for tensor in original_tensors} - {None}
    if any(address_of(tensor) in memory for tensor in copied_tensors):
        return False
    return _first_sharing(original_tensors) == _first_sharing(copied_tensors)


def all_tensors(module: nn.Module) -> Iterator[Tensor]:
    """Yield every tensor that can be reached from a module, in a fixed order."""
    visited: set[int] = set()
    for part in module.modules():
        visited.add(id(part))
        for tensors in (part._parameters, part._buffers):
            yield from (tensor for tensor in tensors.values() if tensor is not None)
    for part in module.modules():
        for name, value in vars(part).items():
            cached = getattr(type(part), name, None)
            # A copy computes its cached properties again.
            if name not in _REGISTRIES and not isinstance(cached, functools.cached_property):
                yield from _tensors_inside(value, visited, _MAX_DEPTH)


def _tensors_inside(value: Any, visited: set[int], depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
        return
    if depth == 0 or id(value) in visited or isinstance(value, str | bytes | int | float | None):
        return
    visited.add(id(value))
    for inner in _contents(value):
        yield from _tensors_inside(inner, visited, depth - 1)


def _contents(value: Any) -> list[Any]:
    """Return the values that a container, a function or an unregistered module holds."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, nn.Module):
        return [*value.parameters(), *value.buffers()]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, types.FunctionType):
        cells = [
            cell.cell_contents for cell in value.__closure__ or () if user_functions.is_filled(cell)
        ]
        return [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return []


def address_of(tensor: Tensor) -> int | None:
    """Return the memory address of the values; None if there are none or it is unknown."""
    if tensor.layout is not torch.strided or tensor.device.type == "meta":
        return None
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError, ValueError):  # lazy and functional tensors
        return None


def _first_sharing(tensors: list[Tensor]) -> list[int]:
    """Return for each tensor the position of the first tensor in the same memory."""
    first: dict[int | None, int] = {}
    return [
        position if (memory := address_of(tensor)) is None else first.setdefault(memory, position)
        for position, tensor in enumerate(tensors)
    ]
