"""Examples of different lengths as batches of equal shape, and their outputs as those of one batch.

A bucket holds examples of like length. If the model takes a mask of its positions, the shorter ones
are padded and the mask says so; if not, all of a bucket have the same length. Which examples share
a bucket depends on the batch alone, so numbers are equal bit by bit however the work is cut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from vog.data.inputs import MASK, NamedTensors, Uniform, VariedInputs, of_examples, tensors_by_name
from vog.models.last_layer import LinearLastLayer
from vog.models.protocol import LastLayer, Outputs

# Lengths share a bucket up to the next multiple of this, or up to an eighth more.
_STEP, _SHARE = 8, 8


@dataclass(frozen=True)
class Padding:
    """How a model takes padding.

    Attributes:
        tokens: the number that stands for padding among the tokens.
        arguments: the names that the model takes, in order; None if they are unknown.
        requires_mask: the model cannot be called without a mask.
        is_used: examples are padded at all; the model may compute wrong numbers with padding.
    """

    tokens: int = 0
    arguments: tuple[str, ...] | None = None
    requires_mask: bool = False
    is_used: bool = True

    def takes_mask(self, names: Sequence[str | None]) -> bool:
        """Return whether the model takes a mask beside tensors of these names."""
        return MASK in names or MASK in (self.arguments or ())


@dataclass(frozen=True)
class Buckets:
    """A batch whose examples differ in shape, in parts of equal shape.

    Attributes:
        parts: the inputs of each bucket.
        rows: the rows of the batch that each bucket holds.
    """

    parts: tuple[Uniform, ...]
    rows: tuple[Int[Tensor, "_"], ...]

    def __len__(self) -> int:
        return sum(map(len, self.rows))

    @property
    def order(self) -> Int[Tensor, "n"]:
        """By row of the batch, its place among the rows of all buckets."""
        return torch.cat(self.rows).argsort()

    def mapped(self, function: Callable[[Uniform], Uniform]) -> "Buckets":
        """Return the buckets with a function applied to the inputs of each."""
        return Buckets(tuple(map(function, self.parts)), self.rows)

    def single(self, row: int) -> Uniform:
        """Return the inputs of one row of the batch."""
        for part, rows in zip(self.parts, self.rows, strict=True):
            for place in (rows == row).nonzero().flatten().tolist():
                return part[place : place + 1]
        raise IndexError(row)


def with_required_mask(inputs: Uniform, padding: Padding) -> Uniform:
    """Return inputs without padding, with a mask that says so if the model requires one."""
    if not padding.requires_mask or not isinstance(inputs, NamedTensors) or MASK in inputs.tensors:
        return inputs
    tokens = [t for t in inputs.tensors.values() if t.ndim == 2 and not t.is_floating_point()]
    return NamedTensors({**inputs.tensors, MASK: torch.ones_like(tokens[0])}) if tokens else inputs


def one_by_one(inputs: VariedInputs) -> Buckets:
    """Return every example in a bucket of its own, which needs no padding."""
    return Buckets(inputs.examples, tuple(torch.arange(len(inputs)).split(1)))


def can_pad(inputs: VariedInputs, padding: Padding) -> bool:
    """Return whether the examples may be padded: whole numbers, of one length in each example."""
    columns = [tensors_by_name(example) for example in inputs.examples]
    if not padding.is_used or not padding.takes_mask(list(columns[0])):
        return False
    if columns[0].keys() == {None} and not padding.arguments:
        return False
    varied = _varied_names(inputs)
    tokens = (column[name] for column in columns for name in varied if name != MASK)
    return not any(tensor.is_floating_point() for tensor in tokens) and all(
        len({column[name].shape[1] for name in varied}) == 1 for column in columns
    )


def buckets_of(inputs: VariedInputs, padding: Padding) -> Buckets:
    """Return the examples in buckets, shorter ones first."""
    groups = _like_length(inputs) if can_pad(inputs, padding) else _equal_shape(inputs)
    varied = _varied_names(inputs)
    return Buckets(
        tuple(_bucket([inputs.examples[row] for row in rows], varied, padding) for rows in groups),
        tuple(map(torch.tensor, groups)),
    )


def _varied_names(inputs: VariedInputs) -> list[str | None]:
    """Return the names of the tensors whose length differs between examples."""
    columns = [tensors_by_name(example) for example in inputs.examples]
    return [name for name in columns[0] if len({column[name].shape for column in columns}) > 1]


def _equal_shape(inputs: VariedInputs) -> list[list[int]]:
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for row, example in enumerate(inputs.examples):
        shapes = tuple(tuple(tensor.shape) for tensor in tensors_by_name(example).values())
        groups.setdefault(shapes, []).append(row)
    return [groups[shapes] for shapes in sorted(groups)]


def _like_length(inputs: VariedInputs) -> list[list[int]]:
    name = _varied_names(inputs)[0]
    lengths = [tensors_by_name(example)[name].shape[1] for example in inputs.examples]
    groups: list[list[int]] = []
    longest = -1
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if lengths[row] > longest:
            groups.append([])
            longest = max(-(-lengths[row] // _STEP) * _STEP, lengths[row] + lengths[row] // _SHARE)
        groups[-1].append(row)
    return groups


def _bucket(examples: list[Uniform], varied: Sequence[str | None], padding: Padding) -> Uniform:
    """Return examples as one batch; with a mask if their lengths differ."""
    batch = of_examples(examples)
    if not isinstance(batch, VariedInputs):
        return batch
    columns = [tensors_by_name(example) for example in examples]
    lengths = [column[varied[0]].shape[1] for column in columns]
    longest = max(lengths)
    tensors: dict[str, Tensor] = {}
    for name in columns[0]:
        parts = [column[name] for column in columns]
        if name in varied:
            value = padding.tokens if _are_tokens(name) else 0
            parts = [_padded(part, longest, value) for part in parts]
        tensors[_argument(name, padding)] = torch.cat(parts)
    if MASK not in tensors:
        tensors[MASK] = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    return NamedTensors(tensors)


def _are_tokens(name: str | None) -> bool:
    return name is None or name.endswith("input_ids")


def _argument(name: str | None, padding: Padding) -> str:
    """Return the argument that takes a tensor; a single one is the first."""
    if name is not None:
        return name
    assert padding.arguments, "see `can_pad`"
    return padding.arguments[0]


def _padded(tensor: Tensor, length: int, value: int) -> Tensor:
    sides = [0, 0] * (tensor.ndim - 2) + [0, length - tensor.shape[1]]
    return F.pad(tensor, sides, value=bool(value) if tensor.dtype == torch.bool else value)


def joined(parts: Sequence[Outputs], buckets: Buckets) -> Outputs:
    """Return the outputs of buckets as those of the batch, with gradients padded by zeros."""
    order = buckets.order.to(parts[0].values.device)

    def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
        gradients = []
        for part, rows in zip(parts, buckets.rows, strict=True):
            own = cotangent[rows.to(cotangent.device)]
            inside = tuple(slice(length) for length in part.values.shape)
            gradients.append(part.vjp(own[inside], more))
        return _join(gradients, order)

    values = _join([part.values for part in parts], order)
    return Outputs(values, vjp, _joined_layer(parts, order), _joined_mask(parts, buckets, order))


def _join(tensors: Sequence[Tensor], order: Tensor) -> Tensor:
    """Return the rows of all tensors in order, those that are shorter padded by zeros."""
    longest = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    padded = []
    for tensor in tensors:
        missing = [most - size for most, size in zip(longest, tensor.shape[1:], strict=True)]
        sides = [side for amount in reversed(missing) for side in (0, amount)]
        padded.append(F.pad(tensor, sides) if any(missing) else tensor)
    return torch.cat(padded)[order]


def _joined_mask(parts: Sequence[Outputs], buckets: Buckets, order: Tensor) -> Tensor | None:
    """Return which positions are real, where the buckets have positions to differ in."""
    masks = [part.mask for part in parts]
    if all(mask is None for mask in masks):
        return None
    return _join([mask for mask in masks if mask is not None], order)


def _joined_layer(parts: Sequence[Outputs], order: Tensor) -> LastLayer | None:
    layers = [part.last_layer for part in parts]
    linear = [layer for layer in layers if isinstance(layer, LinearLastLayer)]
    if len(linear) < len(layers):
        return None
    return LinearLastLayer(_join([layer.features for layer in linear], order), linear[0].has_bias)
