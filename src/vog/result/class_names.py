"""Class names, read from a file that came with the data."""

import re
from pathlib import Path

from vog.errors import ResultError
from vog.files.small_files import read_text
from vog.wording import option

_LARGEST_LABEL = 10**6  # the list has an entry for every number up to the largest in the file
_EXPECTED = 'Expected lines such as 18: "magpie".'


def read_class_names(path: Path) -> list[str]:
    """Return the class names by number, from lines such as `18: "magpie"`.

    A class without a line gets its number as its name.

    Raises:
        ResultError: the file is missing, empty, names a class twice, or has a line of another form.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise ResultError(f"{option('classes')} {path} cannot be read: {error}") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().strip("{},").strip()
        if not text:
            continue
        match = re.fullmatch(r"(\d{1,9})\s*:\s*(['\"]?)(.+)\2", text)
        if match is None or int(match[1]) in names:
            fault = "names a class again" if match else "is of another form"
            raise ResultError(f"{path}, line {number}: {line.strip()!r} {fault}. {_EXPECTED}")
        if int(match[1]) > _LARGEST_LABEL:
            raise ResultError(
                f"{path}, line {number}: {match[1]} is too large for the number of a class. "
                f"Classes are numbered from 0 to at most {_LARGEST_LABEL:,}."
            )
        names[int(match[1])] = match[3]
    if not names:
        raise ResultError(f"{path} is empty. {_EXPECTED}")
    return [names.get(label, str(label)) for label in range(max(names) + 1)]


def main_name(name: str) -> str:
    """Return the first of a class's synonyms, such as `tench` of `tench, Tinca tinca`."""
    return name.partition(",")[0].strip() or name


def find_labels(name: str, names: list[str]) -> list[int]:
    """Return the classes with exactly this name, or else those with it among their synonyms."""
    exact = [label for label, entry in enumerate(names) if entry == name]
    return exact or [
        label for label, entry in enumerate(names) if name in map(str.strip, entry.split(","))
    ]
