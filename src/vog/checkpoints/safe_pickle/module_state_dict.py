"""The state dict of a whole pickled module, as its method `state_dict` would return it."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import nn

from vog.checkpoints.safe_pickle.placeholders import Budget, Name, StandIn, Unreadable

# A module that contains itself would have no end.
_DEEPEST = 200
_COST_OF_MODULE = 20
# `state_dict` stores the version of each class, from which `load_state_dict` recognises old files.
# For a pickled module it is the version of the present class, as it is if torch unpickles it.
_VERSIONS = {
    Name(kind.__module__, kind.__qualname__): kind._version
    for kind in vars(nn).values()
    if isinstance(kind, type) and issubclass(kind, nn.Module)
}
_VERSION = nn.Module._version


def attributes_of(value: object) -> Mapping[Any, Any]:
    """Return the attributes that the object would have had; empty if there are none."""
    if type(value) is not StandIn:
        return {}
    state = value.state
    parts = state if type(state) is tuple and len(state) == 2 else (state,)
    attributes: dict[Any, Any] = {}
    for part in parts:
        if type(part) in (dict, OrderedDict):
            attributes |= part
    return attributes


def state_dict_of(value: object, budget: Budget) -> "OrderedDict[str, Any] | None":
    """Return the tensors of a pickled module by name, or None if the value is not a module.

    Raises:
        Unreadable: a module contains itself, or one of its modules is damaged.
    """
    if not _is_module(attributes_of(value)):
        return None
    tensors: OrderedDict[str, Any] = OrderedDict()
    metadata: OrderedDict[str, Any] = OrderedDict()
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        prefix, module, depth = waiting.pop()
        attributes = attributes_of(module)
        if depth > _DEEPEST:
            raise Unreadable("it has a module within itself")
        if not _is_module(attributes):
            raise Unreadable(f"its module {prefix[:100]} has no parameters")
        budget.step(_COST_OF_MODULE + len(attributes["_parameters"]) + len(attributes["_buffers"]))
        metadata[prefix[:-1]] = {"version": _VERSIONS.get(module.name, _VERSION)}
        tensors |= {f"{prefix}{name}": tensor for name, tensor in _saved_tensors(attributes)}
        children = [
            (f"{prefix}{name}.", child, depth + 1)
            for name, child in attributes["_modules"].items()
            if child is not None
        ]
        waiting += reversed(children)
    tensors._metadata = metadata  # type: ignore[attr-defined]
    return tensors


def _is_module(attributes: Mapping[Any, Any]) -> bool:
    parts = [attributes.get(name) for name in ("_parameters", "_buffers", "_modules")]
    return all(type(part) in (dict, OrderedDict) for part in parts)


def _saved_tensors(attributes: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """Return the parameters and saved buffers of a module itself, without those of its children."""
    unsaved = attributes.get("_non_persistent_buffers_set")
    unsaved = unsaved if type(unsaved) in (set, frozenset) else ()
    parameters = [(k, v) for k, v in attributes["_parameters"].items() if v is not None]
    buffers = [
        (k, v) for k, v in attributes["_buffers"].items() if v is not None and k not in unsaved
    ]
    return parameters + buffers
