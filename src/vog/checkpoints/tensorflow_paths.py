"""The files of one TensorFlow checkpoint: a prefix, its index, its data files, a SavedModel."""

import re
from collections.abc import Iterable
from pathlib import Path

from vog.errors import CheckpointError

INDEX = ".index"
SAVED_MODEL, IN_SAVED_MODEL = "saved_model.pb", Path("variables", "variables.index")
_DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
_GRAPH = ".meta"


def index_of(path: Path) -> Path | None:
    """Return the index of the checkpoint that a path belongs to or is the prefix of; else None.

    Raises:
        CheckpointError: the path is a data file without an index.
    """
    if path.name.endswith(INDEX):
        return path if is_index(path) else None
    if is_data(path):
        index = path.with_name(_index_name(path))
        if not index.is_file():
            raise CheckpointError(
                f"checkpoint {path} is a data file of TensorFlow, and its index {index.name} is "
                f"not beside it. Copy it into the same folder."
            )
        return index
    name = path.name.removesuffix(_GRAPH)
    index = path.with_name(name + INDEX) if name else path
    belongs = name != path.name or not path.exists()
    return index if belongs and is_index(index) else None


def is_index(path: Path) -> bool:
    """Return whether a file is named like an index."""
    return path.name.endswith(INDEX) and path.is_file()


def is_data(path: Path) -> bool:
    """Return whether a name is that of a data file."""
    return _DATA.search(path.name) is not None


def data_files(index: Path) -> list[Path]:
    """Return the data files beside an index, whatever they contain."""
    paths = index.parent.iterdir()
    return [path for path in paths if is_data(path) and _index_name(path) == index.name]


def _index_name(data: Path) -> str:
    return _DATA.sub("", data.name) + INDEX


def data_without_index(folder: Path) -> list[Path]:
    """Return the data files in a folder whose index is not there."""
    data = [path for path in folder.iterdir() if is_data(path)] if folder.is_dir() else []
    return [path for path in data if not path.with_name(_index_name(path)).is_file()]


def saved_model_index(folder: Path) -> Path | None:
    """Return the index of the variables in a SavedModel folder, or None for other folders."""
    index = folder / IN_SAVED_MODEL
    return index if (folder / SAVED_MODEL).is_file() and index.is_file() else None


def named_path(path: Path) -> Path:
    """Return the path whose name has the step: for variables in a SavedModel its folder."""
    is_inside = path.parts[-2:] == IN_SAVED_MODEL.parts
    return path.parent.parent if is_inside else path


def joined(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, with one index in place of all files of a TensorFlow checkpoint."""
    indexes = {path: index_of(path) for path in paths}
    beside = {index.parent for index in indexes.values() if index is not None}
    # TensorFlow writes the name of the last checkpoint into a text file of this name.
    checkpoints = [
        path for path in indexes if path.name != "checkpoint" or path.parent not in beside
    ]
    return list(dict.fromkeys(indexes[path] or path for path in checkpoints))
