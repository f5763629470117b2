"""Find the inputs of a run again by the names in it: model, checkpoints, data and the rest.

Only names are examined: nothing is imported, run or loaded here.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.checkpoints import CheckpointFile, NamesSpec, ReadSpec, find_checkpoints, has_known_name
from vog.data import TransformSpec
from vog.data.built_in_transforms import word_of_name
from vog.data.processors.model_transform import is_stored_name
from vog.errors import CheckpointError, ResultError, first_few
from vog.files.file_names import expanded, split_scheme
from vog.result import Run
from vog.result.data_location import checkpoint_locations, current_location
from vog.sweep.request import ModelSpec, TargetSpec
from vog.tasks.targets import TARGETS
from vog.wording import option

CheckpointsSpec = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Options:
    """The inputs that the user names, by option; None stands for what the run names."""

    model: ModelSpec | None = None
    checkpoints: CheckpointsSpec | None = None
    model_args: Mapping[str, Any] | None = None
    data: Any = None
    root: str | Path | None = None
    transform: TransformSpec = None
    target: TargetSpec | None = None
    read: ReadSpec | None = None
    names: NamesSpec | None = None


@dataclass(frozen=True)
class LocatedInputs:
    """The inputs of a run as they are found now."""

    model: ModelSpec
    files: tuple[CheckpointFile, ...]
    model_args: Mapping[str, Any]
    data: Any
    root: Path | None
    transform: TransformSpec
    target: TargetSpec
    read: ReadSpec | None
    names: NamesSpec | None
    weights: str | None
    rest_from_model: bool


def gradients_folder(run: Run, options: Options) -> Path | None:
    """Return the folder of the gradients if the run was made of stored ones, else None.

    Raises:
        ResultError: there is no such folder.
    """
    name = current_location(run, "gradients")
    if name is None:
        return None
    folder = Path(name if options.data is None else options.data)
    if not folder.is_dir():
        raise ResultError(
            f"{run.folder} was made of the gradients stored in {folder}, which is no folder, seen "
            f"from {Path.cwd()}. Give the folder with the weight_STEP folders as {option('data')}."
        )
    return folder


def locate_inputs(run: Run, options: Options) -> LocatedInputs:
    """Return the inputs that the options name, and for the rest those that the run names.

    Raises:
        ResultError: an input has no name, or there is nothing of that name.
        CheckpointError: the checkpoints that the options name are not those of the run.
    """
    question = run.question
    run_specs = {
        "model": current_location(run, "model"),
        "data": current_location(run, "fold") or current_location(run, "data"),
        "transform": current_location(run, "transform")
        or word_of_name(str(question["data"].get("transform"))),
        "target": current_location(run, "target") or _target_word(question),
    }
    for name in ("read", "names"):
        if name in question or getattr(options, name) is not None:
            run_specs[name] = current_location(run, name)
    specs: dict[str, Any] = {}
    for name, value in run_specs.items():
        user_spec = getattr(options, name)
        specs[name] = value if user_spec is None else user_spec
        if not (name == "transform" and specs[name] is None and _comes_with_model(question)):
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
        rest_from_model=question.get("rest_from_model", False),
        model_args=args,
        root=None if root is None else Path(root),
        **{"read": None, "names": None, **specs},
    )


def _comes_with_model(question: Mapping[str, Any]) -> bool:
    """Return whether the transform of a run is the one that is found again with its model."""
    return is_stored_name(str(question["data"].get("transform")))


def _target_word(question: Mapping[str, Any]) -> str | None:
    return next((name for name in TARGETS if name == question.get("target")), None)


def _literal(value: Any) -> Any:
    """Return a keyword argument: a question stores lists and dicts as printed text."""
    try:
        return ast.literal_eval(value) if str(value)[:1] in tuple("([{") else value
    except (ValueError, SyntaxError):
        return value


def _check_located(run: Run, name: str, spec: object) -> None:
    """Raise ResultError unless the named input may exist, judging by its name."""
    if spec is None:
        setting = option(name) if name == "data" else option(name, "file.py:function")
        raise ResultError(
            f"{run.folder} does not name its {name}, which was an object in Python. Give {setting}."
        )
    is_word = name in ("transform", "target") and ":" not in str(spec)
    if is_word or not isinstance(spec, str | Path) or expanded(spec).exists():
        return
    named = split_scheme(str(spec))[1]
    if expanded(named).exists():
        return
    path, colon, _ = named.rpartition(":")
    if not colon or (path.endswith(".py") and not expanded(path).is_file()):
        raise ResultError(
            f"the {name} of {run.folder}, {str(spec)!r}, is not there, seen from {Path.cwd()}. "
            f"Give its present name as {option(name)}."
        )


def _checkpoint_files(
    run: Run, spec: CheckpointsSpec | None, as_they_match: bool
) -> tuple[CheckpointFile, ...]:
    """Return the checkpoints of the run in training order, at their present paths."""
    steps = [int(entry["step"]) for entry in run.question["checkpoints"]]
    if spec is None:
        paths = [Path(entry) for entry in checkpoint_locations(run)]
        lost = [str(path) for path in paths if not path.exists()]
        if lost or len(paths) != len(steps):
            raise ResultError(
                f"{len(lost)} of the {len(steps)} checkpoints of {run.folder} are not there, seen "
                f"from {Path.cwd()}: {first_few(lost)}. Give them as {option('checkpoints')}."
            )
        return tuple(map(CheckpointFile, paths, steps))
    specs = [spec] if isinstance(spec, str | Path) else spec
    files = find_checkpoints(specs, as_they_match, _has_own_name(run))
    by_step = {file.step: file for file in files}
    if by_step.keys() >= set(steps):
        return tuple(by_step[step] for step in steps)
    if len(files) != len(steps):
        raise CheckpointError(
            f"{option('checkpoints')} names {len(files)} files, with the steps "
            f"{first_few(list(by_step))}. {run.folder} was scored under {len(steps)}, with the "
            f"steps {first_few(steps)}: give these."
        )
    return tuple(files)


def _has_own_name(run: Run) -> Callable[[Path], bool]:
    """Return whether a path is named like a checkpoint of the run that its model read itself."""
    stored = (Path(entry) for entry in checkpoint_locations(run))
    names = {path.name for path in stored if not has_known_name(path)}
    return lambda path: path.name in names
