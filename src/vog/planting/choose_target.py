"""Choose how to plant into data: image files, arrays, or a dataset of the user."""

from pathlib import Path
from typing import Any, TypeVar

from vog.data.arrays import ArrayReader
from vog.data.examples import Examples
from vog.data.images import ImageReader
from vog.data.stored_inputs import open_as_stored
from vog.errors import DataError
from vog.files.file_names import expanded
from vog.planting.array_target import ArrayPlanter
from vog.planting.dataset_target import DatasetPlanter
from vog.planting.image_file_target import FilePlanter
from vog.wording import option

Planter = FilePlanter | ArrayPlanter | DatasetPlanter
_Reader = TypeVar("_Reader")


def choose_planter(
    data: Any, root: str | Path | None, outside_from: str | Path | None, quiet: bool
) -> Planter:
    """Open the data and return what plants into them.

    Raises:
        DataError: the data are missing, unlabelled, not reopenable or of different kinds.
    """
    in_memory = isinstance(data, tuple) and len(data) == 2
    if not in_memory and not isinstance(data, str | Path):
        raise DataError(
            f"the data are of type {type(data).__name__}, which cannot be opened again later. "
            f"Give file.py:function that returns it, or (inputs, labels) arrays."
        )
    examples = open_as_stored(data, None if root is None else Path(root))
    if examples.unlabelled:
        raise DataError(
            "the data have no labels, and planting needs them. Give a folder with one sub-folder "
            "per class, lines of `path label`, an .npz with `labels`, or (input, label) items."
        )
    outside = None if outside_from is None else open_as_stored(outside_from, None)
    reader = examples.read
    if isinstance(reader, ImageReader):
        return FilePlanter(examples, reader, outside, _require(outside, ImageReader, "image files"))
    if isinstance(reader, ArrayReader):
        path = expanded(data) if isinstance(data, str | Path) else None
        return ArrayPlanter(
            examples, reader, path, outside, _require(outside, ArrayReader, "an .npz")
        )
    return DatasetPlanter(examples, outside, quiet)


def _require(outside: Examples | None, kind: type[_Reader], name: str) -> _Reader | None:
    if outside is None:
        return None
    reader: Any = outside.read
    if not isinstance(reader, kind):
        raise DataError(f"{option('outside_from')} has to be {name}, as {option('data')} is.")
    return reader
