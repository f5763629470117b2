"""The choice of the weights among the contents of a checkpoint."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vog.checkpoints.contents import (
    describe_value,
    has_axes,
    is_tensor,
    items_in,
    value_at,
    weights_in,
)
from vog.checkpoints.safe_pickle import Budget, state_dict_of
from vog.errors import CheckpointError, first_few
from vog.wording import option

# Keys under which training loops save the weights beside the optimizer, the clearest first.
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "model_state",
    "params",
)
_DEEPEST = 3  # levels of keys that are searched for a message
_MOST_KEYS = 2000
_EXTRA_STATE = "_extra_state"
_TOP = ""  # the key of the file as a whole


@dataclass(frozen=True)
class ChosenWeights:
    """The weights in a file.

    Attributes:
        key: their place in the file; empty for its top level.
        weights: tensors, arrays and extra states by name, as the file describes them.
        other_keys: keys of further weights in the file.
        non_tensors: names in the same dict whose values are not tensors.
        remarks: sentences on what was left aside for other reasons.
    """

    key: str
    weights: Mapping[str, Any]
    other_keys: tuple[str, ...] = ()
    non_tensors: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """Return a remark on the choice among several weights and on names left aside, or None."""
        remarks = list(self.remarks)
        if self.other_keys:
            other_texts = first_few([_key_text(key) for key in self.other_keys])
            also_there = f"also there: {other_texts}; choose by {option('weights')}"
            remarks.append(f"took {_key_text(self.key)} ({also_there})")
        names = [name for name in self.non_tensors if name not in self.other_keys]
        if names:
            remarks.append(f"left aside {first_few(names)}: no tensors")
        return "; ".join(remarks) or None


def choose_weights(content: Any, key: str | None, path: Path) -> ChosenWeights:
    """Return the weights in the content of a file.

    Args:
        content: the content, with descriptions for tensors.
        key: the place of the weights, as the option `weights` names it, empty for the top level;
            None for the usual places.
        path: the path of the file, for messages.

    Raises:
        CheckpointError: there are no weights, or several and no clear choice.
        Unreadable: the content has more values than a file of weights.
    """
    budget = Budget(0)
    if key is not None:
        return _selection(key, _weights_at(content, key, path, budget), ())
    by_key = {} if state_dict_of(content, budget) is not None else _candidates(content, budget)
    best = next((name for name in (*WRAPPERS, _TOP) if name in by_key), None)
    if best is None and len(by_key) == 1:
        (best,) = by_key
    if best is not None:
        return _selection(best, by_key[best], tuple(name for name in by_key if name != best))
    top_level = None if by_key else weights_in(content, budget)
    if top_level is not None:
        return _selection(_TOP, top_level, ())
    raise CheckpointError(
        f"checkpoint {path} holds {describe_value(content)}; expected a state_dict, or a dict with "
        f"one under {', '.join(WRAPPERS)}.{_where_weights_are(content, budget)}"
    )


def _weights_at(content: object, key: str, path: Path, budget: Budget) -> Mapping[str, Any]:
    """Return the weights at the key that the user gave."""
    value = content if key == _TOP else value_at(content, key, budget)
    if value is None:
        raise CheckpointError(
            f"checkpoint {path}: {option('weights', key)} is not in the file, which holds "
            f"{describe_value(content)}.{_where_weights_are(content, budget)}"
        )
    weights = weights_in(value, budget)
    if weights is None:
        raise CheckpointError(
            f"checkpoint {path}: {option('weights')} {key!r} names {describe_value(value)}, which "
            f"is no weights.{_where_weights_are(content, budget)}"
        )
    return weights


def _selection(key: str, weights: Mapping[str, Any], rest: tuple[str, ...]) -> ChosenWeights:
    tensors: OrderedDict[str, Any] = OrderedDict(
        (name, value)
        for name, value in weights.items()
        if is_tensor(value) or name.endswith(_EXTRA_STATE)
    )
    if hasattr(weights, "_metadata"):
        tensors._metadata = weights._metadata  # type: ignore[attr-defined]
    return ChosenWeights(key, tensors, rest, tuple(name for name in weights if name not in tensors))


def _candidates(content: object, budget: Budget) -> dict[str, Mapping[str, Any]]:
    """Return the dicts that may be weights, by key; dicts of single numbers only if alone.

    The top level is one of them if it has at least as many tensors as every inner dict, such as a
    state dict that was saved with an average of itself.
    """
    inner = (
        (name, value)
        for name, value in items_in(content, budget).items()
        if not name.endswith(_EXTRA_STATE) and not is_tensor(value)
    )
    candidates = {
        name: weights
        for name, value in islice(inner, _MOST_KEYS)
        if (weights := weights_in(value, budget)) is not None
    }
    sizes = {name: _count_with_axes(weights) for name, weights in candidates.items()}
    top_level = weights_in(content, budget) or {}
    if candidates and _count_with_axes(top_level) >= max(1, *sizes.values()):
        candidates[_TOP], sizes[_TOP] = top_level, _count_with_axes(top_level)
    return {name: weights for name, weights in candidates.items() if sizes[name]} or candidates


def _count_with_axes(weights: Mapping[str, Any]) -> int:
    return sum(is_tensor(value) and has_axes(value) for value in weights.values())


def _key_text(key: str) -> str:
    return repr(key) if key else "the top level ('')"


def _where_weights_are(content: object, budget: Budget) -> str:
    """Return the end of a message, which tells the keys of weights in the file."""
    keys: list[str] = []
    waiting = [("", content, 0)]
    visited = 0
    while waiting and visited < _MOST_KEYS:
        prefix, value, depth = waiting.pop(0)
        for name, item in islice(items_in(value, budget).items(), _MOST_KEYS):
            visited += 1
            if weights_in(item, budget) is not None:
                keys.append(repr(f"{prefix}{name}"))
            elif depth < _DEEPEST:
                waiting.append((f"{prefix}{name}.", item, depth + 1))
    return f" Choose {option('weights')} from {first_few(keys, 8)}." if keys else ""
