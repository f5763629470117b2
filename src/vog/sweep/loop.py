"""The data-major sweep: read each block of examples once, and score it under every checkpoint.

Memory holds the states of one block, the rows of the unfinished part, and the weights. Apart from
the weights, it grows neither with the data nor with the number of checkpoints.
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
from vog.wording import option


@dataclass(frozen=True)
class Summary:
    """Rows and seconds of a sweep.

    Attributes:
        rows: rows computed by this sweep, without those that were finished before.
        seconds: from the first batch to the last part.
        reading: the seconds of these spent waiting for the next batch.
        writing: the seconds of these spent writing parts.
        decoding: seconds spent on reading examples, summed over all reading processes.
        readers: number of processes that read at the same time.
        batch_size: examples computed together at the end; fewer than planned if memory ran out.
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
        """Examples per second that could be read without waiting for anything else."""
        return self.rows * self.readers / max(self.decoding, 1e-9)

    @property
    def scored_rate(self) -> float:
        """Examples per second that could be scored without waiting for anything else."""
        return self.rows / max(self.seconds - self.reading - self.writing, 1e-9)

    @property
    def bottleneck(self) -> str:
        """Return what took most of the time, and what would make it faster."""
        reading, writing = self.reading / self.seconds, self.writing / self.seconds
        if reading > 0.5:
            return f"reading took {reading:.0%} of the time: raise {option('workers')}"
        if writing > 0.5:
            return f"writing took {writing:.0%} of the time: use a faster disk for {option('out')}"
        return f"computing took {1 - reading - writing:.0%} of the time"


def sweep(job: Job) -> Summary:
    """Compute and write the missing rows of a job.

    Raises:
        DifferentQuestionError: the folder answers a different question.
        ResultError: another process writes to the folder, or the disk is full.
        DataError: a batch cannot be assembled, or a label is outside the classes.
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


@torch.inference_mode(mode=False)  # in the caller's inference mode there are no gradients
def write_rows(
    job: Job,
    sink: PartSink,
    activity: str,
    columns: Mapping[str, Meaning],
    make_rows: Callable[[Batch, int, Clock], list[RowBlock]],
    row_numbers: Int[np.ndarray, "n"] | None = None,
    before_part: Callable[[], None] | None = None,
) -> Summary:
    """Compute the missing rows, block by block, and write them in parts.

    Args:
        job: the job with the examples.
        sink: where parts are written.
        activity: the verb that the progress bar shows, such as "scoring".
        columns: by column, the meaning of its score.
        make_rows: from a block, a batch size and the clock to rows; it times what it writes.
        row_numbers: by row of the job, its number in the data; None if the two are equal.
        before_part: called before each part is written.
    """
    examples, clock, todo, plan = job.examples, Clock(), sink.todo(), job.memory_plan
    count, decoding, size = 0, 0.0, job.batch_size
    buffer = PartBuffer(sink, todo, clock, columns, examples.label_names, row_numbers, before_part)
    blocks = [block for gap in merge_adjacent(todo) for block in batches_of(gap, plan.block_size)]
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
    """Return the rows of a block, and the batch size that fit in memory.

    Raises:
        ModelError: not even one example fits.
    """
    while True:
        try:
            return make_rows(block, size, clock), size
        except Exception as error:
            if not memory.ran_out(error):
                raise
            if size == 1:
                raise ModelError(
                    f"there is not enough memory for a batch of one example. Close other programs "
                    f"that use it, or lower {option('memory')} so that weights are read per block."
                ) from error
        # Outside the `except` block the error, which kept the tensors of the batch alive, is gone.
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
