"""Inputs of models: a tensor, or named tensors of equal length, such as tokens and their mask."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from vog.errors import DataError


@dataclass(frozen=True)
class NamedTensors:
    """Inputs that consist of several tensors.

    Attributes:
        tensors: each tensor by its name; the first axis of each has the same examples.
    """

    tensors: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        """Copy the mapping, which could change.

        Raises:
            DataError: there is no tensor, or the tensors differ in length.
        """
        object.__setattr__(self, "tensors", dict(self.tensors))
        lengths = {tuple(tensor.shape[:1]) for tensor in self.tensors.values()}
        if len(lengths) != 1 or () in lengths:
            shapes = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
            raise DataError(
                f"named inputs have the shapes {shapes}; expected at least one tensor, and as many "
                f"rows in each as there are examples."
            )

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, rows: slice | Int[Tensor, "k"] | Bool[Tensor, "n"]) -> "NamedTensors":
        """Return some rows of each tensor.

        Raises:
            TypeError: a number is given; without its first axis a tensor has no examples.
        """
        if not isinstance(rows, slice | Tensor) or (isinstance(rows, Tensor) and rows.ndim != 1):
            raise TypeError(f"rows of named tensors are a slice or an index tensor, not {rows!r}")
        return self._with_each(lambda tensor: tensor[rows])

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "NamedTensors":
        """Return the tensors on a device."""
        return self._with_each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "NamedTensors":
        """Return the tensors in memory from which a GPU copies directly."""
        return self._with_each(lambda tensor: tensor.pin_memory())

    def _with_each(self, function: Callable[[Tensor], Tensor]) -> "NamedTensors":
        return NamedTensors({name: function(tensor) for name, tensor in self.tensors.items()})


Inputs = Tensor | NamedTensors


def tensors_by_name(inputs: Inputs) -> dict[str | None, Tensor]:
    """Return the tensors of inputs by name; None is the name of a single tensor."""
    return {None: inputs} if isinstance(inputs, Tensor) else {**inputs.tensors}


def from_tensors(tensors: Mapping[str | None, Tensor]) -> Inputs:
    """Return the inputs of which `tensors_by_name` returns these tensors."""
    named = {name: tensor for name, tensor in tensors.items() if name is not None}
    return tensors[None] if None in tensors else NamedTensors(named)


def concat(parts: Sequence[Inputs]) -> Inputs:
    """Return the examples of all parts, in order.

    A part without examples may lack the names of the rest: a batch without a readable row does.

    Raises:
        DataError: parts differ in the names of their tensors.
    """
    columns = [tensors_by_name(part) for part in parts if len(part)] or [tensors_by_name(parts[0])]
    for column in columns[1:]:
        if column.keys() != columns[0].keys():
            raise DataError(
                f"batches differ in the names of their inputs: one has {names_phrase(columns[0])}; "
                f"another has {names_phrase(column)}. Return the same names for each example."
            )
    return from_tensors(
        {name: torch.cat([column[name] for column in columns]) for name in columns[0]}
    )


def equal(first: Inputs, second: Inputs) -> bool:
    """Return whether names, shapes, types and values are equal; NaN is equal to NaN."""
    expected, actual = tensors_by_name(first), tensors_by_name(second)
    return expected.keys() == actual.keys() and all(
        _equal_tensors(expected[name], actual[name]) for name in expected
    )


def _equal_tensors(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(((first == second) | (first.isnan() & second.isnan())).all())


def elements_per_example(inputs: Inputs) -> int:
    """Return the number of elements that the tensors have for one example."""
    return sum(math.prod(tensor.shape[1:]) for tensor in tensors_by_name(inputs).values())


def example_shape(inputs: Inputs) -> tuple[int, ...]:
    """Return the shape of one example; with several tensors, of the first one of floats."""
    tensors = list(tensors_by_name(inputs).values())
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return tuple((floats or tensors)[0].shape[1:])


def digest_parts(inputs: Inputs) -> list[object]:
    """Return the first example for a digest: its values, and its names in alphabetical order."""
    tensors = tensors_by_name(inputs)
    parts = [(name, tensors[name][0].numpy()) for name in sorted(tensors, key=str)]
    return [part for pair in parts for part in pair if part is not None]


def names_phrase(tensors: Mapping[str | None, Tensor]) -> str:
    """Return the names of tensors as a part of a message."""
    return "a tensor without a name" if None in tensors else ", ".join(map(repr, tensors))
