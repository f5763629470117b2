"""Turn a request into a job: open, read, match and check everything, without computing rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from vog import scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch
from vog.models.torch.adapter import TorchModel
from vog.sweep import acceleration, check_arguments, memory_plan, split_half
from vog.sweep.job import Job
from vog.sweep.make_question import make_question
from vog.sweep.memory_plan import MemoryPlan
from vog.sweep.part_grid import PartGrid, plan_parts, seconds_per_row
from vog.sweep.request import Request
from vog.sweep.resolve import (
    Resolved,
    data_notes,
    first_examples,
    module_source,
    resolve,
    with_colour_axis,
)
from vog.sweep.row_limit import stored_choices
from vog.sweep.trial import ModelTrial, first_working_trial
from vog.sweep.weights import StateBesideWeightsError, Streamed, read_all

Choices = Mapping[str, Any]
# The module that runs has weights of its own, and so has the module that files are loaded into.
_COPIES = 2


@torch.inference_mode(mode=False)  # in the caller's inference mode there are no gradients
def prepare(request: Request) -> Job:
    """Return the job of a request, with all checks done before the expensive part.

    Raises:
        VogError: something is wrong with the request; see also `vog.sweep.preflight`.
    """
    request = check_arguments.check_request(request)
    setup = resolve(request)
    stored = stored_choices(request)
    first = first_examples(setup.examples, request.batch_size)
    setup = replace(setup, scores=with_colour_axis(request, setup.scores, first))
    source = module_source(request)
    workers = setup.examples.workers
    trial = first_working_trial(request, setup, source, first)
    memory = _plan_memory(request, setup, trial, first, workers, stored)
    try:
        read = read_all(setup.files, trial.model, memory.hold, request.quiet, request.reader, first)
    except StateBesideWeightsError:
        trial = first_working_trial(request, setup, source, first, apart=True)
        read = read_all(setup.files, trial.model, memory.hold, request.quiet, request.reader, first)
    grid = _plan_grid(request, setup, trial, first, workers, stored, memory)
    job = Job(
        model=trial.model,
        weights=read.weights,
        files=setup.files,
        stages=setup.stages,
        task=setup.task,
        target=setup.target,
        scores=trial.scores,
        examples=setup.examples,
        classes=trial.classes,
        input_shape=tuple(first.inputs.shape[1:]),
        memory_plan=memory,
        workers=workers,
        left_out=trial.left_out,
        notes={
            **setup.notes,
            **data_notes(setup),
            **trial.notes,
            **read.notes,
            **({"parts": grid.note} if grid.note else {}),
        },
        question=make_question(
            *(request, source.module, setup.files, read.digests),
            *(setup.stages, setup.examples, trial.scores),
        )
        | {
            "target": setup.target.code or setup.target.name,
            "batch_size": memory.batch_size,
            "rows_per_part": grid.rows_per_part,
            "device": setup.device.type,
            "precision": "float32",
            "folded": len(trial.model.folding.pairs),
        }
        | ({"loaded_apart": True} if trial.model.in_copies else {})
        | ({"probabilities": True} if _keeps_probabilities(request, setup) else {}),
        request=request,
    )
    job = _note_approximation(job, setup.all_files, setup.all_stages, stored)
    return _choose_compiling(_choose_precision(job, stored), stored)


def _keeps_probabilities(request: Request, setup: Resolved) -> bool:
    fold = setup.examples.fold
    if request.keep_probabilities is None:
        return fold is not None and fold.held_out
    return request.keep_probabilities


def _plan_memory(
    request: Request,
    setup: Resolved,
    trial: ModelTrial,
    first: Batch,
    workers: int,
    stored: Choices,
) -> MemoryPlan:
    needs = memory_plan.measure_needs(
        trial.observer,
        trial.weights,
        first.inputs,
        setup.stages,
        trial.scores,
        workers,
        split_half.halved_share(len(setup.examples)),
    )
    needs = replace(needs, fixed=needs.fixed + _COPIES * needs.weights)
    if request.precision != "float32":  # both precisions are in memory for the comparison
        needs = replace(needs, weights=needs.weights * 3 // 2)
    batch_size = request.batch_size
    return memory_plan.plan_memory(
        needs,
        stored.get("batch_size", "auto") if batch_size == "auto" else batch_size,
        memory_plan.total_bytes(request.memory, setup.device),
        setup.device.type,
        first.inputs[0].numel(),
        len(setup.files),
        setup.examples.total or len(setup.examples),  # a sample may grow later
    )


def _plan_grid(
    request: Request,
    setup: Resolved,
    trial: ModelTrial,
    first: Batch,
    workers: int,
    stored: Choices,
    memory: MemoryPlan,
) -> PartGrid:
    seconds = 0.0
    if request.rows_per_part is None and "rows_per_part" not in stored:
        needs = scores.needs_of(trial.scores)
        size, count = memory.batch_size, len(setup.files)
        seconds = seconds_per_row(trial.observer, trial.weights, first, needs, size, count, workers)
    rows = len(setup.examples)
    return plan_parts(request.rows_per_part, stored, memory.batch_size, rows, seconds)


def _note_approximation(
    job: Job, files: tuple[CheckpointFile, ...], stages: tuple[Stage, ...], stored: Choices
) -> Job:
    """Return the job with a note on what using only some of the checkpoints costs."""
    if len(job.files) == len(files):
        return job
    approximation = stored.get("approximation")
    if approximation is None:
        assert isinstance(job.model, TorchModel)
        weights = Streamed.from_files(files, job.model, job.weights.last, job.request.reader)
        full_job = replace(job, weights=weights, files=files, stages=stages)
        fidelity = acceleration.compare_jobs(full_job, job, "comparing with all checkpoints")
        approximation = {"checkpoints": len(files), **fidelity.question_entry}
    column, correlation = acceleration.lowest_correlation(approximation["spearman"])
    note = (
        f"{len(job.files)} of {len(files)} checkpoints; {column} has rank correlation "
        f"{correlation:.3f} with all of them ({approximation['examples']} examples)"
    )
    question = job.question | {"approximation": approximation}
    return replace(job, question=question, notes={**job.notes, "picked": note})


def _choose_precision(job: Job, stored: Choices) -> Job:
    """Return the job in the requested precision; with "auto", bfloat16 if accurate and faster."""
    requested, stored_precision = job.request.precision, stored.get("precision")
    if requested == "float32" or (requested == "auto" and stored_precision == "float32"):
        return job
    if stored_precision == "bfloat16":
        job, fidelity, note = (
            acceleration.with_bfloat16(job),
            stored.get("fidelity"),
            "as when the run began",
        )
    else:
        job, fidelity, note = acceleration.try_bfloat16(job, always=requested == "bfloat16")
    precision = "float32" if fidelity is None else "bfloat16"
    notes = {**job.notes, "precision": f"{precision}: {note}"}
    entries = {} if fidelity is None else {"precision": precision, "fidelity": fidelity}
    return replace(job, notes=notes, question=job.question | entries)


def _choose_compiling(job: Job, stored: Choices) -> Job:
    """Return the job with a compiled model if the user wants it and it is faster."""
    if not job.request.compile:
        return job
    if isinstance(job.model, TorchModel) and job.model.in_copies:
        compiles, note = False, "each checkpoint is loaded into a copy of its own"
    elif stored:
        compiles, note = bool(stored.get("compiled")), "as when the run began"
    else:
        compiles, note = acceleration.try_compiling(job)
    notes = {**job.notes, "compile": f"{'yes' if compiles else 'no'}: {note}"}
    if not compiles:
        return replace(job, notes=notes)
    fast = acceleration.with_compiled_model(job)
    return replace(fast, notes=notes, question=job.question | {"compiled": True})
