"""From a request to a job: everything found, read, matched and checked, and no row computed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vog import checkpoints, data, functions, scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch, Examples
from vog.errors import DataError, FunctionError, ModelError, ResultError, ScoreError
from vog.models import Model, Weights, head, targets
from vog.models.torch import TorchModel
from vog.result import question as questions
from vog.scores import Score
from vog.sweep import budget, faster, guards
from vog.sweep.job import Job
from vog.sweep.question import question_of
from vog.sweep.request import Request
from vog.sweep.weights import Streamed, read_all

Choices = Mapping[str, Any]
# Of the first batch, what the guards look at: more would cost and tell nothing.
_GUARDED = 16
_MOST_UNREADABLE = 100


def prepare(request: Request) -> Job:
    """Everything a sweep needs, checked before the expensive part.

    Raises:
        VogError: whatever is wrong with the request; see the guards of `vog.sweep.guards`.
    """
    _refuse_bad_numbers(request)
    target = targets.choose(request.target)
    asked = _asked_scores(request)
    device = _device(request.device)
    everything = tuple(checkpoints.find(_as_list(request.checkpoints)))
    least = max(score.min_checkpoints for score in asked)
    whole = checkpoints.cut(request.stages, len(everything), least)
    picked, stages = checkpoints.pick(whole, request.checkpoints_per_stage, least)
    files = tuple(everything[one] for one in picked)
    examples = data.open_source(request.data, request.root, request.transform)
    if request.limit is not None:
        examples = examples.first(request.limit)
    examples = data.drafted(examples)
    before = _answered(request)
    first = _first_examples(examples, request.batch_size)
    module = _module(request)
    model = TorchModel(module, target, device)
    fitted = model.fit(checkpoints.read(files[-1].path), str(files[-1].path))
    model = _with_head(model, fitted, first)
    chosen = _possible(asked, model, request.scores is None or request.scores == "all")
    needs = scores.needs_of(chosen)
    if request.fold:
        model = faster.folded(model, fitted, first, needs)
    ready = model.ready(fitted)
    with model.borrowed():
        classes = guards.check(model, ready, needs, examples, first)
    workers = data.default_workers(examples) if request.workers is None else request.workers
    measured = budget.measure(model, ready, first.inputs, stages, chosen, workers)
    if request.precision != "float32":  # compared with float32, whose weights are there as well
        measured = replace(measured, weights=measured.weights * 3 // 2)
    share = budget.share_out(
        measured,
        before.get("batch_size", "auto") if request.batch_size == "auto" else request.batch_size,
        budget.total_bytes(request.memory, device),
        device.type,
        first.inputs[0].numel(),
        len(files),
        len(examples),
    )
    del fitted, ready
    weights, digests = read_all(files, model, share.hold)
    question = question_of(request, module, files, digests, stages, examples, chosen) | {
        "target": target.code or target.name,
        "batch_size": share.batch_size,
        "device": device.type,
        "precision": "float32",
        "folded": len(model.folding.pairs),
    }
    job = Job(
        model=model,
        weights=weights,
        files=files,
        stages=stages,
        scores=chosen,
        examples=examples,
        classes=classes,
        input_shape=tuple(first.inputs.shape[1:]),
        aim_at_prediction=target.at_prediction,
        share=share,
        workers=workers,
        left_out=tuple(score.name for score in asked if score not in chosen),
        told={},
        question=question,
        request=request,
    )
    job = _approximate(job, everything, whole, before)
    job = _in_precision(job, before)
    return _compiled(job, before)


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
    return replace(job, question=question, told={**job.told, "approximation": said})


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


def _refuse_bad_numbers(request: Request) -> None:
    for name, value, least in (
        ("batch-size", request.batch_size, 1),
        ("limit", request.limit, 1),
        ("workers", request.workers, 0),
    ):
        if isinstance(value, int) and value < least:
            raise DataError(f"--{name} is {value}; expected at least {least}.")
        if isinstance(value, str) and value != "auto":
            raise DataError(f"--{name} is {value!r}; expected a number or 'auto'.")


def _asked_scores(request: Request) -> tuple[Score, ...]:
    asked = request.scores
    if asked is None:
        asked = scores.DEFAULT
    elif asked == "all":
        asked = tuple(scores.SCORES)
    elif isinstance(asked, str):
        asked = [name.strip() for name in asked.split(",") if name.strip()]
    return scores.choose(asked, request.channels)


def _possible(asked: Sequence[Score], model: Model, leave_out: bool) -> tuple[Score, ...]:
    """The scores that this model can give; one asked for by name is not left out silently."""
    possible = tuple(score for score in asked if score.needs <= model.signals)
    without = [score.name for score in asked if score not in possible]
    if without and not leave_out:
        raise ScoreError(
            f"{', '.join(without)} needs a model whose logits are the output of its last "
            f"nn.Linear; this one's are not. Drop it from --scores."
        )
    return possible


def _device(asked: str) -> torch.device:
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise ModelError(f"--device {asked!r}: expected auto, cpu, cuda or cuda:i.") from error
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"--device {asked!r}: expected auto, cpu, cuda or cuda:i.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"--device {asked!r}: there is no CUDA device here. Use --device cpu.")
    return device


def _as_list(checkpoints: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [checkpoints] if isinstance(checkpoints, str | Path) else checkpoints


def _module(request: Request) -> nn.Module:
    model = request.model
    if isinstance(model, nn.Module):
        return model
    spec = model if isinstance(model, str) else functions.identity(model)
    function = functions.load(model, "--model") if isinstance(model, str) else model
    made = functions.call(function, spec, "--model", **request.model_args)
    if not isinstance(made, nn.Module):
        raise FunctionError(f"--model {spec!r} returns {type(made).__name__}, not an nn.Module.")
    return made


def _first_examples(examples: Examples, batch_size: int | str) -> Batch:
    """What the guards look at: of the first batch in which an example can be read, some."""
    row, _ = _first_readable(examples)
    size = min(len(examples), _GUARDED, batch_size if isinstance(batch_size, int) else _GUARDED)
    start = row - row % size
    return data.read(examples, range(start, min(start + size, len(examples))))


def _first_readable(examples: Examples) -> tuple[int, Batch]:
    problem = ""
    for row in range(min(len(examples), _MOST_UNREADABLE)):
        probe = data.read(examples, range(row, row + 1))
        if len(probe.at):
            return row, probe
        problem = problem or f"{examples.ids[row]!r}: {probe.problems[0]}"
    raise DataError(
        f"none of the first {min(len(examples), _MOST_UNREADABLE)} examples can be read; "
        f"{problem}. Correct --data or --root."
    )
