"""Inputs of any source of data as stored, without a transform."""

from collections.abc import Iterator, Sequence
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


def open_as_stored(data: Any, root: Path | None) -> Examples:
    """Return the examples of a source with inputs of any type, without a transform.

    Raises:
        DataError: as for `open_source`.
    """
    return open_source(data, root, as_floats)


def as_floats(value: Any) -> np.ndarray:
    """Return any input as floats, for a digest."""
    return as_array(value).astype(np.float32)


def value_of(examples: Examples, row: int) -> Any:
    """Return the input of one row as stored, without a transform.

    Raises:
        OSError: the dataset cannot decode it.
        UnreadableError: Pillow cannot decode it.
    """
    reader = examples.read
    if isinstance(reader, ArrayReader):
        return reader.inputs[row]
    if isinstance(reader, ImageReader):
        return open_image(reader.root / reader.paths[row])
    assert isinstance(reader, DatasetReader), f"a reader of type {type(reader).__name__}"
    return input_and_label(row, reader.dataset[row])[0]


def first_value(examples: Examples) -> Any:
    """Return the input of the first readable row.

    Raises:
        DataError: no row is readable.
    """
    for value in readable_values(examples, range(len(examples))):
        return value
    raise DataError("none of the examples can be read. Repair them, and plant again.")


def as_array(value: Any) -> np.ndarray:
    """Return a tensor, an image or anything that NumPy accepts as an array."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    tensor = value.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def readable_values(examples: Examples, rows: Sequence[int]) -> Iterator[Any]:
    """Yield the inputs of the readable ones among some rows."""
    for row in rows:
        try:
            value = value_of(examples, row)
        except (OSError, UnreadableError):
            continue
        yield value
