"""Choose how to plant into data: image files, arrays, or a dataset of the user."""

from pathlib import Path
from typing import Any, TypeVar

from vog.data import kinds
from vog.data.paths import is_name
from vog.data.stored_inputs import open_as_stored
from vog.errors import DataError
from vog.files.file_names import expanded
from vog.planting.array_target import ArrayPlanter
from vog.planting.dataset_target import DatasetPlanter
from vog.planting.image_file_target import FilePlanter
from vog.wording import option

Planter = FilePlanter | ArrayPlanter | DatasetPlanter
_Stored = TypeVar("_Stored")


def choose_planter(
    data: Any, root: str | Path | None, outside_from: str | Path | None, quiet: bool
) -> Planter:
    """Open the data and return what plants into them.

    Raises:
        DataError: the data are missing, unlabelled, not reopenable or of different kinds.
    """
    in_memory = isinstance(data, tuple) and len(data) == 2
    if not in_memory and not is_name(data):
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
    if examples.files is not None:
        outside_files = None if outside is None else _require(outside.files, "image files")
        return FilePlanter(examples, examples.files, outside, outside_files)
    if examples.arrays is not None:
        outside_arrays = None if outside is None else _require(outside.arrays, "an .npz")
        source = kinds.source_of(data)
        place = source.place(data) if source.form == "arrays" else None
        path = None if place is None else expanded(place)
        return ArrayPlanter(examples, examples.arrays, path, outside, outside_arrays)
    return DatasetPlanter(examples, outside, quiet)


def _require(stored: _Stored | None, name: str) -> _Stored:
    """Return the files or arrays of the outside data.

    Raises:
        DataError: they have none.
    """
    if stored is None:
        raise DataError(f"{option('outside_from')} has to be {name}, as {option('data')} is.")
    return stored
