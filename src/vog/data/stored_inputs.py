"""Inputs of any source of data as they are stored, without a transform."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vog.data import open_source
from vog.data.arrays import ArrayReader
from vog.data.datasets import DatasetReader
from vog.data.examples import Examples, UnreadableError
from vog.data.images import ImageReader, open_image
from vog.data.item_parts import input_and_label
from vog.errors import DataError


def open_stored(data: Any, root: Path | None) -> Examples:
    """Examples whose inputs are not looked at, so that nothing is asked of their type.

    Raises:
        DataError: as `open_source` does.
    """
    return open_source(data, root, as_floats)


def as_floats(value: Any) -> np.ndarray:
    """Any input as numbers, for a digest."""
    return as_array(value).astype(np.float32)


def value_of(examples: Examples, row: int) -> Any:
    """The input of one row as it is stored, without a transform.

    Raises:
        OSError: the dataset cannot decode it.
        UnreadableError: Pillow cannot.
    """
    reader = examples.read
    if isinstance(reader, ArrayReader):
        return reader.inputs[row]
    if isinstance(reader, ImageReader):
        return open_image(reader.root / reader.paths[row])
    assert isinstance(reader, DatasetReader), f"a reader of type {type(reader).__name__}"
    return input_and_label(row, reader.dataset[row])[0]


def first_value(examples: Examples) -> Any:
    """The input of the first row that can be read.

    Raises:
        DataError: none can.
    """
    for row in range(len(examples)):
        try:
            return value_of(examples, row)
        except (OSError, UnreadableError):
            continue
    raise DataError("none of the examples can be read. Repair them, and plant again.")


def as_array(value: Any) -> np.ndarray:
    """A tensor, an image or anything NumPy takes as an array."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    tensor = value.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def readable_values(examples: Examples, rows: Sequence[int]) -> list[Any]:
    """Those inputs of some rows that can be read."""
    values: list[Any] = []
    for row in rows:
        try:
            values.append(value_of(examples, row))
        except (OSError, UnreadableError):
            continue
    return values
