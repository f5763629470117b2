"""The data-major sweep: each block of examples is read once, meets every checkpoint, and is done.

Memory holds the states of one block, the rows of the part in flight and the weights; beside the
weights it grows neither with the data nor with the number of checkpoints.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from vog import data
from vog.data import Batch
from vog.errors import ModelError
from vog.models.torch import memory
from vog.progress import progress
from vog.result import parts
from vog.result.part_writer import Clock, PartBuffer
from vog.result.parts import PartSink
from vog.result.rows import Meaning, RowBlock
from vog.sweep.block import meanings, rows_of
from vog.sweep.job import Job


@dataclass(frozen=True)
class Summary:
    """What a sweep did, in rows and seconds.

    Attributes:
        rows: how many were computed now; others were finished before.
        seconds: from the first batch to the last part.
        reading: of these, waiting for the next batch.
        writing: of these, writing parts.
        decoding: seconds that reading took in the processes that read, all of them together.
        readers: how many processes read at the same time.
        batch_size: examples computed together in the end, fewer than planned where memory ran out.
    """

    rows: int
    seconds: float
    reading: float
    writing: float
    decoding: float
    readers: int
    batch_size: int

    @property
    def read_rate(self) -> float:
        """Examples a second that could be read, if nothing else had to be waited for."""
        return self.rows * self.readers / max(self.decoding, 1e-9)

    @property
    def scored_rate(self) -> float:
        """Examples a second that could be scored, if nothing else had to be waited for."""
        return self.rows / max(self.seconds - self.reading - self.writing, 1e-9)

    @property
    def bottleneck(self) -> str:
        """What the time was spent on, and what would help."""
        reading, writing = self.reading / self.seconds, self.writing / self.seconds
        if reading > 0.5:
            return f"reading took {reading:.0%} of the time: raise --workers"
        if writing > 0.5:
            return f"writing took {writing:.0%} of the time: choose a faster disk for --out"
        return f"computing took {1 - reading - writing:.0%} of the time"


def sweep(job: Job) -> Summary:
    """Write the rows of a job that are not there yet.

    Raises:
        OtherQuestionError: the folder answers another question.
        ResultError: another process writes to it, or the disk is full.
        DataError: a batch that cannot be made, or a label outside the classes.
    """
    columns = meanings(job.scores, job.stages)
    numbers = job.examples.row_numbers
    with (
        parts.writing_session(job.request.out, job.question, job.request.overwrite) as sink,
        job.model.evaluation_mode(),
    ):
        return write_rows(
            job, sink, "scoring", columns, lambda block, size, _: rows_of(job, block, size), numbers
        )


def batches_of(gap: range, size: int) -> list[range]:
    """The gap in batches, cut at multiples of the batch size wherever the gap begins.

    The last bits of a number depend on the batch it is computed in, so a resumed run has
    to compute in the batches of an uninterrupted one.
    """
    edges = [gap.start, *range(gap.start - gap.start % size + size, gap.stop, size), gap.stop]
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def merge_adjacent(cells: Sequence[range]) -> list[range]:
    """Return the same rows in as few ranges as they make."""
    ranges: list[range] = []
    for cell in cells:
        if ranges and ranges[-1].stop == cell.start:
            ranges[-1] = range(ranges[-1].start, cell.stop)
        else:
            ranges.append(cell)
    return ranges


@torch.inference_mode(mode=False)  # the caller may be in it, and then nothing has gradients
def write_rows(
    job: Job,
    sink: PartSink,
    activity: str,
    columns: Mapping[str, Meaning],
    make_rows: Callable[[Batch, int, Clock], list[RowBlock]],
    row_numbers: Int[np.ndarray, "n"] | None = None,
    before_part: Callable[[], None] | None = None,
) -> Summary:
    """Make the rows that are not there yet, block by block, and write them in parts.

    Args:
        job: the rows.
        sink: takes them.
        what: is done to the examples, as the bar says it.
        means: by column, what the scores mean.
        make: the rows of a block, computed so many examples at a time; what it writes itself
            it counts on the clock.
        numbers: by row as the job counts, its number in the data; None where they are the same.
        before_part: is called before each part is written.
    """
    examples, clock, todo = job.examples, Clock(), sink.todo()
    count, decoding, size = 0, 0.0, job.batch_size
    buffer = PartBuffer(sink, todo, clock, columns, examples.label_names, row_numbers, before_part)
    blocks = [
        block
        for gap in merge_adjacent(todo)
        for block in batches_of(gap, job.memory_plan.block_size)
    ]
    finished_rows = len(examples) - sum(map(len, todo))
    with (
        progress(activity, len(examples), finished_rows, job.request.quiet) as advance,
        job.memory_allocation() as release_memory,
    ):
        for block in _time_reading(data.batches(examples, blocks, job.workers), clock):
            rows_by_batch, size = _make_within_memory(make_rows, block, size, clock)
            for rows in rows_by_batch:
                buffer.add(rows)
            count += len(block.rows)
            decoding += block.seconds
            advance(len(block.rows))
            release_memory()
    seconds, readers = max(clock.elapsed(), 1e-9), max(1, job.workers)
    return Summary(count, seconds, clock.reading, clock.writing, decoding, readers, size)


def _make_within_memory(
    make_rows: Callable[[Batch, int, Clock], list[RowBlock]], block: Batch, size: int, clock: Clock
) -> tuple[list[RowBlock], int]:
    """The rows of a block, and how many examples at a time memory was enough for.

    Raises:
        ModelError: not for one.
    """
    while True:
        try:
            return make_rows(block, size, clock), size
        except Exception as error:
            if not memory.ran_out(error):
                raise
            if size == 1:
                raise ModelError(
                    "there is not enough memory for a batch of one example. Close what else uses "
                    "it, or lower --memory so that the weights are read anew for each block."
                ) from error
        # Here nothing of the failed batch is held any more: the error kept its tensors alive.
        size = -(-size // 2)
        memory.release()


def _time_reading(batches: Iterator[Batch], clock: Clock) -> Iterator[Batch]:
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        clock.reading += time.perf_counter() - start
        if batch is None:
            return
        yield batch
