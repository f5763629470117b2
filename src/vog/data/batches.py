"""Examples read into batches, in worker processes, each of them once for all checkpoints."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vog import functions
from vog.data.arrays import Rows
from vog.data.examples import Examples, UnreadableError
from vog.errors import DataError, VogError


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of the data.

    Attributes:
        rows: their numbers.
        labels: their classes; -1 where the row is unreadable and nothing else tells it.
        at: which of them could be read, as positions in `rows`.
        inputs: those that could be read, as the model takes them.
        problems: by position in `rows`, why one could not be read.
        seconds: that one process took to read it.
    """

    rows: range
    labels: Int[Tensor, "m"]
    at: Int[Tensor, "n"]
    inputs: Float[Tensor, "n *input"]
    problems: dict[int, str]
    seconds: float = 0.0

    def split(self, size: int) -> list["Batch"]:
        """The same rows in batches of `size`, the last of which may have fewer."""
        if len(self.rows) <= size:
            return [self]
        return [self._part(at, at + size) for at in range(0, len(self.rows), size)]

    def _part(self, start: int, stop: int) -> "Batch":
        inside = (self.at >= start) & (self.at < stop)
        return Batch(
            self.rows[start:stop],
            self.labels[start:stop],
            self.at[inside] - start,
            self.inputs[inside] if len(self.at) else self.inputs,
            {at - start: why for at, why in self.problems.items() if start <= at < stop},
        )


@dataclass(frozen=True)
class _Failure:
    """A mistake met in a worker process: errors of ours do not survive being sent as such."""

    message: str


class _Reading(Dataset[Batch | _Failure]):
    """A dataset whose items are batches: its "indices" are ranges of rows."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __getitem__(self, rows: range) -> Batch | _Failure:
        try:
            return read(self.examples, rows)
        except VogError as error:
            return _Failure(str(error))


def batches(examples: Examples, ranges: Sequence[range], workers: int) -> Iterator[Batch]:
    """The batches of these rows, in order, read ahead by `workers` processes (0: none).

    Raises:
        DataError: inputs that cannot be batched, or a transform that fails.
    """
    loader: DataLoader[Batch | _Failure] = DataLoader(
        _Reading(examples),
        sampler=ranges,
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # else it draws from the user's random numbers
    )
    read_ahead = iter(loader)
    while True:
        try:
            item = next(read_ahead, None)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"a worker process died: {str(error).splitlines()[0]} Its memory may not have "
                f"been enough: try fewer --workers or a smaller --batch-size."
            ) from error
        if item is None:
            return
        if isinstance(item, _Failure):
            raise DataError(item.message)
        yield item


def default_workers(examples: Examples) -> int:
    """None for arrays, which are in memory; else half of the processors, at most 8."""
    if isinstance(examples.read, Rows) and examples.read.transform is None:
        return 0
    return min(8, max(1, _processors() // 2))


def _processors() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def read(examples: Examples, rows: range) -> Batch:
    """One batch, read in this process.

    Raises:
        DataError: inputs of different shapes or no floats, or a reader that fails.
    """
    start = time.perf_counter()
    reader = examples.read
    if isinstance(reader, Rows) and reader.transform is None:
        batch = _sliced(reader, rows, examples.rows)
    else:
        batch = _one_by_one(examples, rows)
    return replace(batch, seconds=time.perf_counter() - start)


def _sliced(arrays: Rows, rows: range, numbers: Int[np.ndarray, "all"] | None) -> Batch:
    """Rows of an array in memory, without a look at each of them."""
    own = slice(rows.start, rows.stop)
    at = own if numbers is None else numbers[own]
    # Copied: an array may be read-only or have negative strides, which torch refuses.
    inputs = torch.from_numpy(np.array(arrays.inputs[at])).float()
    labels = torch.from_numpy(arrays.labels[at].copy())
    return Batch(rows, labels, torch.arange(len(rows)), inputs, {})


def _one_by_one(examples: Examples, rows: range) -> Batch:
    known = examples.labels
    labels = np.full(len(rows), -1, np.int64) if known is None else known[rows.start : rows.stop]
    labels = labels.copy()
    inputs: dict[int, Tensor] = {}
    problems: dict[int, str] = {}
    for position, row in enumerate(rows):
        try:
            value, labels[position] = _read_one(examples, row)
            inputs[position] = value
        except UnreadableError as error:
            problems[position] = str(error)
    return Batch(
        rows,
        torch.from_numpy(labels),
        torch.tensor(list(inputs), dtype=torch.int64),
        _stacked(examples, rows, inputs),
        problems,
    )


def _read_one(examples: Examples, row: int) -> tuple[Tensor, int]:
    try:
        value, label = examples.read(examples.row(row))
    except (UnreadableError, VogError):
        raise
    except Exception as error:
        raise DataError(
            f"example {examples.ids[row]!r} cannot be made into an input: "
            f"{functions.describe(error)}"
        ) from error
    try:
        # Copied: a row may be read-only or a view with negative strides, which torch refuses.
        tensor = torch.as_tensor(value if isinstance(value, Tensor) else np.array(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"example {examples.ids[row]!r} is read as {type(value).__name__}; expected a tensor "
            f"or an array. Pass --transform imagenet or a function that makes one."
        ) from error
    if not tensor.is_floating_point():
        raise DataError(
            f"example {examples.ids[row]!r} is read as {tensor.dtype}; expected floats, which "
            f"have gradients. Convert and scale it as in training, in a --transform."
        )
    return tensor.detach().float(), label


def _stacked(examples: Examples, rows: range, inputs: dict[int, Tensor]) -> Tensor:
    if not inputs:
        return torch.empty(0)
    first = next(iter(inputs))
    for position, value in inputs.items():
        if value.shape != inputs[first].shape:
            one, other = examples.ids[rows[first]], examples.ids[rows[position]]
            raise DataError(
                f"examples differ in shape: {one!r} is {tuple(inputs[first].shape)}, {other!r} is "
                f"{tuple(value.shape)}. Pass a --transform that makes them equal."
            )
    return torch.stack(list(inputs.values()))


def _as_it_is(item: Any) -> Any:
    return item
