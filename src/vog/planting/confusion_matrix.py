"""Reads a confusion matrix: how often each class is mistaken for each other class."""

import csv
import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from vog.errors import DataError, first_few, unknown
from vog.files.small_files import read_text
from vog.wording import option

_MAX_BYTES = 2**30  # bytes: a table of ten thousand classes


def read_confusion(
    path: Path, classes: int, names: tuple[str, ...] | None
) -> Float[np.ndarray, "c c"]:
    """Return the weight of flipping class i into class j at [i, j], at most 1, with diagonal 0.

    Args:
        path: a `.npy` of a square matrix, or a `.csv` with the given classes in its header and
            the true classes in its first column, by name or number, in any order.
        classes: the number of classes.
        names: the names of the classes, if any.

    Raises:
        DataError: the file is missing, lacks a row or column for a class, or holds invalid weights.
    """
    try:
        matrix = _from_npy(path) if path.suffix == ".npy" else _from_csv(path, classes, names)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise DataError(
            f"{_argument(path)} cannot be read: {error}. Expected a .csv or .npy."
        ) from error
    if matrix.shape != (classes, classes):
        raise DataError(
            f"{_argument(path)} has the shape {matrix.shape}; expected one row and "
            f"one column for each of the {classes} classes."
        )
    weights = matrix.astype(np.float64)
    np.fill_diagonal(weights, 0)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"{_argument(path)} has entries below 0, NaN or infinite.")
    if not weights.any():
        raise DataError(
            f"{_argument(path)} has only zeros off the diagonal, so nothing would be flipped."
        )
    return weights / weights.max()


def _argument(path: Path) -> str:
    return option("confusion", str(path))


def _from_npy(path: Path) -> Shaped[np.ndarray, "..."]:
    # Memory mapping refuses a header that claims more data than the file holds.
    matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind not in "iufb":
        raise ValueError("it is no array of numbers")
    return np.array(matrix)


def _from_csv(path: Path, classes: int, names: tuple[str, ...] | None) -> Shaped[np.ndarray, "..."]:
    text = io.StringIO(read_text(path, _MAX_BYTES), newline="")
    lines = [line for line in csv.reader(text) if any(cell.strip() for cell in line)]
    if not lines:
        raise ValueError("it is empty")
    columns, rows = lines[0][1:], [line[0] for line in lines[1:]]
    ragged = [line[0] for line in lines[1:] if len(line) != len(lines[0])]
    if ragged:
        raise ValueError(f"other than the header, these rows are longer or shorter: {ragged[0]!r}")
    cells = np.array([[float(cell) for cell in line[1:]] for line in lines[1:]])
    if (len(rows), len(columns)) != (classes, classes):
        return cells
    numbers = [[_label(path, cell, classes, names) for cell in axis] for axis in (rows, columns)]
    for axis in numbers:
        if len(set(axis)) < classes:
            raise DataError(f"{_argument(path)} names a class twice: {first_few(axis, 20)}.")
    ordered = np.empty_like(cells)
    ordered[np.ix_(*numbers)] = cells
    return ordered


def _label(path: Path, cell: str, classes: int, names: tuple[str, ...] | None) -> int:
    """Return the number of a class, which the cell gives by name or number."""
    name = cell.strip()
    accepted = list(names or ()) or [str(position) for position in range(classes)]
    if name in accepted:
        return accepted.index(name)
    if name.isdecimal() and int(name) < classes:
        return int(name)
    raise DataError(
        f"{_argument(path)} has the class {name!r}, which the data lack.{unknown(name, accepted)}"
    )
