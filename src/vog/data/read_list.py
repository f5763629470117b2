"""Examples from a list file: lines of `relative/path label`, or of paths alone."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from vog.data import images
from vog.data.examples import UNLABELLED, Examples
from vog.data.images import Transform
from vog.data.unread_formats import format_sentence
from vog.errors import DataError
from vog.files.file_names import path_below, printable

_LABEL = re.compile(r"(.+?)[ \t]+(\d{1,9})")


def from_list(listing: Path, root: Path | None, transform: Transform | None = None) -> Examples:
    """Return the images that a list file names: `relative/path label` lines, or paths alone.

    Paths are relative to `root`, by default the folder of the list. A path may have spaces. Labels
    are whole numbers, or names of classes, which are numbered in sorted order; a name with spaces
    stands behind a tab. If no line ends in a label, no image has one.

    Raises:
        DataError: only some lines have a label, the list is empty, or files are missing.
    """
    entries = _lines(listing)
    base = root or listing.parent
    paths, labels, names = _paths_and_labels(listing, base, entries)
    on_disk = [_name_on_disk(base, path) for path in paths]
    return images.examples(base, on_disk, labels, transform, names)


def _lines(listing: Path) -> dict[int, str]:
    """Return the lines of a list that are not empty, by number.

    Raises:
        DataError: it is no text file, cannot be read, or is empty.
    """
    try:
        content = listing.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing} is no list of files: {format_sentence(listing, error.object)}"
        ) from error
    except OSError as error:
        raise DataError(f"{listing} cannot be read: {error.strerror or error}.") from error
    sentence = format_sentence(listing, content) if b"\0" in content else ""
    if sentence:
        raise DataError(f"{listing} is no list of files: {sentence}")
    entries = {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    if not entries:
        raise DataError(f"{listing} is empty. Expected lines of `relative/path label`.")
    return entries


def _paths_and_labels(
    listing: Path, base: Path, entries: Mapping[int, str]
) -> tuple[Sequence[str], Int[np.ndarray, "n"], tuple[str, ...] | None]:
    """Return paths, labels, and the names of the classes where labels are names.

    Raises:
        DataError: some lines have no label.
    """
    matches = {number: _LABEL.fullmatch(line) for number, line in entries.items()}
    numbered = [match for match in matches.values() if match is not None]
    if numbered:
        _require_labels(listing, entries, [n for n, match in matches.items() if match is None])
        labels = np.array([int(match[2]) for match in numbered], np.int64)
        return [match[1] for match in numbered], labels, None
    if not any(_has_extra_word(base, line) for line in entries.values()):
        return list(entries.values()), np.full(len(entries), UNLABELLED), None
    pairs = {number: _path_and_name(line) for number, line in entries.items()}
    _require_labels(listing, entries, [number for number, pair in pairs.items() if pair is None])
    named = [pair for pair in pairs.values() if pair is not None]
    names = sorted({name for _, name in named})
    number_of = {name: number for number, name in enumerate(names)}
    labels = np.array([number_of[name] for _, name in named], np.int64)
    return [path for path, _ in named], labels, tuple(map(printable, names))


def _path_and_name(line: str) -> tuple[str, str] | None:
    """Return the path and the name of the class in a line; None if it has no such name."""
    path, tab, name = line.rpartition("\t")
    parts = [path.rstrip(), name] if tab else line.rsplit(maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 and not _is_number(parts[1]) else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _require_labels(listing: Path, entries: Mapping[int, str], unlabelled: Sequence[int]) -> None:
    """Raise DataError if a line has no label."""
    if unlabelled:
        line = entries[unlabelled[0]]
        raise DataError(
            f"{listing}, line {unlabelled[0]}: {line!r} {_label_problem(line)}. Expected "
            f"`relative/path label` with a whole number, such as `cats/1.jpg 3`, or with the name "
            f"of a class in every line, or no labels."
        )


def _label_problem(line: str) -> str:
    """Return the problem at the end of a line, where a label is expected."""
    word = line.split()[-1]
    if not _is_number(word):
        return "has no label"
    return f"ends in {word}, which is no label from 0 to 999999999"


def _name_on_disk(base: Path, name: str) -> str:
    """Return the name of a file on disk; the list may have it as an id."""
    if "\\" not in name or "\0" in name:
        return name
    path = path_below(base, name)
    return name if path == base / name else path.relative_to(base).as_posix()


def _has_extra_word(base: Path, line: str) -> bool:
    """Return whether the line is an existing file followed by a word that is not a number."""
    path = line.rpartition("\t")[0] or line.rsplit(maxsplit=1)[0]
    return not _exists(base / line) and _exists(base / path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # such as a null byte, which no file name can have
        return False
