"""Files that a pattern names: a glob (`part-*.tar`), or a range (`part-{00..09}.tar`)."""

import re
from glob import has_magic
from pathlib import Path

from vog.errors import DataError
from vog.files.file_names import expanded
from vog.wording import option

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_FILES = 100_000


def is_pattern(data: str | Path) -> bool:
    """Return whether a name is a pattern, and not that of a file."""
    path = str(expanded(data))
    is_there = bool(path) and "\0" not in path and Path(path).exists()
    return not is_there and (has_magic(path) or _RANGE.search(path) is not None)


def files_of_pattern(data: str | Path) -> tuple[Path, ...]:
    """Return the files that a pattern names, in order.

    Raises:
        DataError: it names none, or a file of a range is not there.
    """
    files: list[Path] = []
    for name in _without_ranges(str(expanded(data))):
        matches = _matches(name) if has_magic(name) else [Path(name)]
        files += matches
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(
            f"{option('data', str(data))}: {missing[0]} is not there, or no file. Expected all "
            f"files of the range."
        )
    if not files:
        raise DataError(
            f"{option('data', str(data))}: the pattern matches no file. Correct it, in quotes."
        )
    return tuple(files)


def _matches(pattern: str) -> list[Path]:
    anchor = Path(Path(pattern).anchor)
    return sorted(anchor.glob(str(Path(pattern).relative_to(anchor))))


def _without_ranges(name: str) -> list[str]:
    """Return a name for each number of the ranges in it."""
    match = _RANGE.search(name)
    if match is None:
        return [name]
    first, last, digits = int(match[1]), int(match[2]), len(match[1])
    if not first <= last < first + _MOST_FILES:
        raise DataError(
            f"{option('data', name)}: the range {match[0]} has no number, or too many; expected "
            f"up to {_MOST_FILES:,} in ascending order."
        )
    starts = [f"{name[: match.start()]}{number:0{digits}}" for number in range(first, last + 1)]
    ends = _without_ranges(name[match.end() :])
    return [start + end for start in starts for end in ends]
