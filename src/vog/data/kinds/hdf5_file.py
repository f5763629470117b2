"""A file of HDF5: arrays by name, read row by row. It needs `h5py`."""

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data.examples import UNLABELLED, Examples, RowNumbers, UnreadableError, digest_of
from vog.data.images import Transform
from vog.data.kinds.array_rows import rows_reader
from vog.data.named_arrays import file_stamp, find_array_names
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.errors import DataError, ResultError
from vog.wording import option

SUFFIXES = (".h5", ".hdf5", ".he5")


@dataclass(frozen=True)
class Hdf5File(Source):
    """Inputs and labels as arrays of one file."""

    kind = "HDF5 file"
    uses_keys = True

    def opens(self, data: Any) -> bool:
        """Return whether the name ends as files of HDF5 do."""
        return is_name(data) and Path(data).suffix.lower() in SUFFIXES

    def place(self, data: Any) -> Path | None:
        """Return the path of the file."""
        return Path(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the file."""
        path = existing_path(data)
        names = find_array_names(path, _array_names(path), options.keys)
        stamp = file_stamp(path)
        with _opened(path) as file:
            inputs = file[names.inputs]
            labels = None if names.labels is None else np.asarray(file[names.labels])
            _check_rows(path, inputs, labels)
            rows, shape, kind = len(inputs), inputs.shape[1:], inputs.dtype
        transform = value_transform(options.transform)
        if transform is None and kind.kind != "f":
            raise DataError(
                f"{path}: {names.inputs} is {kind}; expected floats, scaled as in training. Store "
                f"them so, or pass a function as {option('transform')}."
            )
        classes = np.full(rows, UNLABELLED) if labels is None else labels.reshape(-1)
        classes = classes.astype(np.int64)
        reader = Hdf5Reader(path, names.inputs, stamp, classes, transform)
        digest = digest_of(rows, *shape, kind, names.inputs, *stamp, classes)
        return Examples(RowNumbers(rows), reader, digest, classes)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows of the inputs."""
        path = Path(data)
        try:
            names = find_array_names(path, _array_names(path), display.keys)
            array = _open_array(path, names.inputs, file_stamp(path), os.getpid())
        except DataError as error:
            raise ResultError(str(error)) from error
        return rows_reader(array, None, str(data), f"Give that file as {option('root')}.")


@dataclass(frozen=True)
class Hdf5Reader:
    """Reads an example from a row of an array; each process opens the file for itself."""

    path: Path
    name: str
    stamp: tuple[int, ...]
    labels: Int[np.ndarray, "n"]
    transform: Transform | None

    def stored(self, index: int) -> Any:
        """Return a row without a transform.

        Raises:
            UnreadableError: the row is damaged.
        """
        try:
            return _open_array(self.path, self.name, self.stamp, os.getpid())[index]
        except OSError as error:
            raise UnreadableError(str(error)) from error

    def __call__(self, index: int) -> tuple[Any, int]:
        """Return a row, transformed, and its label.

        Raises:
            UnreadableError: as for `stored`.
        """
        row = self.stored(index)
        return (row if self.transform is None else self.transform(row)), self.labels[index].item()


def _opened(path: Path) -> Any:
    """Return an open file.

    Raises:
        DataError: `h5py` is missing, or the file cannot be read.
    """
    try:
        h5py: Any = import_module("h5py")
    except ImportError as error:
        raise DataError(
            f"{path} is a file of HDF5, and h5py is not installed. Run `pip install vog[hdf5]`."
        ) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read as HDF5: {error}. Expected a file that h5py opens."
        ) from error


@lru_cache(maxsize=8)
def _open_array(path: Path, name: str, stamp: tuple[int, ...], process: int) -> Any:
    """Return an array of a file that stays open in a process, which forks do not share."""
    return _opened(path)[name]


def _array_names(path: Path) -> list[str]:
    names: list[str] = []

    def add(name: str, member: Any) -> None:
        if hasattr(member, "shape") and member.shape:
            names.append(name)

    with _opened(path) as file:
        file.visititems(add)
    return names


def _check_rows(path: Path, inputs: Any, labels: np.ndarray | None) -> None:
    """Raise DataError unless there is a label of a whole number for each row."""
    if inputs.ndim < 2 or not len(inputs):
        raise DataError(
            f"{path}: inputs have shape {inputs.shape}; expected at least one row, and an array a "
            f"row. Name another array as {option('input')}."
        )
    if labels is None:
        return
    is_column = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    if not is_column or len(labels) != len(inputs) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: inputs have shape {inputs.shape}, and labels are {labels.dtype} of shape "
            f"{labels.shape}; expected one whole number a row. Name another array as "
            f"{option('label')}."
        )
