"""Labels of any kind: what readers return for each example, as one tensor a batch.

A label is the number of a class, a number, a vector, or an array with a class for each position.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from vog.data.examples import UNLABELLED
from vog.errors import DataError

IGNORED = -100  # at positions of arrays of whole numbers that have no label
_LARGEST = 2**63


def as_label(index: int, label: Any) -> int | float | np.ndarray:
    """Return a label as a number or an array; `UNLABELLED` for None.

    Args:
        index: of the item of the dataset, for messages.
        label: a number, or a tensor or array of numbers; one of a single number is that number.

    Raises:
        DataError: it is of another kind.
    """
    if label is None:
        return UNLABELLED
    if isinstance(label, Mapping) or (
        isinstance(label, list | tuple) and any(isinstance(part, Mapping) for part in label)
    ):
        raise DataError(
            f"item {index} of the dataset has a label of type {type(label).__name__} with mappings "
            f"in it, such as boxes of objects; expected a number or an array. Detection is not "
            f"supported."
        )
    try:
        if isinstance(label, Tensor):
            label = label.detach().cpu()
            label = label.float() if label.dtype == torch.bfloat16 else label
        array = np.asarray(label)
        if array.dtype.kind == "b":
            array = array.astype(np.int64)
        if array.dtype.kind not in "iuf":
            raise ValueError("not of numbers")
        if array.shape in ((), (1,)):
            return _number(array.reshape(()).item())
        if array.dtype.kind == "f":
            return array.astype(np.float64)
        if array.size and array.max() >= _LARGEST:
            raise ValueError("too large")
        return array.astype(np.int64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(
            f"item {index} of the dataset has the label {label!r}; expected a whole number, or for "
            f"other tasks a number or an array of numbers."
        ) from error


def _number(value: int | float) -> int | float:
    """Return a number; raise ValueError if it is whole and has more than 64 bits."""
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise ValueError("too large")
    return value


def stack_labels(ids: Sequence[str], labels: Sequence[Any]) -> Shaped[Tensor, "m *label"]:
    """Return the labels of a batch; None and `UNLABELLED` become a missing label.

    Missing is -1 among whole numbers, NaN among floats, and -100 in arrays of whole numbers, which
    are padded with it to one shape.

    Args:
        ids: of the examples, for messages.
        labels: as `as_label` returns them, or None for an unreadable example.

    Raises:
        DataError: labels differ in kind, or vectors of floats in length.
    """
    present = {
        i: np.asarray(label)
        for i, label in enumerate(labels)
        if label is not None and not _is_unlabelled(label)
    }
    axes = {array.ndim for array in present.values()}
    if len(axes) > 1:
        first, second = (next(i for i in present if present[i].ndim == n) for n in sorted(axes)[:2])
        raise DataError(
            f"labels differ in kind: that of {ids[first]!r} has shape {present[first].shape}, that "
            f"of {ids[second]!r} {present[second].shape}; expected the same number of axes."
        )
    if axes in (set(), {0}):
        return _numbers(labels)
    return _arrays(ids, present, len(labels))


def _numbers(labels: Sequence[Any]) -> Tensor:
    if any(isinstance(label, float | np.floating) for label in labels):
        values = [np.nan if _is_missing_number(label) else float(label) for label in labels]
        return torch.tensor(values, dtype=torch.float64)
    whole = [UNLABELLED if label is None else int(label) for label in labels]
    return torch.tensor(whole, dtype=torch.int64)


def _is_missing_number(label: Any) -> bool:
    return label is None or _is_unlabelled(label)


def _is_unlabelled(label: Any) -> bool:
    """Return whether a label is `UNLABELLED`; the float -1.0 is a number like others."""
    return isinstance(label, int | np.integer) and int(label) == UNLABELLED


def _arrays(ids: Sequence[str], present: Mapping[int, np.ndarray], count: int) -> Tensor:
    are_floats = any(array.dtype.kind == "f" for array in present.values())
    shapes = {array.shape for array in present.values()}
    if are_floats and len(shapes) > 1:
        first, second = (
            next(i for i, array in present.items() if array.shape == s) for s in sorted(shapes)[:2]
        )
        raise DataError(
            f"labels differ in shape: that of {ids[first]!r} has {present[first].shape}, that of "
            f"{ids[second]!r} {present[second].shape}; expected one shape for vectors of floats."
        )
    shape = tuple(int(size) for size in np.max([list(s) for s in shapes], axis=0))
    missing = np.nan if are_floats else IGNORED
    padded = np.full((count, *shape), missing, np.float64 if are_floats else np.int64)
    for row, array in present.items():
        padded[(row, *(slice(size) for size in array.shape))] = array
    return torch.from_numpy(padded)


def are_missing(labels: Shaped[np.ndarray, "n *label"]) -> Bool[np.ndarray, "n"]:
    """Return which examples have no label."""
    if labels.dtype.kind == "f":
        return np.asarray(np.isnan(labels).reshape(len(labels), -1).all(axis=1))
    if labels.ndim == 1:
        return labels == UNLABELLED
    return np.asarray((labels == IGNORED).reshape(len(labels), -1).all(axis=1))


def with_whole_classes(
    labels: Shaped[Tensor, "n *label"], are_classes: bool
) -> Shaped[Tensor, "n *label"]:
    """Return floats that are numbers of classes as whole numbers, -1 for NaN; others unchanged."""
    if not are_classes or not labels.is_floating_point() or labels.ndim != 1:
        return labels
    whole = labels.masked_fill(labels.isnan(), UNLABELLED)
    is_class = whole.isfinite() & (whole == whole.round()) & (whole.abs() < _LARGEST)
    return whole.long() if bool(is_class.all()) else labels


def digest_part(label: Shaped[Tensor, "*label"]) -> object:
    """Return a label for a digest, in which a whole number counts as an integer."""
    if label.ndim:
        return label.numpy()
    value = label.item()
    return int(value) if float(value).is_integer() else value


def filled(labels: Shaped[Tensor, "n *label"]) -> Shaped[Tensor, "n *label"]:
    """Return labels with a number in the place of missing ones, whose scores are not stored."""
    if labels.is_floating_point():
        return labels.nan_to_num()
    return labels.clamp(min=0) if labels.ndim == 1 else labels


def label_text(label: Any) -> str:
    """Return a label, a number or an array, as a part of a message."""
    label = np.asarray(label)
    if are_missing(label[None])[0]:
        return f"no label ({label})" if label.ndim == 0 else "no label"
    if label.ndim == 0:
        return str(label)
    text = np.array2string(label, threshold=6, edgeitems=3, separator=", ").replace("\n", "")
    return f"{text} of shape {label.shape}"


def as_classes(labels: Any, activity: str) -> Int[np.ndarray, "n"]:
    """Return labels as numbers of classes.

    Args:
        labels: as readers return them, or a column of them.
        activity: what needs classes, as the subject of a sentence.

    Raises:
        DataError: they are something else, such as amounts or vectors.
    """
    try:
        column = np.asarray(labels)
    except ValueError:  # rows of different lengths
        column = np.empty((len(labels), 0))
    whole = column.astype(np.int64) if column.ndim == 1 and column.dtype.kind in "iuf" else None
    if whole is None or not np.array_equal(whole, column):
        raise DataError(
            f"{activity} exists for classification alone, and labels are {_kind(column)}; expected "
            f"whole numbers, one class an example."
        )
    return whole


def _kind(column: np.ndarray) -> str:
    if column.ndim > 1:
        return "arrays"
    return "amounts" if column.dtype.kind == "f" else f"of the type {column.dtype}"


def column_of(labels: Any, count: int) -> Shaped[np.ndarray, "n *label"] | None:
    """Return labels that a dataset lists for all items as an array; None if they are none.

    Whole numbers get 64 bits with a sign, and a column of one number each becomes a vector.
    """
    try:
        array = np.asarray(labels) if len(labels) == count else np.array(None)
    except (TypeError, ValueError, RuntimeError):  # a function, or rows of different lengths
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "b" and array.ndim:
        array = array.astype(np.int64)
    if not array.ndim or not len(array) or array.ndim > 2:
        return None
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind in "iu" and array.max() < _LARGEST:
        return array.astype(np.int64)
    return None
