"""The data-major sweep: each batch is read once, meets every checkpoint, and is done.

Memory holds one batch's states, the rows of the part in flight and the weights of all
checkpoints; beside the weights it grows neither with the data nor with their number.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vog import data
from vog.data import Batch
from vog.result import parts
from vog.result.buffer import Buffer, Clock
from vog.result.rows import Meaning, Rows
from vog.sweep.fold import meanings, rows_of
from vog.sweep.job import Job
from vog.sweep.progress import progress


@dataclass(frozen=True)
class Summary:
    """What a sweep did, in rows and seconds.

    Attributes:
        rows: how many were computed now; others were finished before.
        seconds: from the first batch to the last part.
        reading: of these, waiting for the next batch.
        writing: of these, writing parts.
    """

    rows: int
    seconds: float
    reading: float
    writing: float

    @property
    def bottleneck(self) -> str:
        """What the time was spent on, and what would help."""
        waited, wrote = self.reading / self.seconds, self.writing / self.seconds
        if waited > 0.5:
            return f"reading the data took {waited:.0%} of the time: raise --workers"
        if wrote > 0.5:
            return f"writing the rows took {wrote:.0%} of the time: choose a faster disk for --out"
        return f"computing took {1 - waited - wrote:.0%} of the time"


def sweep(job: Job) -> Summary:
    """Write the rows of a job that are not there yet.

    Raises:
        OtherQuestionError: the folder answers another question.
        ResultError: another process writes to it, or the disk is full.
        DataError: a batch that cannot be made, or a label outside the classes.
    """
    means = meanings(job.scores, job.stages)
    with parts.begun(job.request.out, job.question, job.request.overwrite), job.model.borrowed():
        return write_rows(job, "scoring", means, lambda batch, _: rows_of(job, batch))


def batches_of(gap: range, size: int) -> list[range]:
    """The gap in batches, cut at multiples of the batch size wherever the gap begins.

    The last bits of a number depend on the batch it is computed in, so a resumed run has
    to compute in the batches of an uninterrupted one.
    """
    edges = [gap.start, *range(gap.start - gap.start % size + size, gap.stop, size), gap.stop]
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def write_rows(
    job: Job,
    what: str,
    means: Mapping[str, Meaning],
    make: Callable[[Batch, Clock], Rows],
    before_part: Callable[[], None] | None = None,
) -> Summary:
    """Make the rows that are not there yet, batch by batch, and write them in parts.

    Args:
        job: the rows, and the folder, which is begun.
        what: is done to the examples, as the bar says it.
        means: by column, what the scores mean.
        make: the rows of a batch; what it writes itself it counts on the clock.
        before_part: is called before each part is written.
    """
    folder, examples, clock, rows = job.request.out, job.examples, Clock(), 0
    todo = parts.missing(parts.parts(folder), len(examples))
    done = len(examples) - sum(map(len, todo))
    with progress(what, len(examples), done, job.request.quiet) as advance:
        for gap in todo:
            with Buffer(folder, clock, means, examples.label_names, before_part) as buffer:
                read = data.batches(examples, batches_of(gap, job.batch_size), job.workers)
                for batch in _timed(read, clock):
                    buffer.add(make(batch, clock))
                    rows += len(batch.rows)
                    advance(len(batch.rows))
    return Summary(rows, max(clock.elapsed(), 1e-9), clock.reading, clock.writing)


def _timed(read: Iterator[Batch], clock: Clock) -> Iterator[Batch]:
    while True:
        before = time.perf_counter()
        batch = next(read, None)
        clock.reading += time.perf_counter() - before
        if batch is None:
            return
        yield batch
