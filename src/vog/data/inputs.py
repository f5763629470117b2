"""Inputs of models: a tensor, several tensors, or examples of different lengths, such as texts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from vog.errors import DataError

# The name of the tensor that says which positions are real (1) and not padding (0), as Hugging Face
# has it. Masks of other names often mean the opposite.
MASK = "attention_mask"


@dataclass(frozen=True)
class NamedTensors:
    """Inputs that consist of several tensors.

    Attributes:
        tensors: each tensor by its name; the first axis of each has the same examples. Tensors that
            a model takes by position have the names of `position_name`.
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


Uniform = Tensor | NamedTensors


@dataclass(frozen=True)
class VariedInputs:
    """Inputs of examples that differ in length, such as texts that are not padded.

    Attributes:
        examples: the inputs of each example, with one row each and the same names.
    """

    examples: tuple[Uniform, ...]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, rows: slice | Int[Tensor, "k"] | Bool[Tensor, "n"]) -> "Inputs":
        """Return some of the examples.

        Raises:
            TypeError: a number is given; without its first axis a tensor has no examples.
        """
        if isinstance(rows, slice):
            return of_examples(self.examples[rows])
        if not isinstance(rows, Tensor) or rows.ndim != 1:
            raise TypeError(f"rows of inputs are a slice or an index tensor, not {rows!r}")
        numbers = torch.arange(len(self))[rows.cpu()].tolist()
        return of_examples([self.examples[number] for number in numbers])

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of all tensors."""
        return sum(example.nbytes for example in self.examples)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "VariedInputs":
        """Return the tensors on a device."""
        return VariedInputs(
            tuple(each.to(device, non_blocking=non_blocking) for each in self.examples)
        )

    def pin_memory(self) -> "VariedInputs":
        """Return the tensors in memory from which a GPU copies directly."""
        return VariedInputs(tuple(each.pin_memory() for each in self.examples))

    @property
    def longest(self) -> Uniform:
        """The example with the most elements; the first of several."""
        return max(self.examples, key=_elements)


Inputs = Uniform | VariedInputs


def of_examples(examples: Sequence[Uniform]) -> Inputs:
    """Return the inputs of single examples as those of a batch; tensors if shapes are equal."""
    columns = [tensors_by_name(example) for example in examples]
    if len({_shapes(column) for column in columns}) > 1:
        return VariedInputs(tuple(examples))
    if not columns:
        return torch.empty(0)
    return from_tensors(
        {name: torch.cat([column[name] for column in columns]) for name in columns[0]}
    )


def _shapes(tensors: Mapping[str | None, Tensor]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(tensor.shape[1:]) for tensor in tensors.values())


def position_name(position: int) -> str:
    """Return the name of a tensor that a model takes by its position; no argument has such one."""
    return str(position)


def is_positional(inputs: NamedTensors) -> bool:
    """Return whether a model takes the tensors by position."""
    return list(inputs.tensors) == [position_name(i) for i in range(len(inputs.tensors))]


def tensors_by_name(inputs: Uniform) -> dict[str | None, Tensor]:
    """Return the tensors of inputs by name; None is the name of a single tensor."""
    return {None: inputs} if isinstance(inputs, Tensor) else {**inputs.tensors}


def from_tensors(tensors: Mapping[str | None, Tensor]) -> Uniform:
    """Return the inputs of which `tensors_by_name` returns these tensors."""
    named = {name: tensor for name, tensor in tensors.items() if name is not None}
    return tensors[None] if None in tensors else NamedTensors(named)


def concat(parts: Sequence[Inputs]) -> Inputs:
    """Return the examples of all parts, in order.

    A part without examples may lack the names of the rest: a batch without a readable row does.

    Raises:
        DataError: parts differ in the names of their tensors.
    """
    pieces = [piece for part in parts if len(part) for piece in _pieces(part)] or _pieces(parts[0])
    columns = [tensors_by_name(piece) for piece in pieces]
    for column in columns[1:]:
        if column.keys() != columns[0].keys():
            raise DataError(
                f"batches differ in the names of their inputs: one has {names_phrase(columns[0])}; "
                f"another has {names_phrase(column)}. Return the same names for each example."
            )
    if len({_shapes(column) for column in columns}) > 1:
        rows = [piece[row : row + 1] for piece in pieces for row in range(len(piece))]
        return VariedInputs(tuple(rows))
    return from_tensors(
        {name: torch.cat([column[name] for column in columns]) for name in columns[0]}
    )


def _pieces(inputs: Inputs) -> list[Uniform]:
    return list(inputs.examples) if isinstance(inputs, VariedInputs) else [inputs]


def equal(first: Inputs, second: Inputs) -> bool:
    """Return whether names, shapes, types and values are equal; NaN is equal to NaN."""
    if isinstance(first, VariedInputs) or isinstance(second, VariedInputs):
        pairs = zip(_pieces(first), _pieces(second), strict=False)
        is_alike = type(first) is type(second) and len(first) == len(second)
        return is_alike and all(equal(*pair) for pair in pairs)
    expected, actual = tensors_by_name(first), tensors_by_name(second)
    return expected.keys() == actual.keys() and all(
        _equal_tensors(expected[name], actual[name]) for name in expected
    )


def _equal_tensors(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(((first == second) | (first.isnan() & second.isnan())).all())


def elements_per_example(inputs: Inputs) -> int:
    """Return the number of elements that the tensors have for one example: for the longest one."""
    return _elements(inputs.longest if isinstance(inputs, VariedInputs) else inputs)


def _elements(inputs: Uniform) -> int:
    return sum(math.prod(tensor.shape[1:]) for tensor in tensors_by_name(inputs).values())


def example_shape(inputs: Inputs) -> tuple[int, ...]:
    """Return the shape of one example, the longest; of several tensors, of the first of floats."""
    uniform = inputs.longest if isinstance(inputs, VariedInputs) else inputs
    tensors = list(tensors_by_name(uniform).values())
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return tuple((floats or tensors)[0].shape[1:])


def lengths_of(inputs: Inputs) -> Int[Tensor, "n"] | None:
    """Return how many positions of each example are real; None if the inputs are no sequences.

    The positions are those of a mask, or else of the first sequence of whole numbers, or else of
    the first sequence at all.
    """
    if isinstance(inputs, VariedInputs):
        lengths = [lengths_of(example) for example in inputs.examples]
        known = [length for length in lengths if length is not None]
        return torch.cat(known) if len(known) == len(lengths) else None
    tensors = tensors_by_name(inputs)
    if MASK in tensors and tensors[MASK].ndim == 2:
        return (tensors[MASK] != 0).sum(dim=1)
    sequences = [tensor for tensor in tensors.values() if tensor.ndim in (2, 3)]
    if not sequences:
        return None
    whole = [tensor for tensor in sequences if not tensor.is_floating_point()]
    return torch.full((len(inputs),), (whole or sequences)[0].shape[1], dtype=torch.int64)


def may_vary(inputs: Inputs) -> bool:
    """Return whether the examples are sequences whose real lengths differ, as far as one sees."""
    if isinstance(inputs, VariedInputs):
        return True
    names = tensors_by_name(inputs)
    return (MASK in names and names[MASK].ndim == 2) or "input_ids" in names


def digest_parts(inputs: Inputs) -> list[object]:
    """Return the first example for a digest: its values, and its names in alphabetical order."""
    tensors = tensors_by_name(_pieces(inputs)[0])
    parts = [(name, tensors[name][0].numpy()) for name in sorted(tensors, key=str)]
    return [part for pair in parts for part in pair if part is not None]


def names_phrase(tensors: Mapping[str | None, Tensor]) -> str:
    """Return the names of tensors as a part of a message."""
    return "a tensor without a name" if None in tensors else ", ".join(map(repr, tensors))
