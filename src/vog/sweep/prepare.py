"""Turn a request into a job: open, read, match and check everything, without computing rows."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from vog import scores
from vog.data.inputs import elements_per_example, example_shape, may_vary
from vog.errors import DataError, ModelError
from vog.models.protocol import StateBesideWeightsError
from vog.observation import GRADIENTS, Outcome, Signal
from vog.sweep import acceleration, check_arguments, memory_plan, split_half
from vog.sweep.job import Computation, Job
from vog.sweep.make_question import make_question
from vog.sweep.memory_plan import MemoryPlan
from vog.sweep.part_grid import PartGrid, plan_parts, seconds_per_row
from vog.sweep.projection import Projection
from vog.sweep.request import Request
from vog.sweep.resolve import Resolved, resolve, with_model
from vog.sweep.row_limit import stored_choices
from vog.sweep.trial import ModelTrial, first_working_trial
from vog.sweep.weights import AllWeights, ReadWeights, WeightFiles, read_all
from vog.tasks import CLASSIFICATION, Task
from vog.wording import option

# The module that runs has weights of its own, and so has the module that files are loaded into.
_COPIES = 2


@dataclass(frozen=True)
class Choices:
    """What was chosen for a run, or what was chosen when it began.

    Attributes:
        question: the entries of the question that say so.
        notes: sentences for the plan, by the word that introduces them.
    """

    question: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@torch.inference_mode(mode=False)  # in the caller's inference mode there are no gradients
def prepare(request: Request, task: Task | None = None) -> Job:
    """Return the job of a request, with all checks done before the expensive part.

    Args:
        request: the request.
        task: an object that says what labels are; None for the task that the request names.

    Raises:
        VogError: something is wrong with the request; see also `vog.sweep.preflight`.
    """
    request = with_model(check_arguments.check_request(request))
    stored = stored_choices(request)
    setup = resolve(request, task)
    trial = first_working_trial(request, setup, setup.model)
    memory = _plan_memory(request, setup, trial, stored)
    trial, read = _load_weights(request, setup, trial, memory)
    grid = _plan_grid(request, setup, trial, memory, stored)
    computation, choices = _settle(
        _computation(request, setup, trial, memory, read, stored), request, setup, stored
    )
    return _job(request, setup, computation, choices, trial, read, grid)


def _plan_memory(
    request: Request, setup: Resolved, trial: ModelTrial, stored: Mapping[str, Any]
) -> MemoryPlan:
    examples, first = setup.examples, setup.first
    needs = memory_plan.measure_needs(
        trial.observer,
        trial.weights,
        first.inputs,
        trial.observer.labels(first),
        setup.stages,
        trial.scores,
        examples.workers,
        split_half.halved_share(len(examples)),
    )
    needs = replace(needs, fixed=needs.fixed + _COPIES * needs.weights)
    if request.precision != "float32":  # both precisions are in memory for the comparison
        needs = replace(needs, weights=needs.weights * 3 // 2)
    batch_size = request.batch_size
    return memory_plan.plan_memory(
        needs,
        stored.get("batch_size", "auto") if batch_size == "auto" else batch_size,
        memory_plan.total_bytes(request.memory, trial.model.free_bytes()),
        trial.model.device.type,
        max(elements_per_example(first.inputs), needs.elements),
        len(setup.files),
        examples.total or len(examples),  # a sample may grow later
    )


def _load_weights(
    request: Request, setup: Resolved, trial: ModelTrial, memory: MemoryPlan
) -> tuple[ModelTrial, ReadWeights]:
    """Return the weights of all checkpoints, and the trial of the model that takes them all."""
    try:
        read = read_all(setup.files, trial.model, memory.hold, request.quiet, setup.first)
    except StateBesideWeightsError:
        trial = first_working_trial(request, setup, setup.model.apart())
        read = read_all(setup.files, trial.model, memory.hold, request.quiet, setup.first)
    return trial, read


def _plan_grid(
    request: Request,
    setup: Resolved,
    trial: ModelTrial,
    memory: MemoryPlan,
    stored: Mapping[str, Any],
) -> PartGrid:
    seconds = 0.0
    if request.rows_per_part is None and "rows_per_part" not in stored:
        needs, workers = scores.needs_of(trial.scores), setup.examples.workers
        size, count = memory.batch_size, len(setup.files)
        seconds = seconds_per_row(
            trial.observer, trial.weights, setup.first, needs, size, count, workers
        )
    rows = len(setup.examples)
    return plan_parts(request.rows_per_part, stored, memory.batch_size, rows, seconds)


def _computation(
    request: Request,
    setup: Resolved,
    trial: ModelTrial,
    memory: MemoryPlan,
    read: ReadWeights,
    stored: Mapping[str, Any],
) -> Computation:
    return Computation(
        model=trial.model,
        weights=read.weights,
        files=setup.files,
        stages=setup.stages,
        task=trial.observer.task,
        target=trial.observer.target,
        scores=trial.scores,
        examples=setup.examples,
        classes=trial.classes,
        memory_plan=memory,
        keeps_probabilities=_keeps_probabilities(request, setup, trial.observer.task),
        projection=_projection(request, trial, stored),
        quiet=request.quiet,
        keeps_lengths=_keeps_lengths(setup, stored),
    )


def _keeps_lengths(setup: Resolved, stored: Mapping[str, Any]) -> bool:
    """Return whether lengths are stored: as when the run began, or if they may differ."""
    return bool(stored.get("lengths")) if stored else may_vary(setup.first.inputs)


def _keeps_probabilities(request: Request, setup: Resolved, task: Task) -> bool:
    """Return whether probabilities are stored; raise DataError if the task has none to store."""
    fold = setup.examples.fold
    if Outcome.PROBABILITIES not in task.outcomes:
        if request.keep_probabilities:
            raise DataError(
                f"{option('keep_probabilities', True)}: the task {task.name} has no probabilities "
                f"of classes. Leave it out."
            )
        return False
    if request.keep_probabilities is None:
        return fold is not None and fold.held_out
    return request.keep_probabilities


def _projection(
    request: Request, trial: ModelTrial, stored: Mapping[str, Any]
) -> Projection | None:
    """Return how features are stored: as when the run began, or if the model has a last layer."""
    if not request.features or Signal.FEATURES not in trial.model.signals:
        return None
    if not stored:
        return Projection()
    return Projection(**stored["features"]) if stored.get("features") else None


def _settle(
    computation: Computation, request: Request, setup: Resolved, stored: Mapping[str, Any]
) -> tuple[Computation, Choices]:
    """Return the computation in the ways that are chosen, and these choices."""
    choices = Choices({"precision": "float32"})
    steps: tuple[Callable[..., tuple[Computation, Choices]], ...] = (
        _settle_checkpoints,
        _settle_precision,
        _settle_compiling,
    )
    for settle in steps:
        computation, chosen = settle(computation, request, setup, stored)
        choices = Choices(
            {**choices.question, **chosen.question}, {**choices.notes, **chosen.notes}
        )
    return computation, choices


def _settle_checkpoints(
    computation: Computation, request: Request, setup: Resolved, stored: Mapping[str, Any]
) -> tuple[Computation, Choices]:
    """Note what using only some of the checkpoints costs."""
    files = setup.all_files
    if len(computation.files) == len(files):
        return computation, Choices()
    approximation = stored.get("approximation")
    if approximation is None:
        source = WeightFiles.now(files, computation.model)
        weights = AllWeights(source, hold=False, held=(computation.weights.last,))
        full = replace(computation, weights=weights, files=files, stages=setup.all_stages)
        activity = "comparing with all checkpoints"
        fidelity = acceleration.compare_computations(full, computation, activity)
        approximation = {"checkpoints": len(files), **fidelity.question_entry}
    column, correlation = acceleration.lowest_correlation(approximation["spearman"])
    note = (
        f"{len(computation.files)} of {len(files)} checkpoints; {column} has rank correlation "
        f"{correlation:.3f} with all of them ({approximation['examples']} examples)"
    )
    return computation, Choices({"approximation": approximation}, {"picked": note})


def _settle_precision(
    computation: Computation, request: Request, setup: Resolved, stored: Mapping[str, Any]
) -> tuple[Computation, Choices]:
    """Choose the requested precision; with "auto", bfloat16 if it is accurate and faster."""
    requested, stored_precision = request.precision, stored.get("precision")
    if requested == "float32" or (requested == "auto" and stored_precision == "float32"):
        return computation, Choices()
    if stored_precision == "bfloat16":
        computation = acceleration.with_bfloat16(computation)
        fidelity, note = stored.get("fidelity"), "as when the run began"
    else:
        always = requested == "bfloat16"
        computation, fidelity, note = acceleration.try_bfloat16(computation, always)
    precision = "float32" if fidelity is None else "bfloat16"
    entries = {} if fidelity is None else {"precision": precision, "fidelity": fidelity}
    return computation, Choices(entries, {"precision": f"{precision}: {note}"})


def _settle_compiling(
    computation: Computation, request: Request, setup: Resolved, stored: Mapping[str, Any]
) -> tuple[Computation, Choices]:
    """Choose a compiled model if the user wants it, and it is faster or was when the run began."""
    if not request.compile:
        return computation, Choices()
    slow = computation
    if not stored:
        computation, note = acceleration.try_compiling(slow)
    elif not stored.get("compiled"):
        note = "as when the run began"
    else:
        try:
            computation, note = acceleration.with_compiled_model(slow), "as when the run began"
        except ModelError as error:
            note = str(error).splitlines()[0]
    compiles = computation is not slow
    notes = {"compile": f"{'yes' if compiles else 'no'}: {note}"}
    return computation, Choices({"compiled": True} if compiles else {}, notes)


def _task_entry(task: Task) -> dict[str, str]:
    """Return the name of the task, unless it is the one that version 0.1 had."""
    return {} if task.name == CLASSIFICATION.name else {"task": task.name}


def _job(
    request: Request,
    setup: Resolved,
    computation: Computation,
    choices: Choices,
    trial: ModelTrial,
    read: ReadWeights,
    grid: PartGrid,
) -> Job:
    question = make_question(
        *(request, setup.model, setup.files, read.digests),
        *(setup.stages, setup.examples, trial.scores),
    )
    question |= {
        "target": setup.target.code or setup.target.name,
        **_task_entry(computation.task),
        "batch_size": computation.batch_size,
        "rows_per_part": grid.rows_per_part,
        "device": computation.model.device.type,
        **computation.model.settings,
        **({} if setup.wrt is None or not computation.needs & GRADIENTS else {"wrt": setup.wrt}),
        **({"probabilities": True} if computation.keeps_probabilities else {}),
        **({"lengths": True} if computation.keeps_lengths else {}),
        **({} if computation.projection is None else {"features": asdict(computation.projection)}),
        **choices.question,
    }
    return Job(
        **vars(computation),
        input_shape=example_shape(setup.first.inputs),
        workers=setup.examples.workers,
        left_out=trial.left_out,
        notes={
            **setup.notes,
            **trial.notes,
            **read.notes,
            **({"parts": grid.note} if grid.note else {}),
            **choices.notes,
        },
        question=question,
        out=request.out,
        overwrite=request.overwrite,
    )
