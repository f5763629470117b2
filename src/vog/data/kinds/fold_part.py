"""A part of a fold: a list or an `.npz` of the rows to train on or to score, by `vog folds`."""

from collections.abc import Callable
from pathlib import Path

from vog.data.examples import Examples, FoldPart
from vog.data.folds.fold_file import examples_of_part, fold_of_file, with_original_rows
from vog.data.folds.fold_record import FoldRecord
from vog.data.kinds.python_dataset import PythonDataset
from vog.data.kinds.python_function import PythonFunction, call
from vog.data.protocol import OpenOptions


def open_part_or_whole(
    path: Path, options: OpenOptions, read: Callable[[Path, Path | None], Examples]
) -> Examples:
    """Return the examples of a file; those of a fold with their row numbers in the whole data.

    Args:
        path: the file.
        options: how to open it.
        read: returns the examples of a file, given the folder that its paths are relative to.

    Raises:
        DataError: the file is part of a fold, and was changed since.
    """
    fold = fold_of_file(path)
    if fold is None:
        return read(path, options.root)
    record, part = fold
    if record.kind == "dataset":
        return _items(record, part, options)
    root = options.root or (None if record.root is None else Path(record.root))
    return with_original_rows(read(path, root), record, part)


def _items(record: FoldRecord, part: FoldPart, options: OpenOptions) -> Examples:
    """Return the items of a part: of a dataset that a function returns, or of any other source."""
    if not PythonFunction().opens(record.data):
        from vog.data import kinds  # it imports this module

        examples = kinds.source_of(record.data).examples(record.data, options)
        return examples_of_part(examples, record, part)
    from vog.data.folds.fold_dataset import part_of_dataset

    return PythonDataset().examples(part_of_dataset(call(record.data), record, part), options)
