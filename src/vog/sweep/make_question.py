"""Make the question of a run: everything that determines its numbers, as question.json has it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vog import user_functions
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Examples
from vog.data.built_in_transforms import built_in_name
from vog.data.processors.model_transform import stored_name
from vog.models.protocol import Model
from vog.result.data_location import places_to_store
from vog.result.question import WHERE
from vog.scores import SCORES, Score, colours
from vog.scores.gradient import GradNorm, VoG
from vog.sweep import split_half
from vog.sweep.request import Request
from vog.sweep.row_limit import sample_entries


def make_question(
    request: Request,
    model: Model,
    files: Sequence[CheckpointFile],
    digests: Sequence[str],
    stages: Sequence[Stage],
    examples: Examples,
    scores: Sequence[Score],
) -> dict[str, Any]:
    """Return the model, checkpoints, data and scores, as question.json stores them."""
    label_names = examples.label_names
    sample, data_sample = sample_entries(examples, request.limit)
    return {
        "vog": version("vog"),
        **_version_entries(model.versions),
        "model": {**model.identity(), "args": _plain_arguments(request.model_args)},
        "checkpoints": [
            {"step": file.step, "sha256": digest}
            for file, digest in zip(files, digests, strict=True)
        ],
        "stages": {stage.name: [stage.start, stage.stop] for stage in stages},
        "data": {
            "examples": len(examples),
            "digest": examples.digest,
            "transform": _transform_identity(examples),
            "draft": getattr(examples.read, "draft", False),
            "label_names": None if label_names is None else list(label_names),
            **data_sample,
            **_fold_entry(examples),
            **({"exif": True} if request.exif else {}),
            # Version 0.1 clipped the values of such images at white.
            **({"deep": True} if getattr(examples.read, "deep", False) else {}),
        },
        **request.model_options.reader.question(),
        **({"rest_from_model": True} if request.rest_from_model else {}),
        **({"out_of_sample": True} if examples.fold and examples.fold.held_out else {}),
        "scores": [_score_identity(score) for score in scores],
        **_layout_entry(scores),
        **({} if request.head is None else {"head": request.head}),
        **({} if request.input_keys is None else {"input": list(request.input_keys)}),
        **({} if request.label is None else {"label": request.label}),
        **({} if request.id is None else {"id": request.id}),
        "halved_rows": split_half.ROWS,
        **sample,
        WHERE: _where(request, files, examples),
    }


def _version_entries(versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the versions of libraries; that of PyTorch stands at the top since version 0.1."""
    others = {name: version for name, version in versions.items() if name != "torch"}
    entries: dict[str, Any] = {name: versions[name] for name in versions if name == "torch"}
    return entries | ({"versions": others} if others else {})


def _fold_entry(examples: Examples) -> dict[str, Any]:
    """Return which rows of the whole data a part of a fold has; empty without a fold."""
    fold = examples.fold
    if fold is None:
        return {}
    part = {
        "number": fold.number,
        "folds": fold.folds,
        "held_out": fold.held_out,
        "rows": fold.total,
        "of": fold.folds_digest,
        "digest": fold.data_digest,
    }
    return {"part": True, "fold": part}


def _transform_identity(examples: Examples) -> str:
    """Return the name or digest of the transform; a default equals the same transform by name."""
    transform = examples.transform
    return (
        "none"
        if transform is None
        else built_in_name(transform)
        or stored_name(transform)
        or user_functions.function_identity(transform)
    )


def _score_identity(score: Score) -> dict[str, str]:
    """Return the name and settings of a score, with a digest of the code of custom scores."""
    identity = {"name": score.name}
    if channels := getattr(score, "channels", None):
        identity["channels"] = channels
    default_score: Score = score
    if isinstance(score, VoG | GradNorm):  # their settings have keys of their own
        default_score = replace(score, channels="mean", layout=None)
    elif channels:
        default_score = replace(score, channels="mean")  # type: ignore[type-var]
    if default_score != SCORES.get(score.name):
        identity["code"] = user_functions.function_identity(score)
    return identity


def _layout_entry(scores: Sequence[Score]) -> dict[str, str]:
    """Return the axis of colours, unless it is the one that version 0.1 assumed."""
    layout = colours.layout_of(scores)
    return {} if layout is None else {"layout": layout}


def _where(request: Request, files: Sequence[CheckpointFile], examples: Examples) -> dict[str, Any]:
    """Return where inputs are, for people and for the viewer; not compared on resume.

    For a fold, the data are the whole data set, because row numbers are those of the whole.
    """
    where = {
        "model": _text_or_none(request.model),
        "checkpoints": [str(file.path) for file in files],
        **_data_locations(request, examples),
        "transform": _text_or_none(request.transform),
        "target": _text_or_none(request.target),
        **({} if request.read is None else {"read": _text_or_none(request.read)}),
        **({} if request.names is None else {"names": _text_or_none(request.names)}),
    }
    return where | places_to_store(where, request.out)


def _data_locations(request: Request, examples: Examples) -> dict[str, str | None]:
    """Return the data, the root of their paths, and, for a fold, the source that opens it."""
    data, fold = request.data, examples.fold
    root = request.root or getattr(examples.read, "files_root", None)
    if fold is None:
        return {"data": _text_or_none(data), "root": _text_or_none(root)}
    fold_source = _text_or_none(data) or fold.file
    whole_data = None if fold_source is None else fold.data
    return {"data": whole_data, "root": _text_or_none(root) or fold.root, "fold": fold_source}


def _text_or_none(value: object) -> str | None:
    return str(value) if isinstance(value, str | Path) else None


def _plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: v if isinstance(v, str | int | float | None) else user_functions.address_free(repr(v))
        for k, v in arguments.items()
    }
