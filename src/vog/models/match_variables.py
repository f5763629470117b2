"""The arrays of a checkpoint, matched by name to the variables of a network that knows its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vog.errors import CheckpointError, first_few
from vog.wording import option

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Matched:
    """The arrays of a checkpoint by the names of variables.

    Attributes:
        arrays: in the order of the variables.
        notes: sentences for the plan, by the word that introduces them.
    """

    arrays: dict[str, np.ndarray]
    notes: Mapping[str, str] = field(default_factory=dict)


def match(arrays: Arrays, shapes: Shapes, path: Path) -> Matched:
    """Return the array of each variable; what the network does not have is left aside.

    All variables may stand below one scope that only the checkpoint has, or only the network.

    Args:
        arrays: of a checkpoint, by name.
        shapes: of the variables of the network, by name.
        path: of the checkpoint, for messages.

    Raises:
        CheckpointError: a variable is not in the checkpoint, or has another shape there.
    """
    names = _names_in_file(arrays, list(shapes))
    missing = [name for name in shapes if names[name] not in arrays]
    taken = set(names.values())
    aside = [name for name in arrays if name not in taken]
    differing = [
        f"  {name}: {arrays[names[name]].shape} in the file, {shape} in the model"
        for name, shape in shapes.items()
        if name not in missing and arrays[names[name]].shape != shape
    ]
    if missing or differing:
        lines = [f"checkpoint {path} does not fit the model"]
        lines += [f"  only in the file:  {first_few(aside, 6)}"] if aside and missing else []
        lines += [f"  only in the model: {first_few(missing, 6)}"] if missing else []
        lines += differing[:10]
        raise CheckpointError(
            "\n".join(lines) + f"\nThe model has to be the network that was trained. Correct "
            f"{option('model')}, or give {option('names', 'FILE.json')}, which maps the names."
        )
    notes = {"left aside": f"{first_few(aside)}: not in the model"} if aside else {}
    return Matched({name: arrays[names[name]] for name in shapes}, notes)


def _names_in_file(arrays: Arrays, variables: list[str]) -> dict[str, str]:
    """Return the name in the file for each variable: equal, unless one scope makes all fit."""
    equal = {name: name for name in variables}
    if not variables or variables[0] in arrays:
        return equal
    first = variables[0]
    added = [name.removesuffix(first) for name in arrays if name.endswith(f"/{first}")]
    removed = [first.removesuffix(name) for name in arrays if first.endswith(f"/{name}")]
    candidates = [{name: f"{scope}{name}" for name in variables} for scope in added]
    candidates += [{name: name.removeprefix(scope) for name in variables} for scope in removed]
    fitting = [names for names in candidates if all(name in arrays for name in names.values())]
    return fitting[0] if len(fitting) == 1 else equal
