"""A map-style PyTorch `Dataset` of the user's."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from vog.data.batches import read
from vog.data.examples import UNLABELLED, Examples, RowNumbers, UnreadableError, digest_of
from vog.data.images import Transform
from vog.errors import DataError

_SAMPLED = 8


@dataclass(frozen=True)
class Items:
    """Reads one `(input, label)` item of a dataset an example, or an input without a label."""

    dataset: Any
    transform: Transform | None

    def __call__(self, index: int) -> tuple[Any, int]:
        """The input, transformed, and the label.

        Raises:
            UnreadableError: the dataset raised OSError, as Pillow does for damaged files.
            DataError: the item is neither an array nor a pair of an input and a whole number.
        """
        try:
            item = self.dataset[index]
        except OSError as error:
            raise UnreadableError(str(error)) from error
        value, label = self._apart(index, item)
        if label is None:
            return (value if self.transform is None else self.transform(value)), UNLABELLED
        try:
            number = int(label)
            if number != float(label):
                raise ValueError("not whole")
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(
                f"item {index} of the dataset has the label {label!r}; expected a whole number."
            ) from error
        return (value if self.transform is None else self.transform(value)), number

    def _apart(self, index: int, item: Any) -> tuple[Any, Any]:
        """The input and the label, which is None where there is none."""
        if isinstance(item, tuple | list) and 1 <= len(item) <= 2:
            return item[0], item[1] if len(item) == 2 else None
        if isinstance(item, np.ndarray | Tensor | Image.Image):
            return item, None
        raise DataError(
            f"item {index} of the dataset is {_described(item)}; expected (input, label)."
        )


def from_dataset(dataset: Any, transform: Transform | None = None) -> Examples:
    """Examples of a dataset with a length and numbered items.

    Ids are `dataset.ids`, or the paths of `dataset.samples`, or row numbers; a `Subset` has
    those of the rows it shows of the whole. Labels are `dataset.targets` where there are
    such, so that they can be checked before anything is computed.

    Raises:
        DataError: not a map-style dataset, or an empty one.
    """
    if isinstance(dataset, DataLoader):
        raise DataError(
            "a DataLoader was given; expected its dataset. A loader may shuffle, and then no row "
            "knows which example it is. Pass loader.dataset."
        )
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        raise DataError(
            f"the data are {_described(dataset)}; expected a map-style Dataset with "
            f"__len__ and __getitem__."
        )
    if not hasattr(dataset, "__len__") or len(dataset) == 0:
        raise DataError(f"the dataset {_described(dataset)} has no items or no length.")
    ids, labels = ids_of(dataset), _labels(dataset)
    if not isinstance(ids, RowNumbers) and (len(ids) != len(dataset) or len(set(ids)) < len(ids)):
        raise DataError(
            f"the dataset has {len(dataset)} items and {len(set(ids))} different ids; "
            f"each item needs its own."
        )
    sample = _sample(Examples(ids, Items(dataset, transform), ""))
    if labels is not None and any(labels[row] != label for row, _, label in sample):
        labels = None  # `targets` are not what the items say, as with a target_transform
    if labels is None and sample and all(label == UNLABELLED for _, _, label in sample):
        labels = np.full(len(dataset), UNLABELLED)
    names = getattr(_whole(dataset), "classes", None)
    named = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return Examples(
        ids,
        Items(dataset, transform),
        _digest(ids, labels, sample, getattr(dataset, "digest", None)),
        labels,
        tuple(names) if named and names else None,
    )


def _whole(dataset: Any) -> Any:
    """The dataset that subsets of subsets show rows of."""
    return _whole(dataset.dataset) if isinstance(dataset, Subset) else dataset


def ids_of(dataset: Any) -> Sequence[str]:
    """The name of each item, as `from_dataset` takes them; no item is read."""
    if isinstance(dataset, Subset):
        whole = ids_of(dataset.dataset)
        return [whole[int(index)] for index in dataset.indices]
    if isinstance(getattr(dataset, "ids", None), Sized):
        return [str(one) for one in dataset.ids]
    samples = getattr(dataset, "samples", None)  # torchvision's ImageFolder and its like
    if isinstance(samples, list) and len(samples) == len(dataset) and hasattr(dataset, "root"):
        return [_below(str(sample[0]), str(dataset.root)) for sample in samples]
    return RowNumbers(len(dataset))


def _below(path: str, root: str) -> str:
    inside = Path(path).is_relative_to(root)
    return (Path(path).relative_to(root) if inside else Path(path)).as_posix()


def _labels(dataset: Any) -> Int[np.ndarray, "n"] | None:
    if isinstance(dataset, Subset):
        whole = _labels(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices, np.int64)]
    targets = getattr(dataset, "targets", None)
    if targets is None or len(targets) != len(dataset):
        return None
    labels = np.asarray(targets)
    return labels.astype(np.int64) if labels.dtype.kind in "iu" and labels.ndim == 1 else None


def _sample(examples: Examples) -> list[tuple[int, np.ndarray, int]]:
    """A few rows spread evenly, with input and label; those that cannot be read are left out."""
    rows = np.unique(np.linspace(0, len(examples) - 1, _SAMPLED).astype(int)).tolist()
    read_ = [read(examples, range(row, row + 1)) for row in rows]
    return [
        (row, one.inputs[0].detach().numpy(), int(one.labels[0]))
        for row, one in zip(rows, read_, strict=True)
        if len(one.at)
    ]


def _digest(
    ids: Sequence[str],
    labels: Int[np.ndarray, "n"] | None,
    sample: list[tuple[int, np.ndarray, int]],
    own: object,
) -> str:
    """Length, ids, labels, a few items, and what the dataset says itself: not a pass over it."""
    named = [] if isinstance(ids, RowNumbers) else ids
    items = [part for item in sample for part in item]
    told = [own] if isinstance(own, str) else []
    return digest_of(len(ids), *named, "" if labels is None else labels, *items, *told)


def _described(thing: object) -> str:
    return f"of type {type(thing).__name__}"
