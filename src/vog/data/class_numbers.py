"""Number the classes of data as the model does, which has names for its outputs."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data.examples import UNLABELLED, Examples
from vog.errors import DataError, first_few
from vog.wording import option


@dataclass(frozen=True)
class RenumberedReader:
    """Reads examples of a reader, with other numbers for their classes.

    Attributes:
        read: the reader.
        numbers: the number of each class in the model, by its number in the data.
    """

    read: Any
    numbers: tuple[int, ...]

    def __call__(self, index: int) -> tuple[Any, int]:
        """Return the input and the label of a row."""
        value, label = self.read(index)
        return value, _renumbered(self.numbers, label)

    def stored(self, index: int) -> Any:
        """Return the input of a row without a transform."""
        return self.read.stored(index)

    @property
    def transform(self) -> Any:
        """Return the transform of the reader, which the question of a run names."""
        return getattr(self.read, "transform", None)


def numbered_as_model(examples: Examples, names: Sequence[str]) -> tuple[Examples, str | None]:
    """Return the examples with the numbers that the model has for their classes, and a note.

    Args:
        examples: as opened. Those without names of classes are returned as they are.
        names: the name of each output of the model, by number.

    Raises:
        DataError: a class of the data has a name that no output has, or several have.
    """
    own = examples.label_names
    if own is None or tuple(own) == tuple(names):
        return examples, None
    unknown = [name for name in own if list(names).count(name) != 1]
    if unknown:
        raise DataError(
            f"the classes of the data are {first_few(list(own), 12)}; those of the model are "
            f"{first_few(list(names), 12)}. It is unknown which output {unknown[0]!r} is. Give the "
            f"data the names of the model (id2label), or a list file as {option('data')} with the "
            f"numbers of its outputs."
        )
    numbers = tuple(list(names).index(name) for name in own)
    moved = [name for number, name in enumerate(own) if numbers[number] != number]
    note = f"numbered as in the model, by their names ({first_few(moved)})" if moved else None
    labels = None if examples.labels is None else _renumber_all(examples.labels, numbers)
    renumbered = dataclasses.replace(
        examples,
        read=_with_numbers(examples.read, numbers) if moved else examples.read,
        labels=labels,
        label_names=tuple(names),
        classes=None,
    )
    return renumbered, note


def _with_numbers(read: Any, numbers: tuple[int, ...]) -> Any:
    """Return a reader with other labels: in its list of labels, if it has one."""
    labels = getattr(read, "labels", None)
    if dataclasses.is_dataclass(read) and isinstance(labels, np.ndarray):
        return dataclasses.replace(read, labels=_renumber_all(labels, numbers))  # type: ignore[type-var]
    return RenumberedReader(read, numbers)


def _renumber_all(labels: Int[np.ndarray, "n"], numbers: Sequence[int]) -> Int[np.ndarray, "n"]:
    # Labels beyond the names stay what they are: the checks report them.
    table = np.array([*numbers], labels.dtype)
    inside = (labels >= 0) & (labels < len(table))
    return np.where(inside, table[np.where(inside, labels, 0)], labels)


def _renumbered(numbers: Sequence[int], label: int) -> int:
    return label if label == UNLABELLED or label >= len(numbers) else numbers[label]
