"""What a fold trains on and holds out, read again with the row numbers of the whole data."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import Subset

from vog.data import datasets
from vog.data.examples import Examples, FoldPart, digest_of
from vog.data.folds.fold_record import (
    HELD_OUT,
    TRAIN,
    FoldRecord,
    find_fold_record,
    load_fold_record,
)
from vog.errors import DataError
from vog.files.checksum import sha256_of

_NAME = re.compile(rf"({TRAIN}|{HELD_OUT})\.(txt|npz)")
_FOLDER = re.compile(r"fold-(\d{1,9})")


class PartOfFold(Subset[Any]):
    """The items of a dataset that a fold trains on, or holds out; ids are those of the dataset.

    Attributes:
        part: says of which rows.
    """

    def __init__(self, dataset: Any, part: FoldPart) -> None:
        """Take these rows of the dataset."""
        super().__init__(dataset, part.rows.tolist())
        self.part = part


class DatasetFold(NamedTuple):
    """One fold of a dataset.

    Attributes:
        train: what to train on.
        held_out: what to score under the checkpoints of that training.
    """

    train: PartOfFold
    held_out: PartOfFold


def fold(dataset: Any, folder: str | Path, number: int) -> DatasetFold:
    """One of the folds that `vog folds` wrote, of a dataset with the same rows in the same order.

    Args:
        dataset: a map-style dataset.
        folder: what `vog folds` wrote.
        number: of the fold, from 0.

    Returns: what to train on and what to score, as in `train, held_out = vog.fold(data, "F", 0)`.

    Raises:
        DataError: there is no such fold, or the dataset is another.
    """
    record = load_fold_record(Path(folder))
    if not 0 <= number < record.folds:
        raise DataError(f"{folder} has the folds 0 to {record.folds - 1}, and no fold {number}.")
    parts = (record.part(number, held_out, Path(folder)) for held_out in (False, True))
    return DatasetFold(*(part_of_dataset(dataset, record, part) for part in parts))


def part_of_dataset(dataset: Any, record: FoldRecord, part: FoldPart) -> PartOfFold:
    """The rows of a fold of a dataset.

    Raises:
        DataError: the dataset is not the one that the folds were made of.
    """
    examples = datasets.from_dataset(dataset)
    if len(examples) != len(record.held_out_by):
        raise DataError(
            f"the dataset has {len(examples):,} items, and the folds were made of "
            f"{part.total:,}. Give the dataset that they were made of."
        )
    if examples.labels is not None and digest_of(examples.labels) != record.labels:
        raise DataError(
            "the labels of the dataset are not those that the folds were made of, or in another "
            "order. Give the dataset that they were made of, or run `vog folds` again."
        )
    return PartOfFold(dataset, part)


def fold_of_file(path: Path) -> tuple[FoldRecord, FoldPart] | None:
    """The record beside a file that `vog folds` wrote, and which rows the file holds.

    None where the file is another.

    Raises:
        DataError: the record is damaged, or the file was changed since it was written.
    """
    file, folder = _NAME.fullmatch(path.name), _FOLDER.fullmatch(path.absolute().parent.name)
    record = find_fold_record(path.absolute().parent.parent) if file and folder else None
    if not file or not folder or record is None:
        return None
    number = int(folder[1])
    recorded_digest = record.files.get(f"fold-{number}/{path.name}")
    if recorded_digest is None or number >= record.folds:
        return None
    if sha256_of(path) != recorded_digest:
        raise DataError(
            f"{path} was changed since `vog folds` wrote it, so it is not known which rows of the "
            f"data its lines are. Run `vog folds` again into a new folder, or copy the file to "
            f"another place: there it is a list like any other."
        )
    return record, record.part(number, file[1] == HELD_OUT)


def with_original_rows(examples: Examples, record: FoldRecord, part: FoldPart) -> Examples:
    """The examples of such a file, with what only the record knows."""
    assert len(examples) == len(part.rows), "the file is as it was written"
    names = record.label_names
    classes = None if names is None or record.kind != "files" else len(names)
    return replace(examples, label_names=names, classes=classes, fold=part)
