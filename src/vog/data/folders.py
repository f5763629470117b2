"""Examples from a folder with one sub-folder a class, or from a list file."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from vog.data import images
from vog.data.examples import UNLABELLED, Examples
from vog.data.folder_walk import Walk, walk
from vog.data.images import Transform
from vog.errors import DataError, first_few
from vog.files.file_names import all_printable, path_below, printable
from vog.wording import option


def from_folder(folder: Path, transform: Transform | None = None, hidden: bool = False) -> Examples:
    """Return the images below `folder`; each sub-folder is a class, in alphabetical order.

    An empty sub-folder counts as a class: leaving it out would renumber the classes after it.
    Images of a folder without sub-folders have no labels. Links to folders whose images have rows
    already are not followed; runs and hidden folders are left out; see `vog.data.folder_walk`.

    Args:
        folder: the folder of the images.
        transform: makes an input from an image.
        hidden: include hidden folders within classes, as version 0.1 did.

    Raises:
        DataError: there are neither sub-folders nor images, or no images in the sub-folders, or a
            folder cannot be read.
    """
    contents = walk(folder, images.SUFFIXES, hidden)
    names = contents.folders
    if not names:
        loose = contents.files
        if loose:
            labels = np.full(len(loose), UNLABELLED)
            return _with_notes(images.examples(folder, loose, labels, transform), contents)
        raise DataError(
            f"the folder {folder} has neither sub-folders nor images. Expected one sub-folder a "
            f"class with its images ({folder}/cat/1.jpg), a list file with {option('root')}, an "
            f".npz, or a function."
        )
    paths = [path for path in contents.files if "/" in path]
    if not paths:
        raise DataError(
            f"the folder {folder} has the sub-folders {first_few(names)} but no image in them. "
            f"Known endings: {first_few(['.jpg', '.png', '.webp', '.bmp'])} and all of Pillow's."
        )
    label_of_class = {name: label for label, name in enumerate(names)}
    labels = np.array([label_of_class[path.partition("/")[0]] for path in paths], np.int64)
    label_names = tuple(all_printable(names))
    return _with_notes(
        images.examples(folder, paths, labels, transform, label_names, classes=len(names)), contents
    )


def _with_notes(examples: Examples, contents: Walk) -> Examples:
    """Return the examples with notes about the folders that were not walked."""
    notes = [
        f"{reason} {first_few([printable(name) for name in names])}"
        for reason, names in (
            ("not followed, as their images have rows already: links", contents.links),
            ("left out, as they hold runs of vog: folders", contents.runs),
        )
        if names
    ]
    return replace(examples, notes=(*examples.notes, *notes))


def from_list(listing: Path, root: Path | None, transform: Transform | None = None) -> Examples:
    """Return the images that a list file names: `relative/path label` lines, or paths alone.

    Paths are relative to `root`, by default the folder of the list. A path may have spaces. If no
    line ends in a whole number, no image has a label.

    Raises:
        DataError: only some lines have a label, the list is empty, or files are missing.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing} is no text file in UTF-8 (byte {error.start} is "
            f"{error.object[error.start]:#x}). Expected lines of `relative/path label`; write a "
            f"name that is not UTF-8 as its id, with \\xe9 for such a byte."
        ) from error
    except OSError as error:
        raise DataError(f"{listing} cannot be read: {error.strerror or error}.") from error
    entries = {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    if not entries:
        raise DataError(f"{listing} is empty. Expected lines of `relative/path label`.")
    labelled = {
        number: match
        for number, line in entries.items()
        if (match := re.fullmatch(r"(.+?)[ \t]+(\d{1,9})", line))
    }
    base = root or listing.parent
    unlabelled = [
        n for n in entries if n not in labelled and (labelled or _has_extra_word(base, entries[n]))
    ]
    if unlabelled:
        line = entries[unlabelled[0]]
        raise DataError(
            f"{listing}, line {unlabelled[0]}: {line!r} {_label_problem(line)}. Expected "
            f"`relative/path label` with a whole number, such as `cats/1.jpg 3`, or no labels."
        )
    if not labelled:
        labels, names = np.full(len(entries), UNLABELLED), list(entries.values())
    else:
        labels = np.array([int(match[2]) for match in labelled.values()], np.int64)
        names = [match[1] for match in labelled.values()]
    return images.examples(base, [_name_on_disk(base, name) for name in names], labels, transform)


def _label_problem(line: str) -> str:
    """Return the problem at the end of a line, where a label is expected."""
    word = line.split()[-1]
    try:
        float(word)
    except ValueError:
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
    return not _exists(base / line) and _exists(base / line.rsplit(maxsplit=1)[0])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # such as a null byte, which no file name can have
        return False
