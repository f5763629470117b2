"""From what a user calls data to what can be planted into, by its kind."""

from pathlib import Path
from typing import Any, TypeVar

from vog.data.arrays import ArrayReader
from vog.data.examples import Examples
from vog.data.images import ImageReader
from vog.data.stored_inputs import open_stored
from vog.errors import DataError
from vog.files.file_names import expanded
from vog.planting.array_target import Arrays
from vog.planting.dataset_target import OwnDataset
from vog.planting.image_file_target import Files

Origin = Files | Arrays | OwnDataset
_Kind = TypeVar("_Kind")


def origin_of(
    data: Any, root: str | Path | None, outside_from: str | Path | None, quiet: bool
) -> Origin:
    """The data, opened.

    Raises:
        DataError: there are none, they have no labels, or planting cannot be told where to find
            them again; those of `outside_from` are of another kind.
    """
    in_memory = isinstance(data, tuple) and len(data) == 2
    if not in_memory and not isinstance(data, str | Path):
        raise DataError(
            f"the data are of type {type(data).__name__}, which the planted data could not be made "
            f"of again. Give file.py:function that returns it, or (inputs, labels) arrays."
        )
    examples = open_stored(data, None if root is None else Path(root))
    if examples.unlabelled:
        raise DataError(
            "the data have no labels, and what is planted is trained on with a label. Give a "
            "folder with one sub-folder a class, lines of `path label`, an .npz with `labels`, or "
            "a dataset of (input, label)."
        )
    others = None if outside_from is None else open_stored(outside_from, None)
    reader = examples.read
    if isinstance(reader, ImageReader):
        return Files(examples, reader, others, _same_kind(others, ImageReader, "image files"))
    if isinstance(reader, ArrayReader):
        path = expanded(data) if isinstance(data, str | Path) else None
        return Arrays(examples, reader, path, others, _same_kind(others, ArrayReader, "an .npz"))
    return OwnDataset(examples, others, quiet)


def _same_kind(others: Examples | None, kind: type[_Kind], called: str) -> _Kind | None:
    if others is None:
        return None
    reader: Any = others.read
    if not isinstance(reader, kind):
        raise DataError(f"--outside-from has to be {called}, as --data is.")
    return reader
