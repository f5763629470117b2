"""From a request to a job: everything found, read, matched and checked, and no row computed."""

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
from vog.sweep.part_grid import Grid, grid, seconds_a_row
from vog.sweep.request import Request
from vog.sweep.resolve import (
    Resolved,
    first_examples,
    module_source,
    resolve,
    warnings_by_setting,
    with_colour_axis,
)
from vog.sweep.row_limit import begun_with
from vog.sweep.trial import ModelTrial, first_working_trial
from vog.sweep.weights import StateBesideWeightsError, Streamed, read_all

Choices = Mapping[str, Any]
# The module that is run has weights of its own, and so has the one that files are loaded into.
_COPIES = 2


@torch.inference_mode(mode=False)  # the caller may be in it, and then nothing has gradients
def prepare(request: Request) -> Job:
    """Everything a sweep needs, checked before the expensive part.

    Raises:
        VogError: whatever is wrong with the request; see the guards of `vog.sweep.preflight`.
    """
    request = check_arguments.checked(request)
    found = resolve(request)
    before = begun_with(request)
    first = first_examples(found.examples, request.batch_size)
    found = replace(found, scores=with_colour_axis(request, found.scores, first))
    source = module_source(request)
    workers = found.examples.workers
    trial = first_working_trial(request, found, source, first)
    share = _share(request, found, trial, first, workers, before)
    try:
        read = read_all(found.files, trial.model, share.hold, request.quiet, request.reader, first)
    except StateBesideWeightsError:
        trial = first_working_trial(request, found, source, first, apart=True)
        read = read_all(found.files, trial.model, share.hold, request.quiet, request.reader, first)
    cut = _grid(request, found, trial, first, workers, before, share)
    job = Job(
        model=trial.model,
        weights=read.weights,
        files=found.files,
        stages=found.stages,
        scores=trial.scores,
        examples=found.examples,
        classes=trial.classes,
        input_shape=tuple(first.inputs.shape[1:]),
        aim_at_prediction=found.target.at_prediction,
        share=share,
        workers=workers,
        left_out=trial.left_out,
        told={
            **found.notes,
            **warnings_by_setting(found),
            **trial.notes,
            **read.notes,
            **({"parts": cut.words} if cut.words else {}),
        },
        question=make_question(
            *(request, source.module, found.files, read.digests),
            *(found.stages, found.examples, trial.scores),
        )
        | {
            "target": found.target.code or found.target.name,
            "batch_size": share.batch_size,
            "rows_per_part": cut.rows_per_part,
            "device": found.device.type,
            "precision": "float32",
            "folded": len(trial.model.folding.pairs),
        }
        | ({"loaded_apart": True} if trial.model.apart else {})
        | ({"probabilities": True} if _keeps_probabilities(request, found) else {}),
        request=request,
    )
    job = _approximate(job, found.everything, found.whole, before)
    return _compiled(_in_precision(job, before), before)


def _keeps_probabilities(request: Request, found: Resolved) -> bool:
    fold = found.examples.fold
    if request.keep_probabilities is None:
        return fold is not None and fold.held_out
    return request.keep_probabilities


def _share(
    request: Request,
    found: Resolved,
    trial: ModelTrial,
    first: Batch,
    workers: int,
    before: Choices,
) -> MemoryPlan:
    needs = memory_plan.measure(
        trial.model,
        trial.weights,
        first.inputs,
        found.stages,
        trial.scores,
        workers,
        split_half.halved_share(len(found.examples)),
    )
    needs = replace(needs, fixed=needs.fixed + _COPIES * needs.weights)
    if request.precision != "float32":  # compared with float32, whose weights are there as well
        needs = replace(needs, weights=needs.weights * 3 // 2)
    asked = request.batch_size
    return memory_plan.plan_memory(
        needs,
        before.get("batch_size", "auto") if asked == "auto" else asked,
        memory_plan.total_bytes(request.memory, found.device),
        found.device.type,
        first.inputs[0].numel(),
        len(found.files),
        found.examples.total or len(found.examples),  # so that a sample may grow
    )


def _grid(
    request: Request,
    found: Resolved,
    trial: ModelTrial,
    first: Batch,
    workers: int,
    before: Choices,
    share: MemoryPlan,
) -> Grid:
    seconds = 0.0
    if request.rows_per_part is None and "rows_per_part" not in before:
        needs = scores.needs_of(trial.scores)
        size, count = share.batch_size, len(found.files)
        seconds = seconds_a_row(trial.model, trial.weights, first, needs, size, count, workers)
    rows = len(found.examples)
    return grid(request.rows_per_part, before, share.batch_size, rows, seconds)


def _approximate(
    job: Job, files: tuple[CheckpointFile, ...], stages: tuple[Stage, ...], before: Choices
) -> Job:
    """The job, which may have some of the checkpoints, with what that costs."""
    if len(job.files) == len(files):
        return job
    found = before.get("approximation")
    if found is None:
        assert isinstance(job.model, TorchModel)
        weights = Streamed.of(files, job.model, job.weights.last, job.request.reader)
        full = replace(job, weights=weights, files=files, stages=stages)
        compared = acceleration.compared(full, job, "comparing with all checkpoints")
        found = {"checkpoints": len(files), **compared.stored}
    name, value = acceleration.decisive(found["spearman"])
    said = (
        f"{len(job.files)} of {len(files)} checkpoints; {name} ranks as with all of them at "
        f"{value:.3f} ({found['examples']} examples)"
    )
    question = job.question | {"approximation": found}
    return replace(job, question=question, told={**job.told, "picked": said})


def _in_precision(job: Job, before: Choices) -> Job:
    """The job in the precision that was asked for, or that is found good enough."""
    asked, was = job.request.precision, before.get("precision")
    if asked == "float32" or (asked == "auto" and was == "float32"):
        return job
    if was == "bfloat16":
        job, found, said = (
            acceleration.in_bfloat16(job),
            before.get("fidelity"),
            "as the run was begun",
        )
    else:
        job, found, said = acceleration.try_bfloat16(job, always=asked == "bfloat16")
    precision = "float32" if found is None else "bfloat16"
    told = {**job.told, "precision": f"{precision}: {said}"}
    settled = {} if found is None else {"precision": precision, "fidelity": found}
    return replace(job, told=told, question=job.question | settled)


def _compiled(job: Job, before: Choices) -> Job:
    """The job with a compiled model, where that was asked for and is faster."""
    if not job.request.compile:
        return job
    if isinstance(job.model, TorchModel) and job.model.apart:
        used, said = False, "each checkpoint is loaded into a copy of its own"
    elif before:
        used, said = bool(before.get("compiled")), "as the run was begun"
    else:
        used, said = acceleration.compiling_pays(job)
    told = {**job.told, "compile": f"{'yes' if used else 'no'}: {said}"}
    if not used:
        return replace(job, told=told)
    fast = acceleration.in_a_graph(job)
    return replace(fast, told=told, question=job.question | {"compiled": True})
