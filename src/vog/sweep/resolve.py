"""Find what a request names: scores, checkpoints, stages, data, and the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vog import checkpoints, data, scores, tasks
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch, Examples, TransformSpec
from vog.data.built_in_transforms import built_in_name
from vog.data.colours_last import with_colours_last
from vog.data.inputs import example_shape
from vog.errors import CheckpointError, DataError, ModelError, ScoreError
from vog.item_keys import ItemKeys
from vog.models.load import model_in_checkpoints, model_of
from vog.models.protocol import Companions, Model
from vog.observation import GRADIENTS
from vog.progress import announced
from vog.scores import Score, colours
from vog.scores.gradient import Layout
from vog.sweep.companions import companions_of, open_with_companions
from vog.sweep.request import Request
from vog.sweep.row_limit import continues_0_1, limit_examples, stored_choices
from vog.tasks import Task, targets
from vog.tasks.targets import Target
from vog.wording import option

# Examples of the first batch for the checks; more would cost time and reveal nothing.
_SAMPLE = 16
_MOST_UNREADABLE = 100


@dataclass(frozen=True)
class Resolved:
    """The objects that a request names.

    Attributes:
        task: what the labels are; None to choose it by outputs and labels.
        model: as it was opened, before it is adapted to weights and data.
        all_files: the files of all checkpoints; `all_stages` are the stages cut from them.
        files: the files that are used; `stages` are cut from these.
        first: examples for the checks.
        wrt: the part of the model whose output is differentiated; None for the inputs, and where
            no score needs a gradient.
        notes: sentences for the plan, by the word that introduces them.
    """

    task: Task | None
    target: Target
    scores: tuple[Score, ...]
    model: Model
    all_files: tuple[CheckpointFile, ...]
    all_stages: tuple[Stage, ...]
    files: tuple[CheckpointFile, ...]
    stages: tuple[Stage, ...]
    examples: Examples
    first: Batch
    wrt: str | None
    notes: Mapping[str, str]


def with_model(request: Request) -> Request:
    """Return the request with the name of the model that its checkpoints say, if it has none.

    Raises:
        ModelError: the checkpoints do not say it.
    """
    if request.model is not None:
        return request
    specs = _as_list(request.checkpoints)
    return replace(request, model=model_in_checkpoints(specs, request.read is not None))


def resolve(request: Request, task: Task | None = None) -> Resolved:
    """Return what the request names; raise VogError if something is missing or invalid.

    Args:
        request: the request.
        task: the task; None for the one that the request names.
    """
    task = tasks.task_of_name(request.task) if task is None else task
    target, score_objects = targets.choose_target(request.target), _requested_scores(request)
    specs = _as_list(request.checkpoints)
    model = model_of(request.model, request.model_options)
    search = checkpoints.search(specs, request.read is not None, model.reads_itself)
    all_files = search.files
    least = max(score.min_checkpoints for score in score_objects)
    all_stages = checkpoints.cut_stages(request.stages, len(all_files), least)
    indices, stages = checkpoints.pick_checkpoints(all_stages, request.checkpoints_per_stage, least)
    companions = companions_of(model, all_files[-1].path)
    examples, companion_notes = _open_examples(request, target, model, companions)
    first = _first_examples(examples, request.batch_size)
    wrt = _differentiated_module(request, model, score_objects, first)
    layout = _layout_of_model(model, examples, first)
    if layout == "channels-last" and _is_ours(examples):
        examples = with_colours_last(examples)
        first = _first_examples(examples, request.batch_size)
    layout = (
        colours.settle_layout(layout, example_shape(first.inputs), score_objects)
        if wrt is None
        else _layout_of_module(request, wrt)
    )
    return Resolved(
        task=task,
        target=target,
        scores=colours.with_layout(score_objects, layout),
        model=model,
        all_files=all_files,
        all_stages=all_stages,
        files=tuple(all_files[index] for index in indices),
        stages=stages,
        examples=examples,
        first=first,
        wrt=wrt,
        notes={
            **search.notes,
            **companion_notes,
            **({} if layout is None or wrt is not None else {"layout": layout}),
            **({} if wrt is None else {"gradient": _wrt_note(request, wrt)}),
            **({"data": "; ".join(examples.notes)} if examples.notes else {}),
        },
    )


def _open_examples(
    request: Request, target: Target, model: Model, companions: Companions
) -> tuple[Examples, Mapping[str, str]]:
    """Return the examples, and notes on what comes with the model."""
    hidden = continues_0_1(stored_choices(request))

    def open_examples(transform: TransformSpec) -> Examples:
        return data.open_source(
            *(request.data, request.root, transform, request.workers, request.exif),
            hidden=hidden,
            keys=ItemKeys(request.input_keys, request.label, model.input_names),
            id=request.id,
        )

    with announced("opening the data", request.quiet):
        examples, notes = open_with_companions(request, companions, open_examples)
    _refuse_unlabelled(examples, target)
    return limit_examples(examples, request), notes


def _differentiated_module(
    request: Request, model: Model, score_objects: Sequence[Score], first: Batch
) -> str | None:
    """Return the part of the model whose output is differentiated, if any score needs gradients.

    Raises:
        ModelError: the user names a part, and the model cannot differentiate by its parts.
    """
    wrt = model.differentiated_module(first.inputs)
    if request.wrt is not None and wrt is None:
        raise ModelError(
            f"{option('wrt', request.wrt)}: only the output of a part of a PyTorch module can be "
            f"differentiated. Leave {option('wrt')} out."
        )
    return wrt if scores.needs_of(score_objects) & GRADIENTS else None


def _layout_of_module(request: Request, wrt: str) -> Layout:
    """Return that the output of a module has no colours; its channels are features.

    Raises:
        ScoreError: the user names an axis of colours.
    """
    if request.layout not in (None, "none"):
        raise ScoreError(
            f"{option('layout', request.layout)}: the output of {wrt} is differentiated, which "
            f"has no colours. Leave {option('layout')} out."
        )
    return "none"


def _wrt_note(request: Request, wrt: str) -> str:
    reason = "" if request.wrt else " (the input embedding; no input is of floats)"
    return f"with respect to the output of {wrt}{reason}"


def _layout_of_model(model: Model, examples: Examples, first: Batch) -> Layout | None:
    """Return where the model takes the colours of an example; None if its shape decides.

    Args:
        model: is asked for images of our transforms as if they had their colours last.
        examples: as opened, with the colours of such images first.
        first: some of them.
    """
    shape = example_shape(first.inputs)
    if not _is_ours(examples):
        return model.layout_of(shape)
    return model.layout_of((*shape[1:], shape[0])) or "channels-first"


def _is_ours(examples: Examples) -> bool:
    """Return whether a transform of this package makes the images, with their colours first."""
    return built_in_name(examples.transform) is not None


def _refuse_unlabelled(examples: Examples, target: Target) -> None:
    if examples.unlabelled and not target.at_prediction:
        raise DataError(
            f"the data have no labels ({examples.ids[0]!r}, ...), and the target needs them. "
            f"Give labels (a sub-folder per class, lines of `path label`, `labels` in an .npz, "
            f"items of (input, label)), or {option('target', 'predicted')}, which needs none."
            f"{_notes_sentence(examples)}"
        )


def _notes_sentence(examples: Examples) -> str:
    """Return the notes on the data, such as keys of items that were not read, as a sentence."""
    return f" Of the data: {'; '.join(examples.notes)}." if examples.notes else ""


def _requested_scores(request: Request) -> tuple[Score, ...]:
    names = request.scores
    if names is None:
        names = scores.DEFAULT
    elif names == "all":
        names = tuple(scores.SCORES)
    elif isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    return scores.choose_scores(names, request.channels)


def _as_list(checkpoints: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    patterns = [checkpoints] if isinstance(checkpoints, str | Path) else checkpoints
    if any(isinstance(pattern, str) and not pattern.strip() for pattern in patterns):
        raise CheckpointError(
            f"{option('checkpoints')} is empty. Expected globs, files, a folder or @list.txt; the "
            f"current folder is `.`."
        )
    return patterns


def _first_examples(examples: Examples, batch_size: int | str) -> Batch:
    """Return examples for the checks: the start of the first batch with a readable example."""
    row = _first_readable(examples)
    size = min(len(examples), _SAMPLE, batch_size if isinstance(batch_size, int) else _SAMPLE)
    start = row - row % size
    return data.read_batch(examples, range(start, min(start + size, len(examples))))


def _first_readable(examples: Examples) -> int:
    problem = ""
    rows = range(min(len(examples), _MOST_UNREADABLE))
    for row, probe in zip(
        rows, data.samples(examples, [rows[i : i + 1] for i in rows]), strict=False
    ):
        if len(probe.positions):
            return row
        problem = problem or f"{examples.ids[row]!r}: {probe.problems[0]}"
    raise DataError(
        f"none of the first {min(len(examples), _MOST_UNREADABLE)} examples can be read; "
        f"{problem}. Correct {option('data')} or {option('root')}."
    )
