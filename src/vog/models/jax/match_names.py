"""Match the arrays of a checkpoint to the tree of a network: by name, whatever precedes the names.

A training loop saves more than weights: the state of the optimizer, the step, averages. The arrays
of a network are looked for below every prefix, and what stands elsewhere is left aside. Flax keeps
variables in collections such as `params` and `batch_stats`, each of which is looked for alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vog.errors import CheckpointError, first_few
from vog.models.jax.named_arrays import Tree
from vog.wording import option

FileArrays = Mapping[str, np.ndarray]
_PARAMS = "params"
_OPTIMIZER = ("opt_state", "optimizer", "opt")
# What training loops save beside weights, at the top of a file.
_OF_TRAINING = (
    *_OPTIMIZER,
    *("step", "epoch", "iteration", "rng", "rngs", "key", "seed", "metrics", "loss_scale"),
    *("ema", "ema_params", "averages", "scheduler", "config", "hparams"),
)


@dataclass(frozen=True)
class Matched:
    """The arrays of a checkpoint under the names of a network.

    Attributes:
        arrays: by name, in the order of the tree.
        notes: sentences for the plan, by the word that introduces them.
    """

    arrays: dict[str, np.ndarray]
    notes: Mapping[str, str] = field(default_factory=dict)


def match(
    arrays: FileArrays, tree: Tree, groups: tuple[str, ...], key: str | None, path: Path
) -> Matched:
    """Return the arrays of a file under the names of a tree.

    Args:
        arrays: all arrays of the file.
        tree: the names and shapes that are needed.
        groups: the collections among the first parts of names.
        key: the place of the weights in the file, as the option `weights` names it.
        path: of the file, for messages.

    Raises:
        CheckpointError: names or shapes differ, and the message lists each; or the file holds the
            arrays several times.
    """
    key = key or None  # an empty key is the file as a whole
    chosen = arrays if key is None else _below(arrays, key, path)
    start = "" if key is None else f"{key}."
    renamed: dict[str, str] = {}
    surplus: list[str] = []
    for group in groups or ("",):
        head = f"{group}." if group else ""
        names = [name.removeprefix(head) for name in tree.names if name.startswith(head)]
        source, before = chosen, start
        prefix = _prefix_of(names, source, group, path)
        if prefix is None and key is not None and group not in ("", _PARAMS):
            source, before = arrays, ""
            prefix = _prefix_of(names, source, group, path)
        if prefix is None:
            prefix = _nearest_prefix(names, source, group)
        if prefix is None:
            continue
        renamed |= {head + n: before + prefix + n for n in names if prefix + n in source}
        surplus += [before + name for name in _surplus(names, prefix, source, groups)]
    return _checked(arrays, tree, renamed, surplus, path)


def _surplus(
    names: list[str], prefix: str, arrays: FileArrays, groups: tuple[str, ...]
) -> list[str]:
    """Return the arrays beside those of a network that a network of more layers would have.

    Without a prefix these are all arrays of the file but what training is known to save.
    """
    expected = {prefix + name for name in names}
    beside = [name for name in arrays if name.startswith(prefix) and name not in expected]
    if prefix:
        return beside
    others = {*groups, *_OF_TRAINING}
    return [name for name in beside if name.partition(".")[0] not in others]


def names_without_tree(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the variables in a file of Flax, by the names that they have in the module.

    They are the `params` that are least deep in the file, with the `batch_stats` beside them; or
    all arrays, as `params`, if the file has no such key.

    Args:
        shapes: of all arrays in the file, by name.
    """
    places = {_place_of(name, _PARAMS) for name in shapes} - {None}
    if not places:
        return {f"{_PARAMS}.{name}": shape for name, shape in shapes.items()}
    place = min((place for place in places if place is not None), key=lambda p: (p.count("."), p))
    starts = [f"{place}{group}." for group in (_PARAMS, "batch_stats")]
    return {
        name.removeprefix(place): shape
        for name, shape in shapes.items()
        if any(name.startswith(start) for start in starts)
    }


def _place_of(name: str, group: str) -> str | None:
    """Return what precedes a collection in a name; None if the name is not in one."""
    parts = name.split(".")[:-1]
    if group not in parts:
        return None
    return "".join(f"{part}." for part in parts[: parts.index(group)])


def _below(arrays: FileArrays, key: str, path: Path) -> FileArrays:
    """Return the arrays whose names begin with a key, without the key."""
    below = {n.removeprefix(f"{key}."): a for n, a in arrays.items() if n.startswith(f"{key}.")}
    if not below:
        tops = list(dict.fromkeys(name.partition(".")[0] for name in arrays))
        raise CheckpointError(
            f"checkpoint {path} has nothing at {option('weights', key)}; it has {first_few(tops)}."
        )
    return below


def _prefix_of(names: list[str], arrays: FileArrays, group: str, path: Path) -> str | None:
    """Return what precedes all names in a file; None if they are not all there.

    Raises:
        CheckpointError: the file holds them below several prefixes that are equally deep.
    """
    if not names:
        return ""
    candidates = _candidates(names[0], arrays, group)
    complete = [p for p in candidates if all(p + name in arrays for name in names)]
    if not complete:
        return None
    ordered = sorted(complete, key=lambda prefix: (prefix.count("."), prefix))
    depth = ordered[0].count(".")
    equal = [prefix for prefix in ordered if prefix.count(".") == depth]
    if len(equal) > 1:
        raise CheckpointError(
            f"checkpoint {path} holds the model several times, under {first_few(equal)}. Choose "
            f"one by {option('weights', 'KEY')}, or give {option('read', 'file.py:function')}, "
            f"which returns the weights."
        )
    return ordered[0]


def _candidates(name: str, arrays: FileArrays, group: str) -> list[str]:
    """Return what may precede names: for a collection its own name, or nothing for `params`."""
    prefixes = [n.removesuffix(name) for n in arrays if n == name or n.endswith(f".{name}")]
    # The moments of an optimizer have the same names, and so have averages of weights.
    prefixes = [prefix for prefix in prefixes if not _of_optimizer(prefix)]
    if not group:
        return prefixes
    in_group = [prefix for prefix in prefixes if f".{prefix}".endswith(f".{group}.")]
    return in_group or [p for p in prefixes if p == "" and group == _PARAMS]


def _of_optimizer(prefix: str) -> bool:
    return any(part in _OPTIMIZER for part in prefix.split("."))


def _nearest_prefix(names: list[str], arrays: FileArrays, group: str) -> str | None:
    """Return the prefix below which most of the names are, for the message that names the rest."""
    prefixes = {p for name in names for p in _candidates(name, arrays, group)}
    counts = {p: sum(p + name in arrays for name in names) for p in prefixes}
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default=None)


def _checked(
    arrays: FileArrays,
    tree: Tree,
    renamed: Mapping[str, str],
    surplus: list[str],
    path: Path,
) -> Matched:
    missing = [name for name in tree.names if name not in renamed]
    shapes = {name: (arrays[renamed[name]].shape, tree.shapes[name]) for name in renamed}
    differing = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    taken = set(renamed.values())
    aside = [name for name in arrays if name not in taken]
    if missing or differing or surplus:
        # With nothing before the names, whatever is left may be what the model lacks.
        only_in_file = surplus or (aside if missing else [])
        raise CheckpointError(_misfit(arrays, tree, missing, differing, only_in_file, path))
    notes = {"left aside": first_few(_tops(aside))} if aside else {}
    return Matched({name: arrays[renamed[name]] for name in tree.names}, notes)


def _tops(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _misfit(
    arrays: FileArrays,
    tree: Tree,
    missing: list[str],
    differing: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
    surplus: list[str],
    path: Path,
) -> str:
    """Return the names and shapes that differ."""
    lines = [f"checkpoint {path} does not fit the model"]
    if surplus:
        lines.append(f"  only in the file:  {_listed({n: arrays[n].shape for n in surplus})}")
    if missing:
        lines.append(f"  only in the model: {_listed({n: tree.shapes[n] for n in missing})}")
    for name, (actual, expected) in list(differing.items())[:10]:
        lines.append(f"  {name}: {actual} in the file, {expected} in the model")
    if len(differing) > 10:
        lines.append(f"  ... and {len(differing) - 10} more with different shapes")
    lines.append(
        f"The model has to be the network that was trained: pass its settings as "
        f"{option('model_args')}, or correct {option('model')}."
    )
    return "\n".join(lines)


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    texts = [f"{name} {shape}" for name, shape in list(shapes.items())[:6]]
    rest = len(shapes) - len(texts)
    return ", ".join(texts) + (f" and {rest} more" if rest > 0 else "")
