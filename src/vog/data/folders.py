"""A folder with one sub-folder a class, or a list file of `relative/path label` lines."""

import os
import re
from pathlib import Path

import numpy as np

from vog.data import images
from vog.data.examples import UNLABELLED, Examples
from vog.data.images import Transform
from vog.errors import DataError, first_few


def from_folder(folder: Path, transform: Transform | None = None) -> Examples:
    """The images below `folder`; the class is the sub-folder, numbered in alphabetical order.

    An empty sub-folder counts as a class: leaving it out would renumber those after it. Images
    of a folder without sub-folders have no labels.

    Raises:
        DataError: neither sub-folders nor images, or no image in the sub-folders.
    """
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "."))
    if not names:
        loose = sorted(path.name for path in _images_below(folder))
        if loose:
            return images.examples(folder, loose, np.full(len(loose), UNLABELLED), transform)
        raise DataError(
            f"the folder {folder} has neither sub-folders nor images. Expected one sub-folder a "
            f"class with its images ({folder}/cat/1.jpg), a list file with --root, an .npz, or a "
            f"function."
        )
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        found = sorted(_images_below(folder / name))
        paths += [path.relative_to(folder).as_posix() for path in found]
        labels += [label] * len(found)
    if not paths:
        raise DataError(
            f"the folder {folder} has the sub-folders {first_few(names)} but no image in them. "
            f"Known endings: {first_few(['.jpg', '.png', '.webp', '.bmp'])} and others of Pillow's."
        )
    return images.examples(
        folder, paths, np.array(labels, np.int64), transform, names, classes=len(names)
    )


def from_list(listing: Path, root: Path | None, transform: Transform | None = None) -> Examples:
    """The images that a list file names, a `relative/path label` a line, or a path alone.

    Paths are relative to `root`, by default the folder of the list. A path may have spaces. Where
    no line ends in a whole number, no image has a label.

    Raises:
        DataError: some lines have a label and others none, no line at all, missing files.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing} is no text file. Expected lines of `relative/path label`."
        ) from error
    told = {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    if not told:
        raise DataError(f"{listing} is empty. Expected lines of `relative/path label`.")
    labelled = {
        number: match
        for number, line in told.items()
        if (match := re.fullmatch(r"(.+?)[ \t]+(\d{1,9})", line))
    }
    base = root or listing.parent
    without = [
        n for n in told if n not in labelled and (labelled or _ends_in_a_word(base, told[n]))
    ]
    if without:
        raise DataError(
            f"{listing}, line {without[0]}: {told[without[0]]!r} has no label. Expected "
            f"`relative/path label` with a whole number, as `cats/1.jpg 3`, or in no line a label."
        )
    if not labelled:
        return images.examples(base, list(told.values()), np.full(len(told), UNLABELLED), transform)
    labels = np.array([int(match[2]) for match in labelled.values()], np.int64)
    return images.examples(base, [match[1] for match in labelled.values()], labels, transform)


def _ends_in_a_word(base: Path, line: str) -> bool:
    """Whether the line is no file, but one with a word after it that is no number."""
    return not (base / line).exists() and (base / line.rsplit(maxsplit=1)[0]).exists()


def _images_below(folder: Path) -> list[Path]:
    return [
        Path(where) / name
        for where, _, names in os.walk(folder, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in images.SUFFIXES and name[0] != "."
    ]
