"""What a request asks, as the run folder keeps it: everything that determines the numbers."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vog import functions
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Examples
from vog.result.question import WHERE
from vog.scores import SCORES, Score
from vog.sweep.request import Request


def question_of(
    request: Request,
    module: nn.Module,
    files: Sequence[CheckpointFile],
    digests: Sequence[str],
    stages: Sequence[Stage],
    examples: Examples,
    scores: Sequence[Score],
) -> dict[str, Any]:
    """The parts of the question that say who was asked, when, about what, and what."""
    names = examples.label_names
    return {
        "vog": version("vog"),
        "torch": torch.__version__,
        "model": _architecture(module),
        "checkpoints": [
            {"step": file.step, "sha256": digest}
            for file, digest in zip(files, digests, strict=True)
        ],
        "stages": {stage.name: [stage.start, stage.stop] for stage in stages},
        "data": {
            "examples": len(examples),
            "digest": examples.digest,
            "transform": _transform_identity(examples),
            "label_names": None if names is None else list(names),
        },
        "scores": [_score_identity(score) for score in scores],
        WHERE: _where(request, files),
    }


def _architecture(module: nn.Module) -> dict[str, str]:
    """The architecture as it prints itself, and the source of its own classes."""
    own = {type(one) for one in module.modules() if not type(one).__module__.startswith("torch.")}
    code = "\n".join(sorted(functions.identity(one) for one in own))
    return {
        "architecture": hashlib.sha256(repr(module).encode()).hexdigest()[:16],
        "code": hashlib.sha256(code.encode()).hexdigest()[:16],
    }


def _transform_identity(examples: Examples) -> str:
    """The transform that is in force, so that the default and its name are one."""
    transform = getattr(examples.read, "transform", None)
    return "none" if transform is None else functions.identity(transform)


def _score_identity(score: Score) -> dict[str, str]:
    """Name and settings; of a score of the user's own also what its code is."""
    asked = {"name": score.name}
    if channels := getattr(score, "channels", None):
        asked["channels"] = channels
    if score.name not in SCORES:
        parts = [score, *(v for v in getattr(score, "__dict__", {}).values() if callable(v))]
        asked["code"] = " ".join(map(functions.identity, parts))
    return asked


def _where(request: Request, files: Sequence[CheckpointFile]) -> dict[str, Any]:
    """Where things were found, for people and for the viewer; not compared on resume."""

    def named(value: object) -> str | None:
        return str(value) if isinstance(value, str | Path) else None

    return {
        "model": named(request.model),
        "model_args": _plain(request.model_args),
        "checkpoints": [str(file.path) for file in files],
        "data": named(request.data),
        "root": named(request.root),
        "transform": named(request.transform),
    }


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    simple = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, simple) else repr(v) for k, v in arguments.items()}
