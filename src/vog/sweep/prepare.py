"""From a request to a job: everything found, read, matched and checked, and no row computed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from vog import checkpoints, scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch
from vog.errors import ResultError, ScoreError
from vog.models import Model, Weights, head
from vog.models.torch import TorchModel
from vog.result import question as questions
from vog.scores import Score
from vog.sweep import budget, faster, guards, halves
from vog.sweep.budget import Share
from vog.sweep.found import Found, find, first_examples, laid_out, module_of, told_of
from vog.sweep.job import Job
from vog.sweep.question import question_of
from vog.sweep.request import Request
from vog.sweep.weights import Streamed, read_all

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class _Tried:
    """The model after it was tried out on a few examples under the last checkpoint.

    Attributes:
        weights: of that checkpoint, ready to be observed with.
        scores: those that can be had; `left_out`, why others cannot.
        classes: how many logits it has.
    """

    model: TorchModel
    weights: Weights
    scores: tuple[Score, ...]
    left_out: dict[str, str]
    classes: int


def prepare(request: Request) -> Job:
    """Everything a sweep needs, checked before the expensive part.

    Raises:
        VogError: whatever is wrong with the request; see the guards of `vog.sweep.guards`.
    """
    found = find(request)
    before = _answered(request)
    first = first_examples(found.examples, request.batch_size)
    found = replace(found, scores=laid_out(request, found.scores, first))
    module = module_of(request)
    tried = _tried(request, found, TorchModel(module, found.target, found.device), first)
    workers = found.examples.workers
    share = _share(request, found, tried, first, workers, before)
    weights, digests = read_all(found.files, tried.model, share.hold, request.quiet)
    job = Job(
        model=tried.model,
        weights=weights,
        files=found.files,
        stages=found.stages,
        scores=tried.scores,
        examples=found.examples,
        classes=tried.classes,
        input_shape=tuple(first.inputs.shape[1:]),
        aim_at_prediction=found.target.at_prediction,
        share=share,
        workers=workers,
        left_out=tried.left_out,
        told=told_of(found),
        question=question_of(
            request, module, found.files, digests, found.stages, found.examples, tried.scores
        )
        | {
            "target": found.target.code or found.target.name,
            "batch_size": share.batch_size,
            "device": found.device.type,
            "precision": "float32",
            "folded": len(tried.model.folding.pairs),
        },
        request=request,
    )
    job = _approximate(job, found.everything, found.whole, before)
    return _compiled(_in_precision(job, before), before)


def _tried(request: Request, found: Found, model: TorchModel, first: Batch) -> _Tried:
    """The model with its head and its norms folded, and past the guards."""
    path = found.files[-1].path
    fitted = model.fit(checkpoints.read(path), str(path))
    model = _with_head(model, fitted, first)
    leave_out = request.scores is None or request.scores == "all"
    chosen, without = _possible(found, model, leave_out)
    needs = scores.needs_of(chosen)
    if request.fold:
        model = faster.folded(model, fitted, first, needs)
    weights = model.ready(fitted)
    with model.borrowed():
        at_prediction = found.target.at_prediction
        classes = guards.check(model, weights, needs, found.examples, first, at_prediction)
    return _Tried(model, weights, chosen, without, classes)


def _share(
    request: Request, found: Found, tried: _Tried, first: Batch, workers: int, before: Choices
) -> Share:
    needs = budget.measure(
        tried.model,
        tried.weights,
        first.inputs,
        found.stages,
        tried.scores,
        workers,
        halves.share(len(found.examples)),
    )
    if request.precision != "float32":  # compared with float32, whose weights are there as well
        needs = replace(needs, weights=needs.weights * 3 // 2)
    asked = request.batch_size
    return budget.share_out(
        needs,
        before.get("batch_size", "auto") if asked == "auto" else asked,
        budget.total_bytes(request.memory, found.device),
        found.device.type,
        first.inputs[0].numel(),
        len(found.files),
        len(found.examples),
    )


def _approximate(
    job: Job, files: tuple[CheckpointFile, ...], stages: tuple[Stage, ...], before: Choices
) -> Job:
    """The job, which may have some of the checkpoints, with what that costs."""
    if len(job.files) == len(files):
        return job
    found = before.get("approximation")
    if found is None:
        assert isinstance(job.model, TorchModel)
        weights = Streamed.of(files, job.model, job.weights.last)
        full = replace(job, weights=weights, files=files, stages=stages)
        compared = faster.compared(full, job, "comparing with all checkpoints")
        found = {"checkpoints": len(files), **compared.stored}
    name, value = faster.decisive(found["spearman"])
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
        job, found, said = faster.in_bfloat16(job), before.get("fidelity"), "as the run was begun"
    else:
        job, found, said = faster.try_bfloat16(job, always=asked == "bfloat16")
    precision = "float32" if found is None else "bfloat16"
    told = {**job.told, "precision": f"{precision}: {said}"}
    settled = {} if found is None else {"precision": precision, "fidelity": found}
    return replace(job, told=told, question=job.question | settled)


def _compiled(job: Job, before: Choices) -> Job:
    """The job with a compiled model, where that was asked for and is faster."""
    if not job.request.compile:
        return job
    if before:
        used, said = bool(before.get("compiled")), "as the run was begun"
    else:
        used, said = faster.compiling_pays(job)
    told = {**job.told, "compile": f"{'yes' if used else 'no'}: {said}"}
    if not used:
        return replace(job, told=told)
    fast = faster.in_a_graph(job)
    return replace(fast, told=told, question=job.question | {"compiled": True})


def _answered(request: Request) -> Choices:
    """What the run that is continued was begun with: sizes and choices that were measured then.

    Measured again they might come out otherwise, and the rows would not be of one run.
    """
    if request.overwrite or not (request.out / questions.FILE).is_file():
        return {}
    try:
        return questions.load(request.out)
    except ResultError:  # told when the folder is opened to be written
        return {}


def _with_head(model: TorchModel, fitted: Weights, first: Batch) -> TorchModel:
    """The model with its head, if it has one, after it took a few inputs."""
    with model.borrowed(), torch.no_grad():
        weights = model.ready(fitted)
        inputs = guards.try_out(model, weights, first)
        placed = model.place(inputs)
        return replace(
            model,
            head=head.find(model.module, weights, lambda: model.forward(weights, placed)[0]),
        )


def _possible(
    found: Found, model: Model, leave_out: bool
) -> tuple[tuple[Score, ...], dict[str, str]]:
    """The scores that can be had, and why others cannot; what was asked by name is refused."""
    headless = [one.name for one in found.scores if not one.needs <= model.signals]
    blind = found.examples.unlabelled and found.target.at_prediction
    labelless = [one.name for one in found.scores if blind and scores.uses_label(one)]
    if headless and not leave_out:
        raise ScoreError(
            f"{', '.join(headless)} needs a model whose logits are the output of its last "
            f"nn.Linear; this one's are not. Drop it from --scores."
        )
    if labelless and not leave_out:
        raise ScoreError(
            f"{', '.join(labelless)} needs labels, and the data have none. Drop it from --scores."
        )
    without = dict.fromkeys(headless, "no linear head") | dict.fromkeys(labelless, "no labels")
    return tuple(one for one in found.scores if one.name not in without), without
