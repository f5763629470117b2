"""Reading of examples into batches, in worker processes, once for all checkpoints."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from vog import user_functions
from vog.data import connections, worker_processes
from vog.data.arrays import ArrayReader, native
from vog.data.built_in_transforms import built_in_name
from vog.data.collation import as_inputs, collate
from vog.data.examples import Examples, UnreadableError
from vog.data.images import ImageReader
from vog.data.inputs import Inputs, Uniform, VariedInputs, from_tensors, tensors_by_name
from vog.data.labels import stack_labels
from vog.errors import DataError, VogError


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of the data.

    Attributes:
        rows: the row numbers.
        labels: the class of each row, or its other label; missing as in `vog.data.labels` if it is
            unknown because the row is unreadable.
        positions: the positions in `rows` of the readable rows.
        inputs: the inputs of the readable rows, as the model takes them.
        problems: why a row is unreadable, by position in `rows`.
        seconds: the time that one process took to read the batch.
    """

    rows: range
    labels: Shaped[Tensor, "m *label"]
    positions: Int[Tensor, "n"]
    inputs: Inputs
    problems: dict[int, str]
    seconds: float = 0.0

    def split(self, size: int) -> list["Batch"]:
        """Return the same rows in batches of `size`; the last may be smaller."""
        if len(self.rows) <= size:
            return [self]
        return [self._slice(start, start + size) for start in range(0, len(self.rows), size)]

    def _slice(self, start: int, stop: int) -> "Batch":
        inside = (self.positions >= start) & (self.positions < stop)
        return Batch(
            self.rows[start:stop],
            self.labels[start:stop],
            self.positions[inside] - start,
            self.inputs[inside] if len(self.positions) else self.inputs,
            {i - start: problem for i, problem in self.problems.items() if start <= i < stop},
        )


@dataclass(frozen=True)
class _PackedBatch:
    """A batch as a worker process sends it.

    Attributes:
        inputs: by name, as `tensors_by_name`: tensors in shared memory, or arrays if there is no
            room; an array is sent as bytes. If examples differ in length, arrays for each of them.
    """

    rows: range
    labels: np.ndarray
    positions: np.ndarray
    inputs: dict[str | None, Any] | list[dict[str | None, Any]]
    problems: dict[int, str]
    seconds: float


def batches(examples: Examples, ranges: Sequence[range], workers: int) -> Iterator[Batch]:
    """Yield the batches of ranges of rows, in order; `workers` processes read ahead (0: none).

    Raises:
        DataError: inputs cannot be batched, or a transform fails.
    """
    if not workers:
        yield from (read_locally(examples, rows) for rows in ranges)
        return
    read_and_send = partial(_read_and_send, examples, workers)
    yield from map(_unpack_batch, worker_processes.mapped(read_and_send, ranges, workers))


def samples(examples: Examples, ranges: Sequence[range]) -> Iterator[Batch]:
    """Yield a few batches in order, read in a worker process if this process must not read.

    Raises:
        DataError: as for `batches`.
    """
    return batches(examples, ranges, 1 if examples.read_by_workers else 0)


def read_batch(examples: Examples, rows: range) -> Batch:
    """Return one batch, read as `samples` does.

    Raises:
        DataError: inputs differ in shape or are not of numbers, or a reader fails.
    """
    return next(samples(examples, [rows]))


def with_workers(
    examples: Examples, requested: int | None, sockets: connections.Sockets | None = None
) -> Examples:
    """Return the examples with the number of worker processes that read them ahead.

    Args:
        examples: the examples to read.
        requested: the number of processes; None for `default_workers`.
        sockets: those that were open before the data were made; see `connections`.
    """
    count = default_workers(examples) if requested is None else requested
    problem = _obstacle(examples, count, sockets) if count else ""
    if problem:
        note = f"{problem}, so the data are read without worker processes"
        return replace(examples, workers=0, notes=(*examples.notes, note))
    return replace(examples, workers=count, read_by_workers=count > 0 and not _is_trusted(examples))


def _obstacle(examples: Examples, count: int, sockets: connections.Sockets | None) -> str:
    """Return why worker processes cannot read the examples, as a sentence; empty if they can."""
    connection = connections.held_connection(examples.read, sockets)
    if connection:
        return (
            f"the data hold {connection} open, on which processes would receive the answers of "
            f"each other (if you connect at the first read, each process has its own)"
        )
    return worker_processes.obstacle(partial(_read_and_send, examples, count))


def _is_trusted(examples: Examples) -> bool:
    """Return whether reading runs no code of the user, and so leaves no file open."""
    reader = examples.read
    if isinstance(reader, ArrayReader):
        return reader.in_memory
    return isinstance(reader, ImageReader) and built_in_name(reader.transform) is not None


def _read_and_send(examples: Examples, workers: int, rows: range) -> _PackedBatch:
    batch = read_locally(examples, rows)
    return _PackedBatch(
        batch.rows,
        batch.labels.numpy(),
        batch.positions.numpy(),
        _to_sendable(batch.inputs, workers),
        batch.problems,
        batch.seconds,
    )


def _to_sendable(
    inputs: Inputs, workers: int
) -> dict[str | None, Any] | list[dict[str | None, Any]]:
    """Return the inputs in shared memory, which is faster; as arrays if that has no room."""
    if isinstance(inputs, VariedInputs):
        return [_as_arrays(example) for example in inputs.examples]
    tensors = tensors_by_name(inputs)
    if worker_processes.has_room(inputs.nbytes, workers):
        try:
            return {name: tensor.share_memory_() for name, tensor in tensors.items()}
        except RuntimeError:  # another process took the room
            pass
    return _as_arrays(inputs)


def _as_arrays(inputs: Uniform) -> dict[str | None, Any]:
    return {name: tensor.numpy() for name, tensor in tensors_by_name(inputs).items()}


def _of_parts(parts: Mapping[str | None, Any]) -> Uniform:
    return from_tensors({name: torch.as_tensor(part) for name, part in parts.items()})


def _unpack_batch(packed: _PackedBatch) -> Batch:
    inputs = (
        VariedInputs(tuple(map(_of_parts, packed.inputs)))
        if isinstance(packed.inputs, list)
        else _of_parts(packed.inputs)
    )
    labels, positions = torch.from_numpy(packed.labels), torch.from_numpy(packed.positions)
    return Batch(packed.rows, labels, positions, inputs, packed.problems, packed.seconds)


def default_workers(examples: Examples) -> int:
    """Return 0 for data in memory; else half the number of processors, at most 8."""
    if getattr(examples.read, "in_memory", False):
        return 0
    return min(8, max(1, _processor_count() // 2))


def _processor_count() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def read_locally(examples: Examples, rows: range) -> Batch:
    """Return one batch, read in this process.

    Raises:
        DataError: inputs differ in shape or are not of numbers, or a reader fails.
    """
    start = time.perf_counter()
    reader = examples.read
    if isinstance(reader, ArrayReader) and reader.in_memory:
        batch = _slice_rows(reader, rows, examples.rows)
    else:
        batch = _read_row_by_row(examples, rows)
    return replace(batch, seconds=time.perf_counter() - start)


def _slice_rows(arrays: ArrayReader, rows: range, numbers: Int[np.ndarray, "all"] | None) -> Batch:
    """Return rows of an array in memory, without a loop over rows."""
    batch_slice = slice(rows.start, rows.stop)
    selection = batch_slice if numbers is None else numbers[batch_slice]
    # Copied: an array may be read-only or have negative strides, which torch refuses.
    inputs = torch.from_numpy(native(arrays.inputs[selection]))
    inputs = inputs.float() if inputs.is_floating_point() else inputs.long()
    labels = torch.from_numpy(arrays.labels[selection].copy())
    return Batch(rows, labels, torch.arange(len(rows)), inputs, {})


def _read_row_by_row(examples: Examples, rows: range) -> Batch:
    column = examples.labels
    labels: list[Any] = (
        [None] * len(rows) if column is None else list(column[rows.start : rows.stop])
    )
    inputs: dict[int, Uniform] = {}
    problems: dict[int, str] = {}
    for position, row in enumerate(rows):
        try:
            value, labels[position] = _read_row(examples, row)
            inputs[position] = value
        except UnreadableError as error:
            problems[position] = str(error)
    return Batch(
        rows,
        stack_labels(examples.ids[rows.start : rows.stop], labels),
        torch.tensor(list(inputs), dtype=torch.int64),
        collate([examples.ids[rows[i]] for i in inputs], list(inputs.values())),
        problems,
    )


def _read_row(examples: Examples, row: int) -> tuple[Uniform, Any]:
    try:
        value, label = examples.read(examples.row(row))
        value = dict(value) if isinstance(value, Mapping) else value  # a lazy mapping fails here
    except (UnreadableError, VogError):
        raise
    except Exception as error:
        raise DataError(
            f"example {examples.ids[row]!r} cannot be made into an input: "
            f"{user_functions.describe_error(error)}"
        ) from error
    return as_inputs(value, examples.ids[row]), label
