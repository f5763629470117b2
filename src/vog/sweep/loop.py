"""The leader of a run: it finds what is missing, has it computed, and shows the progress."""

from contextlib import closing
from dataclasses import dataclass

from vog.progress import progress
from vog.result import parts
from vog.result.part_writer import Clock
from vog.result.parts import PartSink
from vog.sweep.executor import LOCAL, Executor, Scoring, Work
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
        # Several processes together wait for longer than the run takes.
        busy = max(self.seconds, self.reading + self.writing)
        reading, writing = self.reading / busy, self.writing / busy
        if reading > 0.5:
            return f"reading took {reading:.0%} of the time: raise {option('workers')}"
        if writing > 0.5:
            return f"writing took {writing:.0%} of the time: use a faster disk for {option('out')}"
        return f"computing took {1 - reading - writing:.0%} of the time"


def sweep(job: Job, executor: Executor = LOCAL) -> Summary:
    """Compute and write the missing rows of a job.

    Args:
        job: the job.
        executor: computes the rows, by default in this process.

    Raises:
        DifferentQuestionError: the folder answers a different question.
        ResultError: another process writes to the folder, or the disk is full.
        DataError: a batch cannot be assembled, or a label is outside the classes.
    """
    with parts.writing_session(job.out, job.question, job.overwrite) as sink:
        return finish(Scoring(job), sink, executor)


def finish(work: Work, sink: PartSink, executor: Executor = LOCAL) -> Summary:
    """Have the missing rows computed and written, and show the progress.

    Args:
        work: what is computed.
        sink: where parts are written.
        executor: computes the rows, by default in this process.
    """
    job, clock, cells = work.job, Clock(), sink.todo()
    count, decoding, size = 0, 0.0, job.batch_size
    total, missing = len(job.examples), sum(map(len, cells))
    with (
        progress(work.activity, total, total - missing, job.quiet) as advance,
        closing(executor.run(work, cells, sink)) as each_finished,
    ):
        for finished in each_finished:
            count += finished.rows
            clock.reading += finished.reading
            clock.writing += finished.writing
            decoding += finished.decoding
            size = min(size, finished.batch_size)
            advance(finished.rows)
    assert count == missing, f"the executor computed {count} of {missing} rows"
    seconds, readers = max(clock.elapsed(), 1e-9), max(1, job.workers)
    return Summary(count, seconds, clock.reading, clock.writing, decoding, readers, size)
