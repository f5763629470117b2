"""Opening of data that a user names or passes, as examples."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from vog.data import connections, kinds
from vog.data.batch_reading import with_workers
from vog.data.datasets import DatasetReader
from vog.data.examples import Examples
from vog.data.image_headers import with_header_facts
from vog.data.protocol import OpenOptions
from vog.data.transforms import TransformSpec
from vog.errors import DataError
from vog.files.file_names import expanded
from vog.item_keys import ANY_KEYS, ItemKeys
from vog.wording import option


def open_source(
    data: Any,
    root: Path | None = None,
    transform: TransformSpec = None,
    workers: int | None = 0,
    exif: bool = False,
    hidden: bool = False,
    keys: ItemKeys = ANY_KEYS,
    id: str | None = None,
) -> Examples:
    """Return the examples of a folder, list, `.npz`, function, pair of arrays, or `Dataset`.

    Args:
        data: a path, `file.py:function` that returns a dataset, `(inputs, labels)`, or a
            map-style dataset. Labels may be missing; see `vog.data.examples.UNLABELLED`.
        root: for a list file, the folder that its paths are relative to.
        transform: "imagenet", "tf1", "none", `file.py:function`, a function, or None for what fits
            the source: "imagenet" for image files, "none" for everything else.
        workers: the number of processes that will read; None goes by the data and processors.
        exif: rotate image files as their EXIF says.
        hidden: for a folder, include images in hidden folders, as version 0.1 did.
        keys: where items that are mappings, or tables, have their input and label.
        id: for a table, the column of ids.

    Raises:
        DataError: the data do not exist, or hold no examples.
        FunctionError: a function cannot be found or fails.
    """
    if isinstance(data, str):
        _refuse_data_name(data)
    sockets = connections.open_sockets()
    source = kinds.source_of(data)
    options = OpenOptions(root, transform, workers, sockets, hidden, keys, id)
    examples = source.examples(data, options)
    if id is not None and not source.uses_keys:
        raise DataError(
            f"{option('id', id)} names a column of a table, and the data are of the kind "
            f"{source.kind!r}, which has none. Leave {option('id')} out."
        )
    if not isinstance(examples.read, DatasetReader):  # which have their workers already
        if keys.are_given and not source.uses_keys:
            setting = "input" if keys.inputs is not None else "label"
            raise DataError(
                f"{option(setting)} names keys of items that are dicts, and the data are of the "
                f"kind {source.kind!r}, which has none. Leave {option(setting)} out."
            )
        examples = with_workers(examples, workers, sockets)
    if root is not None and not (source.uses_root and examples.fold is None):
        note = f"{option('root', str(root))} is for list files, and was not used"
        examples = replace(examples, notes=(*examples.notes, note))
    return with_header_facts(examples, exif)


def absolute_spec(spec: str | Path) -> str:
    """Return a path or `file.py:function` with an absolute path; `module:function` unchanged."""
    path, colon, function = str(spec).rpartition(":")
    if expanded(spec).exists() or not colon:
        return str(expanded(spec).absolute())
    is_file = path.endswith(".py")
    return f"{expanded(path).absolute()}:{function}" if is_file else str(spec)


def _refuse_data_name(data: str) -> None:
    """Raise DataError if a text cannot name a path or a function."""
    if not data.strip():
        raise DataError(
            f"{option('data')} is empty. Expected a folder with one sub-folder a class, a list "
            f"file, an .npz, or file.py:function; the current folder is `.`."
        )
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", data):
        raise DataError(
            f"{option('data')} {data!r} is an address, but data are read from folders and files "
            f"of this machine. Copy them here, or give file.py:function that returns a Dataset."
        )
    if data.endswith(".py") and expanded(data).is_file():
        raise DataError(
            f"{option('data')} {data!r} is a file of Python code; expected the function in it "
            f"that returns the data, such as {data}:NAME."
        )
