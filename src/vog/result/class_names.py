"""The names of classes, from a file that came with the data."""

import re
from pathlib import Path

from vog.errors import ResultError
from vog.files.small_files import read_text

_LARGEST_LABEL = 10**6  # every number up to the largest gets a name


def read_class_names(path: Path) -> list[str]:
    """The names by number, from lines as `18: "magpie"`; a number that is left out is its name.

    Raises:
        ResultError: no such file, a line of another form, a number twice, or nothing in it.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise ResultError(f"--classes {path} cannot be read: {error}") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().strip("{},").strip()
        if not text:
            continue
        match = re.fullmatch(r"(\d{1,9})\s*:\s*(['\"]?)(.+)\2", text)
        if match is None or int(match[1]) in names:
            fault = "names a class again" if match else "is of another form"
            raise ResultError(
                f'{path}, line {number}: {line.strip()!r} {fault}. Expected lines as 18: "magpie".'
            )
        if int(match[1]) > _LARGEST_LABEL:
            raise ResultError(
                f"{path}, line {number}: {match[1]} is too large for the number of a class; they "
                f"are counted from 0, and {_LARGEST_LABEL:,} is the largest that is taken."
            )
        names[int(match[1])] = match[3]
    if not names:
        raise ResultError(f'{path} is empty. Expected lines as 18: "magpie".')
    return [names.get(label, str(label)) for label in range(max(names) + 1)]


def main_name(name: str) -> str:
    """`tench` of `tench, Tinca tinca`."""
    return name.partition(",")[0].strip() or name


def find_labels(name: str, names: list[str]) -> list[int]:
    """The classes of that name; where none is, those that have it among their synonyms."""
    exact = [label for label, entry in enumerate(names) if entry == name]
    return exact or [
        label for label, entry in enumerate(names) if name in map(str.strip, entry.split(","))
    ]
