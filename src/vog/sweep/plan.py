"""The plan of a run, made before it starts: what it will do, and about how long it will take."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from vog import data
from vog.result import parts
from vog.sweep.block import rows_of
from vog.sweep.job import Job
from vog.sweep.label_sample import sample_agreement
from vog.sweep.memory_plan import MemoryPlan


@dataclass(frozen=True)
class Plan:
    """The figures of a job.

    Attributes:
        examples: rows of the data; `finished_rows` of them are in the run folder already.
        weights_bytes: bytes of all checkpoints, or of those that are in memory at one time.
        memory_plan: sizes of batches and blocks, and the memory that they take.
        notes: sentences about the job, by the word that introduces them.
        seconds: estimate for the missing rows; None without probe batches.
    """

    examples: int
    finished_rows: int
    checkpoints: int
    steps: tuple[int, int]
    stages: dict[str, tuple[int, int]]
    scores: tuple[str, ...]
    left_out: Mapping[str, str]
    target: str
    device: str
    weights_bytes: int
    memory_plan: MemoryPlan
    notes: Mapping[str, str]
    workers: int
    seconds: float | None


@torch.inference_mode(mode=False)  # in the caller's inference mode there are no gradients
def plan(job: Job, probe: bool = False) -> Plan:
    """Return the plan of a job.

    Args:
        job: the job.
        probe: compute two blocks and time the second; the first also has the one-time costs.
            Nothing is written.

    Raises:
        DifferentQuestionError: the run folder answers a different question.
        ResultError: the folder is not a run folder.
    """
    parts.check_writable(job.out, job.question, job.overwrite)
    missing_rows, damage = parts.remaining_rows(job.out, job.question, job.overwrite)
    return Plan(
        examples=len(job.examples),
        finished_rows=len(job.examples) - missing_rows,
        checkpoints=len(job.files),
        steps=(job.files[0].step, job.files[-1].step),
        stages={stage.name: (stage.start, stage.stop) for stage in job.stages},
        scores=tuple(score.name for score in job.scores),
        left_out=job.left_out,
        target=job.question["target"],
        device=job.question["device"],
        weights_bytes=job.weights.nbytes,
        memory_plan=job.memory_plan,
        notes={**job.notes, **_agreement_note(job), **({"damaged": damage} if damage else {})},
        workers=job.workers,
        seconds=_measure_seconds_per_row(job) * missing_rows if probe else None,
    )


def _agreement_note(job: Job) -> dict[str, str]:
    """Return how often the last checkpoint agrees with the labels, or a warning if rarely."""
    agreement = sample_agreement(job)
    if agreement is None:
        return {}
    return {"labels": agreement.sample_warning() or agreement.sample_sentence()}


def _measure_seconds_per_row(job: Job) -> float:
    size, rows = job.memory_plan.block_size, len(job.examples)
    second_block = range(size, min(2 * size, rows)) if rows > size else range(min(size, rows))
    computing = reading = 0.0
    with job.model.evaluation_mode(), job.memory_allocation():
        for batch in data.samples(job.examples, [range(min(size, rows)), second_block]):
            start = time.perf_counter()
            rows_of(job, batch)
            reading, computing = batch.seconds, time.perf_counter() - start
    # Workers read while the model computes; without workers, reading and computing alternate.
    block_seconds = max(reading / job.workers, computing) if job.workers else reading + computing
    return block_seconds / len(second_block)
