"""Which variables of a TensorFlow checkpoint are weights: not those of the optimizer."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vog.errors import CheckpointError, first_few
from vog.wording import option

_OBJECT_ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"
_OBJECT_SLOT = "/.OPTIMIZER_SLOT/"
_AVERAGE = "ExponentialMovingAverage"
# What optimizers of TensorFlow 1 keep for each variable, under the name of the variable.
_SLOT = re.compile(
    r"(Momentum|Adam|AdaMax|Adagrad|AdagradDA|Adadelta|RMSProp|Ftrl|Nadam|AdamW|LARSOptimizer|LARS"
    r"|LAMB|adam_m|adam_v|Adafactor|AMSGrad|biased|local_step|gradient_accumulator)(_\d+)?$"
)
_COUNTER = re.compile(
    r"(global_step|save_counter|beta[12]_power(_\d+)?|optimizer/.+|_CHECKPOINTABLE_OBJECT_GRAPH)$"
)


@dataclass(frozen=True)
class ChosenVariables:
    """The variables that are weights.

    Attributes:
        key: the suffix of those that stand for others, or empty.
        names: their names in the file, by the names that they have as weights.
        notes: sentences on what was left aside.
    """

    key: str
    names: Mapping[str, str]
    notes: tuple[str, ...]


def choose_variables(
    names: Collection[str], others: Iterable[str], key: str | None, path: Path
) -> ChosenVariables:
    """Return which variables are weights.

    Args:
        names: of all variables with numbers, as the file has them.
        others: names of other entries, which are left aside.
        key: a suffix, as the option `weights` names it: a variable that has it takes the place of
            the variable that its name begins with. Empty for all variables, as they are.
        path: the path of the file, for messages.

    Raises:
        CheckpointError: no variable has that suffix, or two have one name.
    """
    by_name = _without_ending(names, path)
    if key == "":
        return ChosenVariables("", by_name, ())
    averages = _averages(by_name, key, path) if key is not None else {}
    suffixes = {name: suffix for name in by_name if (suffix := _slot_suffix(name, by_name))}
    of_optimizer = [name for name in suffixes if name not in averages.values()]
    counters = [name for name in by_name if _COUNTER.match(name)]
    aside = {*of_optimizer, *counters, *averages.values()}
    weights = {name: by_name[averages.get(name, name)] for name in by_name if name not in aside}
    if not weights:
        raise CheckpointError(
            f"checkpoint {path} holds no weights: {first_few(list(by_name) or ['nothing'])}. "
            f"Expected variables with numbers. For all of them, give {option('weights', '')}."
        )
    notes = _notes(suffixes, of_optimizer, [*counters, *others], key)
    return ChosenVariables(key or "", weights, notes)


def _without_ending(names: Iterable[str], path: Path) -> dict[str, str]:
    """Return the names in the file by the names of variables: `a/b` for an attribute of objects."""
    by_name: dict[str, str] = {}
    for in_file in names:
        name = in_file.removesuffix(_OBJECT_ENDING)
        if name in by_name:
            raise CheckpointError(
                f"checkpoint {path} has two variables named {name}: {by_name[name]} and {in_file}. "
                f"Give {option('read', 'file.py:function')}, which returns the weights by name."
            )
        by_name[name] = in_file
    return by_name


def _averages(names: Collection[str], suffix: str, path: Path) -> dict[str, str]:
    """Return the variables with a suffix by the names of the variables that they replace."""
    averages = {
        name: f"{name}/{suffix}"
        for name in names
        if f"{name}/{suffix}" in names and not name.endswith(f"/{suffix}")
    }
    if not averages:
        suffixes = sorted({text for name in names if (text := _any_suffix(name, names))})
        known = f"There are: {first_few(suffixes, 8)}." if suffixes else "No variable has a suffix."
        raise CheckpointError(
            f"checkpoint {path}: {option('weights', suffix)}: no variable is named VARIABLE/"
            f"{suffix} after another. {known} Give one of these, or leave {option('weights')} out."
        )
    return averages


def _slot_suffix(name: str, names: Collection[str]) -> str | None:
    """Return what a name has after that of its variable, if it is an average or of an optimizer."""
    variable, marker, slot = name.partition(_OBJECT_SLOT)
    if marker:
        return f"{marker[1:]}{slot}"
    variable, _, slot = name.rpartition("/")
    is_slot = variable in names and (_SLOT.match(slot) or slot == _AVERAGE)
    return slot if is_slot else None


def _any_suffix(name: str, names: Collection[str]) -> str | None:
    variable, _, suffix = name.rpartition("/")
    return suffix if variable in names else _slot_suffix(name, names)


def _notes(
    suffixes: Mapping[str, str], of_optimizer: list[str], counters: list[str], key: str | None
) -> tuple[str, ...]:
    averages = [name for name in of_optimizer if suffixes[name] == _AVERAGE]
    states = [name for name in of_optimizer if name not in averages]
    notes = []
    if states or counters:
        notes.append(f"left aside {first_few([*states, *counters])}: not weights of the model")
    if averages:
        advice = "" if key is not None else f"; take them by {option('weights', _AVERAGE)}"
        notes.append(f"left aside {first_few(averages)}: averages{advice}")
    return tuple(notes)
