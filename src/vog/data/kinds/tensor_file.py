"""A file of named tensors as data: `.pt`, `.pth` or `.safetensors`, without running its code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vog.data.arrays import from_arrays
from vog.data.examples import Examples
from vog.data.kinds.array_rows import rows_reader
from vog.data.named_arrays import file_stamp, find_array_names
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.errors import DataError, ResultError
from vog.item_keys import ItemKeys
from vog.wording import option

_SUFFIXES = (".pt", ".pth", ".safetensors")


@dataclass(frozen=True)
class TensorFile(Source):
    """Inputs and labels as tensors of one file."""

    kind = "file of tensors"
    form = "arrays"
    uses_keys = True

    def opens(self, data: Any) -> bool:
        """Return whether the name ends as files of tensors do."""
        return is_name(data) and Path(data).suffix.lower() in _SUFFIXES

    def place(self, data: Any) -> Path | None:
        """Return the path of the file."""
        return Path(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the tensors."""
        path = existing_path(data)
        inputs, labels = _arrays(path, options.keys)
        transform = value_transform(options.transform)
        return from_arrays(inputs, labels, transform, source=str(path), stamp=file_stamp(path))

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows of the inputs."""
        try:
            inputs, _ = _arrays(Path(data), display.keys)
        except DataError as error:
            raise ResultError(str(error)) from error
        return rows_reader(inputs, None, str(data), f"Give that file as {option('root')}.")


def _arrays(path: Path, keys: ItemKeys) -> tuple[np.ndarray, np.ndarray | None]:
    from vog.data.tensor_files import named_tensors

    tensors = named_tensors(path)
    names = find_array_names(path, tensors, keys)
    return tensors[names.inputs], None if names.labels is None else tensors[names.labels]
