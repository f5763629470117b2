"""Which of the things in a checkpoint are the weights."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vog.checkpoints.contents import has_axes, is_tensor, items_in, kind_of, weights_in, within
from vog.checkpoints.safe_pickle import Budget, state_dict_of
from vog.errors import CheckpointError, first_few

# Where training loops put the weights beside the optimizer, the most telling names first.
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
_DEEPEST = 3  # of keys that are looked through for a message
_MOST_KEYS = 2000
_EXTRA = "_extra_state"
_TOP = ""  # the key of the file as a whole


@dataclass(frozen=True)
class Chosen:
    """The weights in a file.

    Attributes:
        key: where they are in the file; empty where the file is nothing else.
        weights: tensors, arrays and extra states by name, as the file describes them.
        others: keys of other weights beside these.
        aside: names beside these whose values are no tensors.
    """

    key: str
    weights: Mapping[str, Any]
    others: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """Return in words what was taken of several, and what was not."""
        said = []
        if self.others:
            others = first_few([_in_words(key) for key in self.others])
            taken = _in_words(self.key)
            said.append(f"took {taken} (also there: {others}; --weights takes another)")
        aside = [name for name in self.aside if name not in self.others]
        if aside:
            said.append(f"left aside {first_few(aside)}: no tensors")
        return "; ".join(said) or None


def choose_weights(content: Any, key: str | None, path: Path) -> Chosen:
    """Return the weights in what a file holds.

    Args:
        content: what it holds.
        key: where the weights are, as `--weights` names it, empty for the top level of the file;
            None for the usual places.
        path: of the file, for messages.

    Raises:
        CheckpointError: no weights there, or several and nothing says which.
        Unreadable: there is no end of it.
    """
    budget = Budget(0)
    if key is not None:
        return _chosen(key, _named(content, key, path, budget), ())
    found = {} if state_dict_of(content, budget) is not None else _candidates(content, budget)
    taken = next((name for name in (*WRAPPERS, _TOP) if name in found), None)
    if taken is None and len(found) == 1:
        (taken,) = found
    if taken is not None:
        return _chosen(taken, found[taken], tuple(name for name in found if name != taken))
    whole = None if found else weights_in(content, budget)
    if whole is not None:
        return _chosen(_TOP, whole, ())
    raise CheckpointError(
        f"checkpoint {path} holds {kind_of(content)}; expected a state_dict, or a dict with one "
        f"under {', '.join(WRAPPERS)}.{_where(content, budget)}"
    )


def _named(content: object, key: str, path: Path, budget: Budget) -> Mapping[str, Any]:
    """Return the weights that `--weights` names."""
    value = content if key == _TOP else within(content, key, budget)
    if value is None:
        raise CheckpointError(
            f"checkpoint {path}: --weights {key!r} is not there. The file holds "
            f"{kind_of(content)}.{_where(content, budget)}"
        )
    weights = weights_in(value, budget)
    if weights is None:
        raise CheckpointError(
            f"checkpoint {path}: --weights {key!r} names {kind_of(value)}, which is no weights."
            f"{_where(content, budget)}"
        )
    return weights


def _chosen(key: str, weights: Mapping[str, Any], others: tuple[str, ...]) -> Chosen:
    kept: OrderedDict[str, Any] = OrderedDict(
        (name, value)
        for name, value in weights.items()
        if is_tensor(value) or name.endswith(_EXTRA)
    )
    if hasattr(weights, "_metadata"):
        kept._metadata = weights._metadata  # type: ignore[attr-defined]
    return Chosen(key, kept, others, tuple(name for name in weights if name not in kept))


def _candidates(content: object, budget: Budget) -> dict[str, Mapping[str, Any]]:
    """Return what may be weights, by key; numbers of a log are taken for these only if alone.

    The file's own tensors are among them where they are no fewer than those of any dict within, as
    of a state dict that was saved with an average of itself.
    """
    inner = (
        (name, value)
        for name, value in items_in(content, budget).items()
        if not name.endswith(_EXTRA) and not is_tensor(value)
    )
    found = {
        name: weights
        for name, value in islice(inner, _MOST_KEYS)
        if (weights := weights_in(value, budget)) is not None
    }
    sizes = {name: _with_axes(weights) for name, weights in found.items()}
    top = weights_in(content, budget) or {}
    if found and _with_axes(top) >= max(1, *sizes.values()):
        found[_TOP], sizes[_TOP] = top, _with_axes(top)
    return {name: weights for name, weights in found.items() if sizes[name]} or found


def _with_axes(weights: Mapping[str, Any]) -> int:
    return sum(is_tensor(value) and has_axes(value) for value in weights.values())


def _in_words(key: str) -> str:
    return repr(key) if key else "the top level ('')"


def _where(content: object, budget: Budget) -> str:
    """Return where weights are in the file, as the end of a message."""
    found: list[str] = []
    waiting = [("", content, 0)]
    visited = 0
    while waiting and visited < _MOST_KEYS:
        prefix, value, depth = waiting.pop(0)
        for name, item in islice(items_in(value, budget).items(), _MOST_KEYS):
            visited += 1
            if weights_in(item, budget) is not None:
                found.append(repr(f"{prefix}{name}"))
            elif depth < _DEEPEST:
                waiting.append((f"{prefix}{name}.", item, depth + 1))
    return f" Weights are under {first_few(found, 8)}: name them by --weights." if found else ""
