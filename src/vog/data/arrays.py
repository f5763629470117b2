"""Examples from arrays, in memory or in an `.npz` file: one row an example."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vog.data.examples import UNLABELLED, ArrayRows, Examples, RowNumbers, digest_of
from vog.data.images import Transform
from vog.errors import DataError, first_few
from vog.files import npz
from vog.files.file_names import printable
from vog.wording import option

_NAMES = ("images", "inputs", "labels", "ids", "label_names")
_LARGEST_LABEL = np.iinfo(np.int64).max
# Types that PyTorch accepts without conversion.
_TORCH_TYPES = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class ArrayReader:
    """Reads an example from a row of an array."""

    inputs: Shaped[np.ndarray, "n *input"]
    labels: Shaped[np.ndarray, "n *label"]
    transform: Transform | None

    @property
    def in_memory(self) -> bool:
        """Return whether a row needs no computation."""
        return self.transform is None

    @property
    def arrays(self) -> ArrayRows:
        """Return the arrays."""
        return ArrayRows(self.inputs, self.labels)

    def stored(self, index: int) -> Any:
        """Return a row without a transform."""
        return self.inputs[index]

    def __call__(self, index: int) -> tuple[Any, Any]:
        """Return a row, transformed, and its label."""
        row, label = self.inputs[index], self.labels[index]
        value = row if self.transform is None else self.transform(row)
        return value, label if label.ndim else label.item()


def from_npz(path: Path, transform: Transform | None = None) -> Examples:
    """Return the examples of a file: `images` or `inputs`; optional `labels`, `ids`, `label_names`.

    Raises:
        DataError: there is no such array, lengths differ, the file has pickled objects, or it
            claims impossible sizes.
    """
    try:
        arrays = npz.load_arrays(path, _NAMES)
        array_names = arrays or npz.array_names(path)
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: you lack the permission.") from error
    except npz.UNPACKABLE as error:
        raise DataError(f"{path} cannot be read as .npz: {error}") from error
    inputs = arrays.get("images", arrays.get("inputs"))
    if inputs is None:
        raise DataError(
            f"{path} holds {first_few(list(array_names)) or 'nothing'}; "
            f"expected `images` or `inputs`, and `labels`."
        )
    names = arrays.get("label_names")
    if names is not None and names.ndim != 1:
        raise DataError(
            f"{path}: label_names has shape {names.shape}; expected a list, one name a class."
        )
    return from_arrays(
        inputs,
        arrays.get("labels"),
        transform,
        ids=arrays.get("ids"),
        label_names=None if names is None else tuple(printable(str(name)) for name in names),
        source=str(path),
    )


def from_arrays(
    inputs: Shaped[np.ndarray, "..."],
    labels: Shaped[np.ndarray, "..."] | None,
    transform: Transform | None = None,
    ids: Shaped[np.ndarray, "..."] | None = None,
    label_names: tuple[str, ...] | None = None,
    source: str = "the data",
    stamp: Sequence[int] | None = None,
) -> Examples:
    """Return examples of arrays in memory, which are not copied; labels may be missing.

    A `stamp`, such as the size and the time of a file, stands for the inputs in the digest.

    Raises:
        DataError: lengths differ, there are no rows, labels are not numbers, or inputs are not
            floats and there is no transform.
    """
    if labels is None:
        labels = np.full(len(inputs) if inputs.ndim and inputs.size else 0, UNLABELLED)
    if labels.ndim == 2 and labels.shape[1] == 1:  # a column, such as in Keras data sets
        labels = labels[:, 0]
    if not labels.ndim or inputs.ndim < 2 or len(inputs) != len(labels) or not len(labels):
        raise DataError(
            f"{source}: inputs have shape {inputs.shape} and labels {labels.shape}; "
            f"expected one label a row, and at least one row."
        )
    if inputs.dtype.hasobject:
        raise DataError(
            f"{source}: inputs are Python objects, perhaps rows of different shapes; expected one "
            f"array of numbers. Make the shapes equal, or give a Dataset."
        )
    if labels.dtype.kind == "b":
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iuf":
        raise DataError(
            f"{source}: labels are {labels.dtype}; expected whole numbers, the index of the logit."
        )
    if labels.dtype.kind == "u" and labels.max() > _LARGEST_LABEL:
        raise DataError(
            f"{source}: a label is {labels.max()}; expected whole numbers, the index of the logit."
        )
    if transform is None and not (np.issubdtype(inputs.dtype, np.floating) or _are_tokens(inputs)):
        raise DataError(
            f"{source}: inputs are {inputs.dtype}; expected floats, scaled as in training. Store "
            f"them so, or pass a function as {option('transform')}."
        )
    if ids is not None and (ids.ndim != 1 or not len(set(ids.tolist())) == len(ids) == len(labels)):
        raise DataError(
            f"{source}: ids have shape {ids.shape}, and {len(np.unique(ids))} are different; "
            f"expected {len(labels)} different ids, one a row."
        )
    row_ids = RowNumbers(len(labels)) if ids is None else [printable(str(i)) for i in ids.tolist()]
    column = labels.astype(np.float64 if labels.dtype.kind == "f" else np.int64)
    content = [inputs] if stamp is None else [*inputs.shape, inputs.dtype, *stamp]
    digest = digest_of(*content, column, *([] if ids is None else row_ids))
    return Examples(row_ids, ArrayReader(inputs, column, transform), digest, column, label_names)


def _are_tokens(inputs: Shaped[np.ndarray, "..."]) -> bool:
    """Return whether rows are of whole numbers that may be tokens or categories, not pixels."""
    return inputs.ndim == 2 and inputs.dtype.kind == "i" and inputs.dtype.itemsize > 1


def native(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Return a copy that PyTorch accepts: in native byte order, floats in at most 64 bits."""
    if values.dtype.kind != "f" or (values.dtype.isnative and values.dtype.type in _TORCH_TYPES):
        return np.array(values, values.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # overflow gives infinity, and the row is marked as not finite
        return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
