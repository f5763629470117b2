"""What the words of a request name: scores, checkpoints, stages, data, and the module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vog import checkpoints, data, scores, user_functions
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch, Examples
from vog.errors import CheckpointError, DataError, FunctionError, ModelError, first_few
from vog.models import targets
from vog.models.targets import Target
from vog.models.torch import fresh_modules
from vog.models.torch.fresh_modules import ModuleSource
from vog.models.torch.weights_in_place import tensors_of
from vog.scores import Score, colours
from vog.sweep.request import Request
from vog.sweep.row_limit import continues_0_1, limit_examples, stored_choices

# Of the first batch, what the guards look at: more would cost and tell nothing.
_SAMPLE = 16
_MOST_UNREADABLE = 100


@dataclass(frozen=True)
class Resolved:
    """What the words of a request name, before the model is made.

    Attributes:
        everything: the files of all checkpoints; `whole`, the stages cut from them.
        files: those that are used; `stages`, cut from these.
        notes: what was left out of the checkpoints, in words, by what it is about.
    """

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
    """What is asked, and where it is.

    Raises:
        VogError: something is not there, or makes no sense.
    """
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
        target, score_objects, device, all_files, all_stages, files, stages, examples, search.notes
    )


def _refuse_unlabelled(examples: Examples, target: Target) -> None:
    if examples.unlabelled and not target.at_prediction:
        raise DataError(
            f"the data have no labels ({examples.ids[0]!r}, ...), and the target is that of the "
            f"label. Give labels (a sub-folder a class, lines of `path label`, `labels` in an "
            f".npz, items of (input, label)), or --target predicted, which needs none."
            f"{_notes_sentence(examples)}"
        )


def _notes_sentence(examples: Examples) -> str:
    """What was noted of the data, such as the keys of items that were not read, as a sentence."""
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
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"--device {name!r}: expected auto, cpu, cuda or cuda:i.") from error
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"--device {name!r}: expected auto, cpu, cuda or cuda:i.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"--device {name!r}: there is no CUDA device here. Use --device cpu.")
    return device


def _as_list(checkpoints: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    patterns = [checkpoints] if isinstance(checkpoints, str | Path) else checkpoints
    if any(isinstance(pattern, str) and not pattern.strip() for pattern in patterns):
        raise CheckpointError(
            "--checkpoints is empty. Expected globs, files, a folder or @list.txt; the folder "
            "where you are is `.`."
        )
    return patterns


def module_source(request: Request) -> ModuleSource:
    """The module that the request names or is, and a way to others; a function is called.

    Raises:
        FunctionError: it cannot be found, fails, or makes no module.
    """
    model = request.model
    if isinstance(model, nn.Module):
        return fresh_modules.source_of(_require_values(model), None)
    spec = model if isinstance(model, str) else user_functions.function_identity(model)
    function = user_functions.load_function(model, "--model") if isinstance(model, str) else model

    def build() -> nn.Module:
        module = user_functions.call_function(function, spec, "--model", **request.model_args)
        if not isinstance(module, nn.Module):
            raise FunctionError(
                f"--model {spec!r} returns {type(module).__name__}, not an nn.Module."
            )
        return _require_values(module)

    return fresh_modules.source_of(None, build)


def _require_values(module: nn.Module) -> nn.Module:
    """Return the module, unless its tensors are on the device that keeps no values."""
    valueless = [name for name, tensor in tensors_of(module).items() if tensor.is_meta]
    if valueless:
        raise ModelError(
            f"{len(valueless)} tensors of the model are on the meta device and have no values: "
            f"{first_few(valueless)}. What is in no checkpoint, such as some buffers, would be left "
            f"without. Build the model on the CPU."
        )
    return module


def first_examples(examples: Examples, batch_size: int | str) -> Batch:
    """What the guards look at: of the first batch in which an example can be read, some."""
    row = _first_readable(examples)
    size = min(len(examples), _SAMPLE, batch_size if isinstance(batch_size, int) else _SAMPLE)
    start = row - row % size
    return data.read_batch(examples, range(start, min(start + size, len(examples))))


def with_colour_axis(
    request: Request, score_objects: tuple[Score, ...], first: Batch
) -> tuple[Score, ...]:
    """The scores, which know where the colours of an example are.

    Raises:
        ScoreError: the shape of an example does not tell, and neither does the request.
    """
    layout = colours.settle_layout(request.layout, tuple(first.inputs.shape[1:]), score_objects)
    return colours.with_layout(score_objects, layout)


def data_notes(setup: Resolved) -> dict[str, str]:
    """What the plan says of the data, by its first word."""
    layout = colours.layout_of(setup.scores)
    notes = {} if layout is None else {"layout": layout}
    return notes | ({"data": "; ".join(setup.examples.notes)} if setup.examples.notes else {})


def _first_readable(examples: Examples) -> int:
    problem = ""
    rows = range(min(len(examples), _MOST_UNREADABLE))
    for row, probe in zip(
        rows, data.samples(examples, [rows[i : i + 1] for i in rows]), strict=False
    ):
        if len(probe.at):
            return row
        problem = problem or f"{examples.ids[row]!r}: {probe.problems[0]}"
    raise DataError(
        f"none of the first {min(len(examples), _MOST_UNREADABLE)} examples can be read; "
        f"{problem}. Correct --data or --root."
    )
