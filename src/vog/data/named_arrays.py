"""Arrays that a file holds under names: which are the inputs, and which the labels."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vog.errors import DataError, first_few
from vog.item_keys import ItemKeys
from vog.wording import option

INPUTS = ("images", "inputs", "image", "pixel_values", "data", "x", "X")
LABELS = ("labels", "label", "targets", "target", "y", "Y")


@dataclass(frozen=True)
class ArrayNames:
    """The names of the inputs, and of the labels if the file has them."""

    inputs: str
    labels: str | None


def find_array_names(path: Path, names: Collection[str], keys: ItemKeys) -> ArrayNames:
    """Return which arrays of a file are inputs and labels, as the user names them or by their name.

    Raises:
        DataError: a named array is not there, several are named, or no name is known.
    """
    if keys.inputs is not None and len(keys.inputs) != 1:
        raise DataError(
            f"{option('input', ','.join(keys.inputs))}: the inputs of {path} are one array; "
            f"expected one name. It has {first_few(sorted(names), 12)}."
        )
    named = {"input": None if keys.inputs is None else keys.inputs[0], "label": keys.label}
    for setting, name in named.items():
        if name is not None and name not in names:
            raise DataError(
                f"{option(setting, name)}: {path} has no such array. It has "
                f"{first_few(sorted(names), 12) or 'none'}; name one of these."
            )
    inputs = named["input"] or next((name for name in INPUTS if name in names), None)
    if inputs is None:
        raise DataError(
            f"{path} has the arrays {first_few(sorted(names), 12) or '(none)'}; expected one named "
            f"{first_few(INPUTS)}. Name the array of the inputs as {option('input')}, and that of "
            f"the labels as {option('label')}."
        )
    return ArrayNames(inputs, named["label"] or next((n for n in LABELS if n in names), None))


def file_stamp(*paths: Path) -> tuple[int, ...]:
    """Return sizes and times of files.

    Raises:
        DataError: a file is not there, or may not be looked at.
    """
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return tuple(number for stat in stats for number in (stat.st_size, stat.st_mtime_ns))
