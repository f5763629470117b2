"""Examples from a folder with one sub-folder a class."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vog.data import images
from vog.data.examples import UNLABELLED, Examples
from vog.data.folder_walk import Walk, walk
from vog.data.images import Transform
from vog.errors import DataError, first_few
from vog.files.file_names import all_printable, printable
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
