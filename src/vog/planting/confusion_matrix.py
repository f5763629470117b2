"""How often each class is taken for each other, from a file."""

import csv
import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from vog.errors import DataError, first_few, unknown
from vog.files.small_files import read_text

_MOST = 2**30  # bytes: a table of ten thousand classes


def read_confusion(
    path: Path, classes: int, names: tuple[str, ...] | None
) -> Float[np.ndarray, "c c"]:
    """The weight of flipping class i into class j, at [i, j]; the diagonal, which is none, is 0.

    Args:
        path: a `.npy` of a square matrix, or a `.csv` whose header names the given classes and
            whose first column the true ones, in any order, by name or number.
        classes: how many there are.
        names: theirs, if they have any.

    Raises:
        DataError: no such file, not one row and one column a class, or values that are no weights.
    """
    try:
        read = _from_npy(path) if path.suffix == ".npy" else _from_csv(path, classes, names)
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise DataError(
            f"--confusion {path} cannot be read: {error}. Expected a .csv or .npy."
        ) from error
    if read.shape != (classes, classes):
        raise DataError(
            f"--confusion {path} has the shape {read.shape}; expected one row and one column for "
            f"each of the {classes} classes."
        )
    weights = read.astype(np.float64)
    np.fill_diagonal(weights, 0)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"--confusion {path} has entries below 0, or that are no numbers.")
    if not weights.any():
        raise DataError(
            f"--confusion {path} has nothing off the diagonal, so nothing would be flipped."
        )
    return weights / weights.max()


def _from_npy(path: Path) -> Shaped[np.ndarray, "..."]:
    # Mapped, an array is no larger than its file, whatever its header says.
    read = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(read, np.ndarray) or read.dtype.kind not in "iufb":
        raise ValueError("it is no array of numbers")
    return np.array(read)


def _from_csv(path: Path, classes: int, names: tuple[str, ...] | None) -> Shaped[np.ndarray, "..."]:
    text = io.StringIO(read_text(path, _MOST), newline="")
    lines = [line for line in csv.reader(text) if any(cell.strip() for cell in line)]
    if not lines:
        raise ValueError("it is empty")
    given, true = lines[0][1:], [line[0] for line in lines[1:]]
    ragged = [line[0] for line in lines[1:] if len(line) != len(lines[0])]
    if ragged:
        raise ValueError(f"other than the header, these rows are longer or shorter: {ragged[0]!r}")
    cells = np.array([[float(cell) for cell in line[1:]] for line in lines[1:]])
    if (len(true), len(given)) != (classes, classes):
        return cells
    at = [[_number(path, cell, classes, names) for cell in part] for part in (true, given)]
    for part in at:
        if len(set(part)) < classes:
            raise DataError(f"--confusion {path} names a class twice: {first_few(part, 20)}.")
    ordered = np.empty_like(cells)
    ordered[np.ix_(*at)] = cells
    return ordered


def _number(path: Path, cell: str, classes: int, names: tuple[str, ...] | None) -> int:
    """The number of a class by its name or number."""
    word = cell.strip()
    known = list(names or ()) or [str(number) for number in range(classes)]
    if word in known:
        return known.index(word)
    if word.isdecimal() and int(word) < classes:
        return int(word)
    raise DataError(
        f"--confusion {path} has the class {word!r}, which the data lack.{unknown(word, known)}"
    )
