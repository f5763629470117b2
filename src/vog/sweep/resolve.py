"""Find what a request names: scores, checkpoints, stages, data, and the module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vog import checkpoints, data, scores, user_functions
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch, Examples
from vog.errors import CheckpointError, DataError, FunctionError, ModelError, first_few
from vog.models.torch import fresh_modules
from vog.models.torch.fresh_modules import ModuleSource
from vog.models.torch.weights_in_place import tensors_of
from vog.scores import Score, colours
from vog.sweep.request import Request
from vog.sweep.row_limit import continues_0_1, limit_examples, stored_choices
from vog.tasks import CLASSIFICATION, Task, targets
from vog.tasks.targets import Target
from vog.wording import option

# Examples of the first batch for the checks; more would cost time and reveal nothing.
_SAMPLE = 16
_MOST_UNREADABLE = 100


@dataclass(frozen=True)
class Resolved:
    """The objects that a request names, before the model is built.

    Attributes:
        all_files: the files of all checkpoints; `all_stages` are the stages cut from them.
        files: the files that are used; `stages` are cut from these.
        notes: sentences on checkpoints that were left out, by the word that introduces them.
    """

    task: Task
    target: Target
    scores: tuple[Score, ...]
    device: torch.device
    all_files: tuple[CheckpointFile, ...]
    all_stages: tuple[Stage, ...]
    files: tuple[CheckpointFile, ...]
    stages: tuple[Stage, ...]
    examples: Examples
    notes: Mapping[str, str]


def resolve(request: Request) -> Resolved:
    """Return what the request names; raise VogError if something is missing or invalid."""
    target, score_objects = targets.choose_target(request.target), _requested_scores(request)
    device = _choose_device(request.device)
    search = checkpoints.search(_as_list(request.checkpoints), request.read is not None)
    all_files = search.files
    least = max(score.min_checkpoints for score in score_objects)
    all_stages = checkpoints.cut_stages(request.stages, len(all_files), least)
    indices, stages = checkpoints.pick_checkpoints(all_stages, request.checkpoints_per_stage, least)
    files = tuple(all_files[index] for index in indices)
    examples = data.open_source(
        request.data,
        request.root,
        request.transform,
        request.workers,
        request.exif,
        hidden=continues_0_1(stored_choices(request)),
    )
    _refuse_unlabelled(examples, target)
    examples = limit_examples(examples, request)
    return Resolved(
        CLASSIFICATION,
        target,
        score_objects,
        device,
        all_files,
        all_stages,
        files,
        stages,
        examples,
        search.notes,
    )


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


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = option("device", name)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"{setting}: expected auto, cpu, cuda or cuda:i.") from error
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"{setting}: expected auto, cpu, cuda or cuda:i.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{setting}: there is no CUDA device here. Use {option('device', 'cpu')}.")
    return device


def _as_list(checkpoints: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    patterns = [checkpoints] if isinstance(checkpoints, str | Path) else checkpoints
    if any(isinstance(pattern, str) and not pattern.strip() for pattern in patterns):
        raise CheckpointError(
            f"{option('checkpoints')} is empty. Expected globs, files, a folder or @list.txt; the "
            f"current folder is `.`."
        )
    return patterns


def module_source(request: Request) -> ModuleSource:
    """Return the source of the module, which can also give fresh ones.

    Raises:
        FunctionError: the function cannot be found, fails, or returns no module.
    """
    model = request.model
    if isinstance(model, nn.Module):
        return fresh_modules.source_of(_require_values(model), None)
    spec = model if isinstance(model, str) else user_functions.function_identity(model)
    what = option("model")
    function = user_functions.load_function(model, what) if isinstance(model, str) else model

    def build() -> nn.Module:
        module = user_functions.call_function(function, spec, what, **request.model_args)
        if not isinstance(module, nn.Module):
            kind = type(module).__name__
            raise FunctionError(f"{what} {spec!r} returns {kind}, not an nn.Module.")
        return _require_values(module)

    return fresh_modules.source_of(None, build)


def _require_values(module: nn.Module) -> nn.Module:
    """Return the module; raise ModelError if tensors are on the meta device, without values."""
    valueless = [name for name, tensor in tensors_of(module).items() if tensor.is_meta]
    if valueless:
        raise ModelError(
            f"{len(valueless)} tensors of the model are on the meta device and have no values: "
            f"{first_few(valueless)}. Tensors that no checkpoint holds, such as some buffers, "
            f"would stay without values. Build the model on the CPU."
        )
    return module


def first_examples(examples: Examples, batch_size: int | str) -> Batch:
    """Return examples for the checks: the start of the first batch with a readable example."""
    row = _first_readable(examples)
    size = min(len(examples), _SAMPLE, batch_size if isinstance(batch_size, int) else _SAMPLE)
    start = row - row % size
    return data.read_batch(examples, range(start, min(start + size, len(examples))))


def with_colour_axis(
    request: Request, score_objects: tuple[Score, ...], first: Batch
) -> tuple[Score, ...]:
    """Return the scores with the axis of an example that holds its colours.

    Raises:
        ScoreError: neither the shape of an example nor the request determines the axis.
    """
    layout = colours.settle_layout(request.layout, tuple(first.inputs.shape[1:]), score_objects)
    return colours.with_layout(score_objects, layout)


def data_notes(setup: Resolved) -> dict[str, str]:
    """Return the notes of the plan on the data, by the word that introduces them."""
    layout = colours.layout_of(setup.scores)
    notes = {} if layout is None else {"layout": layout}
    return notes | ({"data": "; ".join(setup.examples.notes)} if setup.examples.notes else {})


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
