"""Examples with stable ids that are read one at a time: the form of every source of data."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from vog.data.sampling import sample_order

Reader = Callable[[int], tuple[Any, Any]]
UNLABELLED = -1  # the label of an example that has none


class UnreadableError(Exception):
    """One example cannot be decoded. Its row is marked, and the run continues."""


@dataclass(frozen=True)
class RowNumbers(Sequence[str]):
    """The ids of examples without names: their row numbers as text, made on access."""

    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        rows = range(self.rows)[index]
        return str(rows) if isinstance(rows, int) else [str(row) for row in rows]


@dataclass(frozen=True)
class ImageFiles:
    """The image files that examples are read from.

    Attributes:
        root: the folder that the paths are relative to.
        paths: the path of each file.
        labels: the class of each file.
    """

    root: Path
    paths: Sequence[str]
    labels: Int[np.ndarray, "n"]

    def path(self, row: int) -> Path:
        """Return the path of the file of a row in the data."""
        return self.root / self.paths[row]


@dataclass(frozen=True)
class ArrayRows:
    """The arrays that examples are read from.

    Attributes:
        inputs: the inputs as stored, one a row.
        labels: the class, or the other label, of each row.
    """

    inputs: Shaped[np.ndarray, "n *input"]
    labels: Shaped[np.ndarray, "n *label"]


@dataclass(frozen=True)
class RowsReader:
    """Reads some of the rows of a reader.

    Attributes:
        read: the reader of all rows.
        rows: the number of each row among all.
    """

    read: Reader
    rows: Int[np.ndarray, "n"]

    def __call__(self, index: int) -> tuple[Any, Any]:
        """Return the input and the label of a row."""
        return self.read(int(self.rows[index]))

    @property
    def transform(self) -> Any:
        """Return the transform of the reader, which the question of a run names."""
        return getattr(self.read, "transform", None)


@dataclass(frozen=True)
class FoldPart:
    """The rows of the whole data that a fold of `vog folds` holds out, or trains on.

    Attributes:
        number: the number of the fold, from 0.
        folds: the number of folds.
        held_out: whether these rows are left out of the fold's training.
        rows: their numbers in the whole data, ascending.
        total: the number of rows of the whole data.
        folds_digest: a digest that differs between different folds.
        data_digest: the digest of the whole data.
        data: the whole data, with absolute paths.
        root: the folder that their paths are relative to.
        file: for items of a dataset, the list file that opens them again; None if there is none.
    """

    number: int
    folds: int
    held_out: bool
    rows: Int[np.ndarray, "n"]
    total: int
    folds_digest: str
    data_digest: str
    data: str
    root: str | None
    file: str | None = None


@dataclass(frozen=True)
class Examples:
    """The rows of a dataset, in an order that never changes.

    Attributes:
        ids: one unique text an example, which survives shuffling and copying.
        read: returns, for a row, the input as the model takes it (array or tensor, or a mapping
            of these by name; no batch axis) and the label; raises `UnreadableError` if the row
            cannot be decoded. It is sent to worker processes. It may have attributes:
            `stored(row)`, which returns the input without a transform; `files` or `arrays`, which
            the examples are read from.
        digest: changes when the data change; it is computed without a pass over them.
        labels: the class of each row, `UNLABELLED` if it has none, or another label as in
            `vog.data.labels`; None if a row must be read to know its label.
        label_names: the name of each class, by number.
        classes: the number of classes, if the label numbers depend on it (folders in
            alphabetical order): the model must have as many.
        rows: for a sample, the row in the data of each example, for `read`; None if the
            examples are not a sample.
        total: for a sample, the number of rows of the data.
        fold: for a part of a fold, the rows of the whole data.
        workers: the number of processes that read ahead.
        read_by_workers: whether only worker processes read, so that they get the data as before
            the first read; see `vog.data.worker_processes`.
        notes: sentences about the data for the user.
    """

    ids: Sequence[str]
    read: Reader
    digest: str
    labels: Shaped[np.ndarray, "n *label"] | None = None
    label_names: tuple[str, ...] | None = None
    classes: int | None = None
    rows: Int[np.ndarray, "n"] | None = None
    total: int | None = None
    fold: FoldPart | None = None
    workers: int = 0
    read_by_workers: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unlabelled(self) -> bool:
        """Return whether no example has a label, as far as is known without reading them."""
        if self.labels is None:
            return False
        is_float = self.labels.dtype.kind == "f"
        missing = np.isnan(self.labels) if is_float else self.labels == UNLABELLED
        return bool(missing.all())

    @property
    def files(self) -> ImageFiles | None:
        """Return the image files of all rows of the data; None if the reader reads none."""
        return getattr(self.read, "files", None)

    @property
    def arrays(self) -> ArrayRows | None:
        """Return the arrays of all rows of the data; None if the reader has none."""
        return getattr(self.read, "arrays", None)

    @property
    def transform(self) -> Any:
        """Return the transform from an input as stored; None if there is none."""
        return getattr(self.read, "transform", None)

    def first(self, count: int) -> "Examples":
        """Return the first `count` examples."""
        if count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        ids = RowNumbers(count) if isinstance(self.ids, RowNumbers) else self.ids[:count]
        return replace(self, ids=ids, labels=labels)

    def sampled(self, count: int) -> "Examples":
        """Return the first `count` examples in the order of `vog.data.sampling`."""
        rows = sample_order(self.classes_of_rows, len(self))[:count]
        return replace(
            self,
            ids=[str(self.ids[row]) for row in rows.tolist()],
            labels=None if self.labels is None else self.labels[rows],
            rows=rows,
            total=len(self),
        )

    @property
    def classes_of_rows(self) -> Int[np.ndarray, "n"] | None:
        """Return the labels if they are numbers of classes; None if not, or if they are unknown."""
        labels = self.labels
        is_class = labels is not None and labels.ndim == 1 and labels.dtype.kind in "iu"
        return labels if is_class else None

    def row(self, position: int) -> int:
        """Return the row in the data, as `read` takes it, of the example at a position."""
        return position if self.rows is None else int(self.rows[position])

    @property
    def row_numbers(self) -> Int[np.ndarray, "n"] | None:
        """Return the row of each example in the whole data; None if that is 0, 1, 2, ..."""
        if self.fold is None:
            return self.rows
        return self.fold.rows if self.rows is None else self.fold.rows[self.rows]


def digest_of(*parts: object) -> str:
    """Return the SHA-256 of parts in order: arrays by type, shape and bytes, the rest as text."""
    sha = hashlib.sha256()
    for is_array, group in groupby(parts, lambda part: isinstance(part, np.ndarray)):
        if not is_array:
            sha.update("".join([f"{part}\n" for part in group]).encode())
            continue
        for part in group:
            assert isinstance(part, np.ndarray)
            sha.update(f"{part.dtype} {part.shape}\n".encode())
            sha.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()
