"""Examples from a map-style PyTorch `Dataset` of the user."""

import os
from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from vog import user_functions
from vog.data import connections, worker_processes
from vog.data.batch_reading import read_locally, with_workers
from vog.data.examples import (
    UNLABELLED,
    Examples,
    FoldPart,
    RowNumbers,
    UnreadableError,
    digest_of,
)
from vog.data.images import Transform
from vog.data.inputs import digest_parts
from vog.data.item_parts import ignored_parts_note, input_and_label
from vog.data.labels import as_label, column_of, digest_part
from vog.errors import DataError
from vog.files.file_names import printable
from vog.item_keys import ANY_KEYS, ItemKeys

_SAMPLE_SIZE = 8


@dataclass(frozen=True)
class DatasetReader:
    """Reads an example from an item of a dataset: `(input, label)`, or an input alone."""

    dataset: Any
    transform: Transform | None
    keys: ItemKeys = ANY_KEYS

    @property
    def in_memory(self) -> bool:
        """Return whether an item needs no computation."""
        return self.transform is None and _is_in_memory(self.dataset)

    def __call__(self, index: int) -> tuple[Any, Any]:
        """Return the input, transformed, and the label.

        Raises:
            UnreadableError: the dataset raised OSError, as Pillow does for damaged files.
            DataError: the item has no input, or its label is not of numbers.
        """
        return self.to_input_and_label(index, self.item(index))

    @property
    def files_root(self) -> str | None:
        """Return the folder in which ids are paths, as for torchvision's ImageFolder; or None."""
        whole = _innermost_dataset(self.dataset)
        if isinstance(getattr(whole, "ids", None), Sized) or not _has_files(whole):
            return None
        return os.path.abspath(whole.root)  # noqa: PTH100 (links stay links)

    def stored(self, index: int) -> Any:
        """Return the input of an item without a transform.

        Raises:
            OSError: the dataset cannot decode it.
        """
        return input_and_label(index, self.dataset[index], self.keys)[0]

    def item(self, index: int) -> Any:
        """Return an item as the dataset does.

        Raises:
            UnreadableError: the dataset raised OSError.
        """
        try:
            return self.dataset[index]
        except OSError as error:
            raise UnreadableError(printable(str(error))) from error

    def to_input_and_label(self, index: int, item: Any) -> tuple[Any, Any]:
        """Return the input of an item, transformed, and its label.

        Raises:
            DataError: as for a call.
        """
        value, label = input_and_label(index, item, self.keys)
        number = as_label(index, label)
        return (value if self.transform is None else self.transform(value)), number


def _is_in_memory(dataset: Any) -> bool:
    whole = _innermost_dataset(dataset)
    return type(whole) in (list, tuple, TensorDataset)


def from_dataset(
    dataset: Any,
    transform: Transform | None = None,
    workers: int | None = 0,
    sockets: connections.Sockets | None = None,
    keys: ItemKeys = ANY_KEYS,
) -> Examples:
    """Return the examples of a dataset with a length and numbered items.

    Ids are `dataset.ids`, or the paths of `dataset.samples`, or row numbers; a `Subset` has the
    ids of its rows in the whole dataset. Labels are `dataset.targets` if they exist, so that they
    are checked before anything is computed. If worker processes will read the items, none is read
    here; see `vog.data.worker_processes`. Open sockets not in `sockets` belong to the dataset.
    `keys` says where items that are mappings have input and label.

    Raises:
        DataError: the dataset is not map-style, or is empty.
    """
    if isinstance(dataset, DataLoader):
        raise DataError(
            "a DataLoader was given; expected its dataset. A loader may shuffle, and then it is "
            "unknown which example a row is. Pass loader.dataset."
        )
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"the data are {_type_phrase(dataset)}; expected a map-style Dataset with "
            f"__len__ and __getitem__, whose rows have numbers. Pass list(dataset) if it fits into "
            f"memory, or write it to files first."
        )
    if _length(dataset) == 0:
        raise DataError(f"the dataset {_type_phrase(dataset)} has no items or no length.")
    ids, labels = ids_of(dataset), None if keys.label else _labels(dataset)
    if not isinstance(ids, RowNumbers) and (len(ids) != len(dataset) or len(set(ids)) < len(ids)):
        raise DataError(
            f"the dataset has {len(dataset)} items and {len(set(ids))} different ids; "
            f"each item needs its own."
        )
    reader = DatasetReader(dataset, transform, keys)
    examples = with_workers(Examples(ids, reader, ""), workers, sockets)
    sample, note = _inspect_sample(examples)
    if labels is not None and not all(
        np.array_equal(labels[row], label, equal_nan=True) for row, _, label in sample
    ):
        labels = None  # `targets` differ from the items, such as with a target_transform
    if (
        labels is None
        and sample
        and all(isinstance(label, int) and label == UNLABELLED for _, _, label in sample)
    ):
        labels = np.full(len(dataset), UNLABELLED)
    names = getattr(_innermost_dataset(dataset), "classes", None)
    has_names = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return replace(
        examples,
        fold=_fold_of(dataset),
        digest=_digest(ids, labels, sample, getattr(dataset, "digest", None)),
        labels=labels,
        label_names=tuple(map(printable, names)) if has_names and names else None,
        notes=(*examples.notes, note) if note else examples.notes,
    )


def _fold_of(dataset: Any) -> FoldPart | None:
    """Return the rows of the whole data, if the dataset is a part of a fold and keeps its order."""
    if not isinstance(dataset, Subset):
        return None
    part = getattr(dataset, "part", None)
    if isinstance(part, FoldPart):
        return part
    parent_fold = _fold_of(dataset.dataset)
    if parent_fold is None:
        return None
    rows = parent_fold.rows[_subset_rows(dataset, len(parent_fold.rows))]
    ascends = bool((np.diff(rows) > 0).all())
    return replace(parent_fold, rows=rows, file=None) if ascends else None


def _length(dataset: Any) -> int:
    """Return the number of items; 0 if the dataset has no length.

    Raises:
        DataError: `__len__` fails.
    """
    if not hasattr(dataset, "__len__"):
        return 0
    try:
        return len(dataset)
    except Exception as error:  # code of the user can raise anything
        raise DataError(
            f"the length of the dataset {_type_phrase(dataset)} is unknown: "
            f"{user_functions.describe_error(error)}. Expected __len__ to return a whole number."
        ) from error


def _innermost_dataset(dataset: Any) -> Any:
    """Return the dataset below all subsets of subsets."""
    return _innermost_dataset(dataset.dataset) if isinstance(dataset, Subset) else dataset


def ids_of(dataset: Any) -> Sequence[str]:
    """Return the id of each item, as in `from_dataset`; no item is read.

    Raises:
        DataError: a `Subset` has rows that the whole dataset lacks.
    """
    if isinstance(dataset, Subset):
        all_ids = ids_of(dataset.dataset)
        return [str(all_ids[row]) for row in _subset_rows(dataset, len(all_ids)).tolist()]
    if isinstance(getattr(dataset, "ids", None), Sized):
        return [printable(str(item_id)) for item_id in dataset.ids]
    if _has_files(dataset):
        samples: Any = dataset.samples
        return [printable(_relative_path(str(sample[0]), str(dataset.root))) for sample in samples]
    return RowNumbers(len(dataset))


def _has_files(dataset: Any) -> bool:
    """Return whether a dataset has a root and a file an item, such as torchvision's ImageFolder."""
    samples: Any = getattr(dataset, "samples", None)
    is_rooted = isinstance(getattr(dataset, "root", None), str | os.PathLike)
    return is_rooted and _are_file_samples(samples) and len(samples) == len(dataset)


def _subset_rows(subset: Any, rows: int) -> Int[np.ndarray, "n"]:
    """Return the rows of the whole dataset that are in a subset.

    Raises:
        DataError: the indices are not row numbers of the whole dataset.
    """
    indices = np.asarray(subset.indices)
    numbers = indices.astype(np.int64) if indices.dtype.kind in "iu" or not indices.size else None
    if numbers is None or numbers.ndim != 1:
        raise DataError(
            f"a Subset has indices of shape {indices.shape} and type {indices.dtype}; expected a "
            f"list of row numbers."
        )
    out_of_range = numbers[(numbers < -rows) | (numbers >= rows)]
    if len(out_of_range):
        raise DataError(
            f"a Subset has row {out_of_range[0]} of a dataset of {rows:,} items; expected "
            f"indices below that. Correct the indices."
        )
    return numbers


def _are_file_samples(samples: Any) -> bool:
    """Return whether a list has only pairs that begin with a path."""
    return isinstance(samples, list) and all(
        isinstance(sample, tuple | list) and sample and isinstance(sample[0], str | os.PathLike)
        for sample in samples
    )


def _relative_path(path: str, root: str) -> str:
    is_below = Path(path).is_relative_to(root)
    return (Path(path).relative_to(root) if is_below else Path(path)).as_posix()


def _labels(dataset: Any) -> Shaped[np.ndarray, "n *label"] | None:
    """Return the labels in `dataset.targets`; None if not each item has a number or a vector."""
    if isinstance(dataset, Subset):
        all_labels = _labels(dataset.dataset)
        return None if all_labels is None else all_labels[_subset_rows(dataset, len(all_labels))]
    return column_of(getattr(dataset, "targets", None), len(dataset))


def _inspect_sample(examples: Examples) -> tuple[list[tuple[int, list[object], Any]], str]:
    """Return row, values and label of some readable rows; a note on unread parts."""
    rows = np.unique(np.linspace(0, len(examples) - 1, _SAMPLE_SIZE).astype(int)).tolist()
    read = partial(_inspect_row, examples)
    items = list(
        worker_processes.mapped(read, rows, 1) if examples.read_by_workers else map(read, rows)
    )
    sample = [(row, *item[:2]) for row, item in zip(rows, items, strict=True) if item is not None]
    return sample, next((item[2] for item in items if item is not None), "")


def _inspect_row(examples: Examples, row: int) -> tuple[list[object], Any, str] | None:
    """Return values, label and a note on unread parts of a row; None if it is unreadable."""
    reader = examples.read
    assert isinstance(reader, DatasetReader)
    try:
        item = reader.item(row)
    except UnreadableError:
        return None
    except Exception:
        item = None  # reading below raises it with a better message
    read = reader if item is None else lambda index: reader.to_input_and_label(index, item)
    batch = read_locally(replace(examples, read=read), range(row, row + 1))
    if not len(batch.positions):
        return None
    note = ignored_parts_note(item, reader.keys)
    return digest_parts(batch.inputs), digest_part(batch.labels[0]), note


def _digest(
    ids: Sequence[str],
    labels: Shaped[np.ndarray, "n *label"] | None,
    sample: list[tuple[int, list[object], Any]],
    user_digest: object,
) -> str:
    """Return a digest of length, ids, labels, a few items and `dataset.digest`."""
    named_ids = [] if isinstance(ids, RowNumbers) else ids
    items = [part for row, inputs, label in sample for part in (row, *inputs, label)]
    user_digests = [user_digest] if isinstance(user_digest, str) else []
    return digest_of(len(ids), *named_ids, "" if labels is None else labels, *items, *user_digests)


def _type_phrase(instance: object) -> str:
    return f"of type {type(instance).__name__}"
