"""Compute rows and write them: the work of a run, and who does it.

The leader of a run settles its question, counts and shows progress. An executor computes ranges of
rows, here or elsewhere, and whoever computes writes, through the sink that it is handed. Batches
are cut on the grid of the batch size, so the same rows are equal bit by bit whoever computes them.

The sweep is data-major: it reads each block of examples once, and scores it under every checkpoint.
Memory holds the states of one block, the rows of the unfinished part, and the weights. Apart from
the weights, it grows neither with the data nor with the number of checkpoints.
"""

import itertools
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int

from vog import data
from vog.data import Batch
from vog.errors import ModelError
from vog.result.part_writer import Clock, PartBuffer
from vog.result.parts import PartSink
from vog.result.rows import Meaning, RowBlock
from vog.sweep.block import meanings, rows_of
from vog.sweep.job import Job
from vog.wording import option


@runtime_checkable
class Work(Protocol):
    """What is made of each block of examples. It can be sent to another process."""

    @property
    def job(self) -> Job:
        """The job with the examples."""
        ...

    @property
    def activity(self) -> str:
        """The verb that the progress shows, such as "scoring"."""
        ...

    @property
    def columns(self) -> Mapping[str, Meaning]:
        """By column, the meaning of its score."""
        ...

    @property
    def row_numbers(self) -> Int[np.ndarray, "n"] | None:
        """By row of the job, its number in the data; None if the two are equal."""
        ...

    def with_weights(self) -> "Work":
        """Return the work with its weights read, if this process received it without."""
        ...

    def rows(self, block: Batch, size: int, clock: Clock) -> list[RowBlock]:
        """Return the rows of a block, computed in batches of `size`.

        Args:
            block: the examples.
            size: examples that are computed together.
            clock: times what is written meanwhile.
        """
        ...

    def before_part(self) -> None:
        """Do what must be done before a part is written."""
        ...


@dataclass(frozen=True)
class Scoring:
    """The work of `vog score`: the scores of each example."""

    job: Job
    activity: str = "scoring"

    @property
    def columns(self) -> Mapping[str, Meaning]:
        """The meaning of each score."""
        return meanings(self.job.scores, self.job.stages)

    @property
    def row_numbers(self) -> Int[np.ndarray, "n"] | None:
        """The numbers of a sample in the data."""
        return self.job.examples.row_numbers

    def with_weights(self) -> "Scoring":
        """Return the work with its weights read."""
        return Scoring(self.job.with_weights())

    def rows(self, block: Batch, size: int, clock: Clock) -> list[RowBlock]:
        """Return the scores of a block."""
        return rows_of(self.job, block, size)

    def before_part(self) -> None:
        """Do nothing: parts are all that is written."""


@dataclass(frozen=True)
class Finished:
    """Rows that were computed, and how long that took.

    Attributes:
        rows: the number of rows.
        reading: seconds of waiting for the next batch.
        writing: seconds of writing parts.
        decoding: seconds spent on reading examples, summed over all reading processes.
        batch_size: examples computed together; fewer than planned if memory ran out.
    """

    rows: int
    reading: float
    writing: float
    decoding: float
    batch_size: int


@runtime_checkable
class Executor(Protocol):
    """Computes the missing rows of a run, and writes their parts."""

    def run(self, work: Work, cells: Sequence[range], sink: PartSink) -> Generator[Finished]:
        """Compute and write rows, and yield what was finished, as soon as it is.

        Args:
            work: what is computed.
            cells: the rows of each part to write, in order.
            sink: where parts are written.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Computes in this process, one block of examples after the other.

    Attributes:
        batch_size: examples that are computed together, such as those of an earlier `Finished`
            after memory ran out; None for those of the job.
    """

    batch_size: int | None = None

    def run(self, work: Work, cells: Sequence[range], sink: PartSink) -> Generator[Finished]:
        """Compute the rows of each block under every checkpoint, and write parts as they fill."""
        job, clock = work.job, Clock()
        size = self.batch_size or job.batch_size
        names, numbers = job.examples.label_names, work.row_numbers
        buffer = PartBuffer(
            sink, cells, clock, work.columns, names, numbers, before_part=work.before_part
        )
        plan = job.memory_plan
        blocks = [b for gap in merge_adjacent(cells) for b in batches_of(gap, plan.block_size)]
        with (
            torch.inference_mode(mode=False),  # in the caller's there are no gradients
            job.model.evaluation_mode(),
            job.memory_allocation() as release_memory,
        ):
            for block in _time_reading(data.batches(job.examples, blocks, job.workers), clock):
                rows_by_batch, size = _make_within_memory(work, block, size, clock)
                for rows in rows_by_batch:
                    buffer.add(rows)
                reading, writing = clock.take()
                yield Finished(len(block.rows), reading, writing, block.seconds, size)
                release_memory()


LOCAL = LocalExecutor()


def batches_of(gap: range, size: int) -> list[range]:
    """Return the rows of a gap in batches, cut at multiples of the batch size.

    The last bits of a number depend on its batch, so a resumed run must compute the same batches
    as an uninterrupted run.
    """
    edges = [gap.start, *range(gap.start - gap.start % size + size, gap.stop, size), gap.stop]
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def merge_adjacent(cells: Sequence[range]) -> list[range]:
    """Return the ranges with adjacent ones merged."""
    ranges: list[range] = []
    for cell in cells:
        if ranges and ranges[-1].stop == cell.start:
            ranges[-1] = range(ranges[-1].start, cell.stop)
        else:
            ranges.append(cell)
    return ranges


def _make_within_memory(
    work: Work, block: Batch, size: int, clock: Clock
) -> tuple[list[RowBlock], int]:
    """Return the rows of a block, and the batch size that fit in memory.

    Raises:
        ModelError: not even one example fits.
    """
    model = work.job.model
    while True:
        try:
            return work.rows(block, size, clock), size
        except Exception as error:
            if not model.ran_out(error):
                raise
            if size == 1:
                raise ModelError(
                    f"there is not enough memory for a batch of one example. Close other programs "
                    f"that use it, or lower {option('memory')} so that weights are read per block."
                ) from error
        # Outside the `except` block the error, which kept the tensors of the batch alive, is gone.
        size = -(-size // 2)
        model.release()


def _time_reading(batches: Iterator[Batch], clock: Clock) -> Iterator[Batch]:
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        clock.reading += time.perf_counter() - start
        if batch is None:
            return
        yield batch
