"""The two parts of a fold, for training and held out, with row numbers of the whole data."""

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
from vog.wording import command

_NAME = re.compile(rf"({TRAIN}|{HELD_OUT})\.(txt|npz)")
_FOLDER = re.compile(r"fold-(\d{1,9})")


class PartOfFold(Subset[Any]):
    """The items of a dataset that a fold trains on, or holds out; ids are those of the dataset.

    Attributes:
        part: the fold and the rows.
    """

    def __init__(self, dataset: Any, part: FoldPart) -> None:
        """Take the rows of `part` from the dataset."""
        super().__init__(dataset, part.rows.tolist())
        self.part = part


class DatasetFold(NamedTuple):
    """One fold of a dataset.

    Attributes:
        train: the items to train on.
        held_out: the items to score with the checkpoints of that training.
    """

    train: PartOfFold
    held_out: PartOfFold


def fold(dataset: Any, folder: str | Path, number: int) -> DatasetFold:
    """Return one of the folds that `vog folds` wrote.

    Args:
        dataset: a map-style dataset with the same rows in the same order as the folds.
        folder: the folder that `vog folds` wrote.
        number: the number of the fold, from 0.

    Returns: the items to train on and to score: `train, held_out = vog.fold(data, "F", 0)`.

    Raises:
        DataError: there is no such fold, or the dataset is not that of the folds.
    """
    record = load_fold_record(Path(folder))
    if not 0 <= number < record.folds:
        raise DataError(f"{folder} has the folds 0 to {record.folds - 1}, but no fold {number}.")
    parts = (record.part(number, held_out, Path(folder)) for held_out in (False, True))
    return DatasetFold(*(part_of_dataset(dataset, record, part) for part in parts))


def part_of_dataset(dataset: Any, record: FoldRecord, part: FoldPart) -> PartOfFold:
    """Return the items of a dataset that are in a part of a fold.

    Raises:
        DataError: the folds were made from a different dataset.
    """
    examples = datasets.from_dataset(dataset)
    if len(examples) != len(record.held_out_by):
        raise DataError(
            f"the dataset has {len(examples):,} items, but the folds were made from "
            f"{part.total:,}. Give the dataset that they were made from."
        )
    if examples.labels is not None and digest_of(examples.labels) != record.labels:
        raise DataError(
            f"the labels of the dataset, or their order, differ from those of the folds. Give the "
            f"dataset that the folds were made from, or make folds again with {command('folds')}."
        )
    return PartOfFold(dataset, part)


def fold_of_file(path: Path) -> tuple[FoldRecord, FoldPart] | None:
    """Return the record of a file that `vog folds` wrote, and its part of a fold.

    None if `vog folds` did not write the file.

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
            f"{path} was changed since {command('folds')} wrote it, so it is unknown which rows of "
            f"the data it has. Make the folds again, in a new folder, or copy the file to a "
            f"different folder: there it is an ordinary file of data."
        )
    return record, record.part(number, file[1] == HELD_OUT)


def with_original_rows(examples: Examples, record: FoldRecord, part: FoldPart) -> Examples:
    """Return the examples of a file of `vog folds`, with the facts from the record."""
    assert len(examples) == len(part.rows), "the file has the digest of the record"
    names = record.label_names
    classes = None if names is None or record.kind != "files" else len(names)
    return replace(examples, label_names=names, classes=classes, fold=part)
