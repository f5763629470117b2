"""The parts of a run, found again from what it names: model, checkpoints, data, and the rest.

Only names are looked at: nothing is imported, run or loaded here.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.checkpoints import CheckpointFile, ReadSpec, find_checkpoints
from vog.data import TransformSpec
from vog.errors import CheckpointError, ResultError, first_few
from vog.files.file_names import expanded
from vog.models.targets import TARGETS
from vog.result import Run
from vog.result.data_location import checkpoint_locations, current_location
from vog.sweep.request import ModelSpec, TargetSpec

CheckpointsSpec = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Options:
    """What is run and read, by the option that names it; None is what the run says."""

    model: ModelSpec | None = None
    checkpoints: CheckpointsSpec | None = None
    model_args: Mapping[str, Any] | None = None
    data: Any = None
    root: str | Path | None = None
    transform: TransformSpec = None
    target: TargetSpec | None = None
    read: ReadSpec | None = None


@dataclass(frozen=True)
class LocatedInputs:
    """The same, where each is something."""

    model: ModelSpec
    files: tuple[CheckpointFile, ...]
    model_args: Mapping[str, Any]
    data: Any
    root: Path | None
    transform: TransformSpec
    target: TargetSpec
    read: ReadSpec | None
    weights: str | None


def gradients_folder(run: Run, options: Options) -> Path | None:
    """Where the gradients are, of a run that was made of stored ones."""
    name = current_location(run, "gradients")
    if name is None:
        return None
    folder = Path(name if options.data is None else options.data)
    if not folder.is_dir():
        raise ResultError(
            f"{run.folder} was made of the gradients stored in {folder}, which is no folder, seen "
            f"from {Path.cwd()}. Give the folder with the weight_STEP folders as --data."
        )
    return folder


def locate_inputs(run: Run, options: Options) -> LocatedInputs:
    """What the options name, and for the rest what the run names, if it may be there."""
    question = run.question
    run_specs = {
        "model": current_location(run, "model"),
        "data": current_location(run, "fold") or current_location(run, "data"),
        "transform": current_location(run, "transform") or _transform_word(question),
        "target": current_location(run, "target") or _target_word(question),
    }
    if "read" in question or options.read is not None:
        run_specs["read"] = current_location(run, "read")
    specs: dict[str, Any] = {}
    for name, value in run_specs.items():
        user_spec = getattr(options, name)
        specs[name] = value if user_spec is None else user_spec
        _check_located(run, name, specs[name])
    args, root = (
        options.model_args,
        current_location(run, "root") if options.root is None else options.root,
    )
    if args is None:
        args = {k: _literal(v) for k, v in question.get("model", {}).get("args", {}).items()}
    return LocatedInputs(
        files=_checkpoint_files(run, options.checkpoints, "read" in question),
        weights=question.get("weights"),
        model_args=args,
        root=None if root is None else Path(root),
        **{"read": None, **specs},
    )


def _transform_word(question: Mapping[str, Any]) -> str | None:
    """The word for the transform that the run knows by its code; None for one of the user's."""
    name = str(question["data"].get("transform")).partition(" ")[0]
    words = {"none": "none", "vog.data.images.unchanged": "none"}
    return (words | {"vog.data.images.imagenet": "imagenet"}).get(name)


def _target_word(question: Mapping[str, Any]) -> str | None:
    return next((name for name in TARGETS if name == question.get("target")), None)


def _literal(value: Any) -> Any:
    """A keyword as it was given: a question keeps lists and their like as they print."""
    try:
        return ast.literal_eval(value) if str(value)[:1] in tuple("([{") else value
    except (ValueError, SyntaxError):
        return value


def _check_located(run: Run, name: str, spec: object) -> None:
    """Nothing where what is named may be there, as far as names tell."""
    if spec is None:
        what = "" if name == "data" else " file.py:function"
        raise ResultError(
            f"{run.folder} does not name its {name}, which was an object in Python. "
            f"Give --{name}{what}."
        )
    is_word = name in ("transform", "target") and ":" not in str(spec)
    if is_word or not isinstance(spec, str | Path) or expanded(spec).exists():
        return
    path, colon, _ = str(spec).rpartition(":")
    if not colon or (path.endswith(".py") and not expanded(path).is_file()):
        raise ResultError(
            f"the {name} of {run.folder}, {str(spec)!r}, is not there, seen from {Path.cwd()}. "
            f"Give what it is called now as --{name}."
        )


def _checkpoint_files(
    run: Run, spec: CheckpointsSpec | None, as_they_match: bool
) -> tuple[CheckpointFile, ...]:
    """The checkpoints of the run, in training order, where they are now."""
    steps = [int(entry["step"]) for entry in run.question["checkpoints"]]
    if spec is None:
        paths = [Path(entry) for entry in checkpoint_locations(run)]
        lost = [str(path) for path in paths if not path.exists()]
        if lost or len(paths) != len(steps):
            raise ResultError(
                f"{len(lost)} of the {len(steps)} checkpoints of {run.folder} are not there, seen "
                f"from {Path.cwd()}: {first_few(lost)}. Give where they are now as --checkpoints."
            )
        return tuple(map(CheckpointFile, paths, steps))
    files = find_checkpoints([spec] if isinstance(spec, str | Path) else spec, as_they_match)
    by_step = {file.step: file for file in files}
    if by_step.keys() >= set(steps):
        return tuple(by_step[step] for step in steps)
    if len(files) != len(steps):
        raise CheckpointError(
            f"--checkpoints names {len(files)} files, of the steps {first_few(list(by_step))}. "
            f"{run.folder} was scored under {len(steps)}, of the steps {first_few(steps)}: give "
            f"these."
        )
    return tuple(files)
