"""A file of one NumPy array, `.npy`, which is mapped and not loaded; its labels in another one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vog.data.arrays import ArrayReader, from_arrays
from vog.data.examples import Examples
from vog.data.kinds.array_rows import rows_reader
from vog.data.named_arrays import file_stamp
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.errors import DataError, ResultError
from vog.files.file_names import expanded
from vog.wording import option

_SUFFIX = ".npy"


@dataclass(frozen=True)
class NpyFile(Source):
    """The inputs in one file; the option for the label names the file of the labels."""

    kind = ".npy file"
    form = "arrays"
    uses_keys = True

    def opens(self, data: Any) -> bool:
        """Return whether the name ends in `.npy`."""
        return is_name(data) and Path(data).suffix.lower() == _SUFFIX

    def place(self, data: Any) -> Path | None:
        """Return the path of the file."""
        return Path(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the file."""
        path, keys = existing_path(data), options.keys
        if keys.inputs is not None:
            raise DataError(
                f"{option('input')} names an array, and {path} holds one without a name. Leave "
                f"{option('input')} out."
            )
        labels_path = None if keys.label is None else _labels_path(path, keys.label)
        transform = value_transform(options.transform)
        labels = None if labels_path is None else np.asarray(_mapped(labels_path))
        stamp = file_stamp(path)
        examples = from_arrays(_mapped(path), labels, transform, source=str(path), stamp=stamp)
        read = examples.read
        assert isinstance(read, ArrayReader)
        reader = MappedReader(read.inputs, read.labels, transform, path)
        examples = replace(examples, read=reader)
        if labels is not None:
            return examples
        note = f"no labels; the file that holds them can be named as {option('label')}"
        return replace(examples, notes=(note,))

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows of the file."""
        try:
            array = _mapped(Path(data))
        except DataError as error:
            raise ResultError(str(error)) from error
        return rows_reader(array, None, str(data), f"Give that file as {option('root')}.")


@dataclass(frozen=True)
class MappedReader(ArrayReader):
    """Reads rows of a mapped file, which another process maps for itself."""

    path: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return _map_again, (self.path, self.labels, self.transform)


def _map_again(path: Path, labels: np.ndarray, transform: Any) -> MappedReader:
    return MappedReader(_mapped(path), labels, transform, path)


def _labels_path(inputs: Path, name: str) -> Path:
    """Return the file of the labels, seen from the current folder or beside the inputs."""
    candidates = (expanded(name), inputs.parent / name)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None or path.suffix.lower() != _SUFFIX:
        raise DataError(
            f"{option('label', name)}: {'there is no such file' if path is None else 'no .npy'}. "
            f"Expected the .npy with the labels of {inputs}, one a row."
        )
    return path


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError, SyntaxError) as error:
        reason = "it holds Python objects" if "object" in str(error) else str(error).rstrip(".")
        raise DataError(
            f"{path} cannot be read as .npy: {reason}. Expected one array of numbers, as np.save "
            f"writes it."
        ) from error
