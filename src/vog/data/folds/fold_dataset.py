"""The two parts of a fold, for training and held out, with row numbers of the whole data."""

from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import Subset

from vog.data import datasets
from vog.data.examples import FoldPart, digest_of
from vog.data.folds.fold_record import FoldRecord, load_fold_record
from vog.errors import DataError
from vog.wording import command


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
