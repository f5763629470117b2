"""Search in the content of a file: dicts, lists, stand-ins for objects, and weights.

One value may be referenced from many places, so a small file can have a very large number of
paths through it. Each lookup therefore takes steps from a budget.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from vog.checkpoints.safe_pickle import Budget, Name, StandIn, TensorRecord, array_of, state_dict_of
from vog.checkpoints.safe_pickle.module_state_dict import attributes_of
from vog.errors import first_few

_LONGEST_LIST = 1000
_LONGEST_WORD = 80


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor or an array of numbers, or a description of one."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    return isinstance(value, Tensor | TensorRecord) or array_of(value) is not None


def has_axes(value: Any) -> bool:
    """Return whether a tensor has at least one axis, so it is not a single number."""
    array = array_of(value)
    return len(value.shape if array is None else array.shape) > 0


def weights_in(value: object, budget: Budget) -> Mapping[str, Any] | None:
    """Return a value that is a state dict, or the state dict of a pickled module; else None."""
    module = state_dict_of(value, budget)
    if module is not None:
        return module if any(map(is_tensor, module.values())) else None
    items = _as_mapping(value)
    if not items:
        return None
    budget.step(len(items))
    has_text_keys = all(type(name) is str for name in items)
    return items if has_text_keys and any(map(is_tensor, items.values())) else None


def items_in(value: object, budget: Budget) -> dict[str, Any]:
    """Return the items of a dict or list, the attributes and the modules of a value, by text."""
    if isinstance(value, list | tuple):
        return {str(position): item for position, item in enumerate(value[:_LONGEST_LIST])}
    attributes, items = attributes_of(value), _as_mapping(value) or {}
    modules = attributes.get("_modules")
    members = {**attributes, **items, **(modules if isinstance(modules, Mapping) else {})}
    budget.step(len(members) + 1)
    return {name: item for name, item in members.items() if type(name) is str}


def value_at(value: object, key: str, budget: Budget) -> Any:
    """Return the value at a key, at keys joined by dots, or below a prefix of names; else None.

    If a dotted key can be split in several ways, the split with the longest first key wins.
    """
    items = items_in(value, budget)
    if items.get(key) is not None:
        return items[key]
    dots = [position for position, letter in enumerate(key) if letter == "."]
    for dot in reversed(dots):
        inner = items.get(key[:dot])
        if inner is not None and (nested := value_at(inner, key[dot + 1 :], budget)) is not None:
            return nested
    return _weights_below(weights_in(value, budget) or {}, f"{key}.")


def describe_value(value: object) -> str:
    """Return a description of a value for a message, such as `a dict with the keys a, b`."""
    if isinstance(value, StandIn):
        return f"an object of {value.name}"
    if isinstance(value, Name):
        return f"the name {value}"
    if isinstance(value, Mapping):
        return f"a dict with the keys {first_few([_key_text(key) for key in value])}"
    return "a tensor" if is_tensor(value) else f"a {type(value).__name__}"


def stand_in_name(value: object, deepest: int = 20) -> str | None:
    """Return the class name of a stand-in within a value, or None if there is no stand-in."""
    waiting = [(value, 0)]
    for _ in range(_LONGEST_LIST):
        if not waiting:
            return None
        item, depth = waiting.pop()
        if isinstance(item, StandIn | Name):
            return str(item.name if isinstance(item, StandIn) else item)
        if depth < deepest and isinstance(item, Mapping):
            waiting += [(inner, depth + 1) for inner in item.values()]
        elif depth < deepest and isinstance(item, list | tuple | set | frozenset):
            waiting += [(inner, depth + 1) for inner in item]
    return None


def _as_mapping(value: object) -> Mapping[Any, Any] | None:
    """Return a dict itself, or the items that a stand-in would have been given; else None."""
    if isinstance(value, Mapping):
        return value
    return value.items if isinstance(value, StandIn) and value.items else None


def _weights_below(weights: Mapping[str, Any], prefix: str) -> Any:
    """Return the weights whose names begin with a prefix, without the prefix; None if none do."""
    below: OrderedDict[str, Any] = OrderedDict(
        (name.removeprefix(prefix), item)
        for name, item in weights.items()
        if name.startswith(prefix)
    )
    metadata = getattr(weights, "_metadata", None)
    if below and isinstance(metadata, Mapping):
        below._metadata = OrderedDict(  # type: ignore[attr-defined]
            (f"{name}.".removeprefix(prefix).removesuffix("."), item)
            for name, item in metadata.items()
            if type(name) is str and f"{name}.".startswith(prefix)
        )
    return below or None


def _key_text(key: object) -> str:
    return str(key)[:_LONGEST_WORD] if type(key) in (str, int, bool) else type(key).__name__
