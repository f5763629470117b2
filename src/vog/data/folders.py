"""A folder with one sub-folder a class, or a list file of `relative/path label` lines."""

import os
import re
from pathlib import Path

import numpy as np

from vog.data import images
from vog.data.examples import Examples
from vog.data.images import Transform
from vog.errors import DataError, first_few


def from_folder(folder: Path, transform: Transform | None = None) -> Examples:
    """The images below `folder`; the class is the sub-folder, numbered in alphabetical order.

    An empty sub-folder counts as a class: leaving it out would renumber those after it.

    Raises:
        DataError: no sub-folders, or no image in them.
    """
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "."))
    if not names:
        raise DataError(
            f"the folder {folder} has no sub-folders. Expected one a class with its images "
            f"({folder}/cat/1.jpg), a list file with --root, an .npz, or a function."
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
    """The images that a list file names, a `relative/path label` a line.

    Paths are relative to `root`, by default the folder of the list. A path may have spaces.

    Raises:
        DataError: a line without a whole number at its end, no line at all, missing files.
    """
    paths: list[str] = []
    labels: list[int] = []
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing} is no text file. Expected lines of `relative/path label`."
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"(.+?)[ \t]+(\d{1,9})", line.strip())
        if match is None:
            raise DataError(
                f"{listing}, line {number}: {line.strip()!r} has no label. "
                f"Expected `relative/path label` with a whole number, as `cats/1.jpg 3`."
            )
        paths.append(match[1])
        labels.append(int(match[2]))
    if not paths:
        raise DataError(f"{listing} is empty. Expected lines of `relative/path label`.")
    return images.examples(root or listing.parent, paths, np.array(labels, np.int64), transform)


def _images_below(folder: Path) -> list[Path]:
    return [
        Path(where) / name
        for where, _, names in os.walk(folder, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in images.SUFFIXES and name[0] != "."
    ]
