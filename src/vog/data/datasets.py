"""A map-style PyTorch `Dataset` of the user's."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset

from vog.data import processes
from vog.data.batches import read_here, with_workers
from vog.data.examples import UNLABELLED, Examples, RowNumbers, UnreadableError, digest_of
from vog.data.images import Transform
from vog.errors import DataError, first_few
from vog.file_names import printable
from vog.items import INPUT_KEYS, LABEL_KEYS, key_of

_SAMPLED = 8


@dataclass(frozen=True)
class Items:
    """Reads one `(input, label)` item of a dataset an example, or an input without a label."""

    dataset: Any
    transform: Transform | None

    @property
    def in_memory(self) -> bool:
        """Whether reading an item is no work."""
        return self.transform is None and _is_in_memory(self.dataset)

    def __call__(self, index: int) -> tuple[Any, int]:
        """The input, transformed, and the label.

        Raises:
            UnreadableError: the dataset raised OSError, as Pillow does for damaged files.
            DataError: the item holds no input and label, or its label is no whole number.
        """
        return self.made(index, self.item(index))

    def item(self, index: int) -> Any:
        """The item as the dataset returns it.

        Raises:
            UnreadableError: the dataset raised OSError.
        """
        try:
            return self.dataset[index]
        except OSError as error:
            raise UnreadableError(str(error)) from error

    def made(self, index: int, item: Any) -> tuple[Any, int]:
        """The input of an item, transformed, and the label.

        Raises:
            DataError: as for a call.
        """
        value, label = parts_of(index, item)
        number = UNLABELLED if label is None else _whole_number(index, label)
        return (value if self.transform is None else self.transform(value)), number


def parts_of(index: int, item: Any) -> tuple[Any, Any]:
    """The input and the label of an item; the label is None where there is none.

    Raises:
        DataError: it cannot be told what is what in the item.
    """
    if isinstance(item, Mapping):
        given = key_of(item, INPUT_KEYS)
        if given is not None:
            label = key_of(item, LABEL_KEYS)
            return item[given], None if label is None else item[label]
        raise DataError(
            f"item {index} of the dataset has the keys {first_few([repr(key) for key in item])}; "
            f"expected an input as {first_few(INPUT_KEYS)}, and a label as "
            f"{first_few(LABEL_KEYS)}. Or return (input, label)."
        )
    if isinstance(item, tuple | list) and len(item) > 0:
        if len(item) > 2 and isinstance(item[0], Number):
            raise DataError(
                f"item {index} of the dataset has {len(item)} parts and begins with the number "
                f"{item[0]!r}; expected (input, label, ...). Return the input first."
            )
        return item[0], item[1] if len(item) > 1 else None
    if isinstance(item, np.ndarray | Tensor | Image.Image):
        return item, None
    raise DataError(f"item {index} of the dataset is {_described(item)}; expected (input, label).")


def _form(item: Any) -> str:
    """What is read of an item with more parts than an input and a label, in words; else empty."""
    if isinstance(item, Mapping):
        read = [key for keys in (INPUT_KEYS, LABEL_KEYS) if (key := key_of(item, keys))]
        ignored = [repr(key) for key in item if key not in read]
        if not ignored:
            return ""
        return f"of each item {' and '.join(map(repr, read))} are read, not {first_few(ignored)}"
    if isinstance(item, tuple | list) and len(item) > 2:
        return f"items have {len(item)} parts; the first two are read, as input and label"
    return ""


def _whole_number(index: int, label: Any) -> int:
    """A label, which may be a tensor or an array of one number.

    Raises:
        DataError: it is no whole number.
    """
    try:
        single = isinstance(label, np.ndarray | Tensor) and label.shape in ((), (1,))
        value = label.item() if single else label
        number = int(value)
        if number != float(value) or abs(number) >= 2**63:
            raise ValueError("not whole")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(
            f"item {index} of the dataset has the label {label!r}; expected a whole number."
        ) from error
    return number


def _is_in_memory(dataset: Any) -> bool:
    whole = _whole(dataset)
    return type(whole) in (list, tuple, TensorDataset)


def from_dataset(
    dataset: Any, transform: Transform | None = None, workers: int | None = 0
) -> Examples:
    """Examples of a dataset with a length and numbered items.

    Ids are `dataset.ids`, or the paths of `dataset.samples`, or row numbers; a `Subset` has
    those of the rows it shows of the whole. Labels are `dataset.targets` where there are
    such, so that they can be checked before anything is computed. Where worker processes are
    going to read the items, none is read here; see `vog.data.processes`.

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
    examples = with_workers(Examples(ids, Items(dataset, transform), ""), workers)
    sample, form = _sample(examples)
    if labels is not None and any(labels[row] != label for row, _, label in sample):
        labels = None  # `targets` are not what the items say, as with a target_transform
    if labels is None and sample and all(label == UNLABELLED for _, _, label in sample):
        labels = np.full(len(dataset), UNLABELLED)
    names = getattr(_whole(dataset), "classes", None)
    named = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return replace(
        examples,
        digest=_digest(ids, labels, sample, getattr(dataset, "digest", None)),
        labels=labels,
        label_names=tuple(map(printable, names)) if named and names else None,
        notes=(*examples.notes, form) if form else examples.notes,
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
        return [printable(str(one)) for one in dataset.ids]
    samples = getattr(dataset, "samples", None)  # torchvision's ImageFolder and its like
    if isinstance(samples, list) and len(samples) == len(dataset) and hasattr(dataset, "root"):
        return [printable(_below(str(sample[0]), str(dataset.root))) for sample in samples]
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
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    return labels.astype(np.int64) if labels.dtype.kind in "iu" and labels.ndim == 1 else None


def _sample(examples: Examples) -> tuple[list[tuple[int, np.ndarray, int]], str]:
    """A few rows spread evenly, with input and label, and what is not read of the first of them.

    Rows that cannot be read are left out.
    """
    rows = np.unique(np.linspace(0, len(examples) - 1, _SAMPLED).astype(int)).tolist()
    look = partial(_look, examples)
    looks = list(processes.mapped(look, rows, 1) if examples.apart else map(look, rows))
    sample = [(row, *seen[:2]) for row, seen in zip(rows, looks, strict=True) if seen is not None]
    return sample, next((seen[2] for seen in looks if seen is not None), "")


def _look(examples: Examples, row: int) -> tuple[np.ndarray, int, str] | None:
    """Input and label of a row, and what is not read of its item; None if it cannot be read."""
    items = examples.read
    assert isinstance(items, Items)
    try:
        item = items.item(row)
    except UnreadableError:
        return None
    except Exception:
        item = None  # reading says it better
    read = items if item is None else lambda index: items.made(index, item)
    batch = read_here(replace(examples, read=read), range(row, row + 1))
    if not len(batch.at):
        return None
    return batch.inputs[0].detach().numpy(), int(batch.labels[0]), _form(item)


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
