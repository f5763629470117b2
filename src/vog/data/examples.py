"""What every source of data becomes: examples with stable ids that are read one at a time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data.sampling import sample_order

Reader = Callable[[int], tuple[Any, int]]
UNLABELLED = -1  # the label of an example that has none


class UnreadableError(Exception):
    """One example cannot be decoded. Its row is marked and the run goes on."""


@dataclass(frozen=True)
class RowNumbers(Sequence[str]):
    """The ids of examples that have no name: their row numbers as text, made when asked for."""

    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        rows = range(self.rows)[index]
        return str(rows) if isinstance(rows, int) else [str(row) for row in rows]


@dataclass(frozen=True)
class FoldPart:
    """Which rows of the whole data a fold of `vog folds` holds out, or trains on.

    Attributes:
        number: of the fold, from 0.
        folds: how many there are.
        held_out: whether the fold's training has not seen these rows.
        rows: their numbers in the whole data, ascending.
        total: how many rows the whole data have.
        of: tells these folds from others.
        data_digest: that of the whole data.
        data: the whole data, as seen from any folder.
        root: what their paths are relative to.
        file: of a dataset's items, the list that opens them again; None where there is none.
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
        ids: one text an example, unique, that survives shuffling and copying.
        read: the input as the model takes it (array or tensor, no batch axis) and the label
            of one row; raises `UnreadableError` where that row cannot be decoded. It is
            sent to worker processes.
        digest: changes when the data change, and costs no pass over them.
        labels: the class of each row, `UNLABELLED` where it has none, or None where only
            reading a row tells it.
        label_names: the name of each class, by number.
        classes: how many classes there are, where the numbers of the labels depend on it
            (folders in alphabetical order): the model must have as many.
        rows: of a sample, the number that each of its examples has in the data, for `read`; None
            where they are the same.
        total: of a sample, how many rows the data have.
        fold: of a part of a fold, which rows of the whole data these are.
        workers: how many processes read ahead.
        apart: whether this process reads nothing, so that workers get the data as nobody has
            read them; see `vog.data.worker_processes`.
        notes: what the user has to know about the data, in words.
    """

    ids: Sequence[str]
    read: Reader
    digest: str
    labels: Int[np.ndarray, "n"] | None = None
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
        """Whether no example has a label, as far as that is known without reading them."""
        return self.labels is not None and bool((self.labels == UNLABELLED).all())

    def first(self, count: int) -> "Examples":
        """The first rows alone."""
        if count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        ids = RowNumbers(count) if isinstance(self.ids, RowNumbers) else self.ids[:count]
        return replace(self, ids=ids, labels=labels)

    def sampled(self, count: int) -> "Examples":
        """Return the first rows in the order of a sample; see `vog.data.sampling`."""
        rows = sample_order(self.labels, len(self))[:count]
        return replace(
            self,
            ids=[str(self.ids[row]) for row in rows.tolist()],
            labels=None if self.labels is None else self.labels[rows],
            rows=rows,
            total=len(self),
        )

    def row(self, position: int) -> int:
        """Return the number in the data, as `read` takes it, of the example at a position."""
        return position if self.rows is None else int(self.rows[position])

    @property
    def row_numbers(self) -> Int[np.ndarray, "n"] | None:
        """By position, the row numbers of a run: those of the whole data. None for 0, 1, 2, ..."""
        if self.fold is None:
            return self.rows
        return self.fold.rows if self.rows is None else self.fold.rows[self.rows]


def digest_of(*parts: object) -> str:
    """SHA-256 of the parts in order: arrays by type, shape and bytes, others as text."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype} {part.shape}\n".encode())
            sha.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            sha.update(f"{part}\n".encode())
    return sha.hexdigest()
