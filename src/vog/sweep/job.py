"""From a request to a job: everything found, read, matched and checked, and nothing computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vog import checkpoints, data, functions, scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Batch, Examples
from vog.errors import CheckpointError, DataError, FunctionError, ModelError, ScoreError
from vog.models import Model, Weights, targets
from vog.models.torch import TorchModel, with_head
from vog.scores import Score, Signal
from vog.sweep import guards
from vog.sweep.question import question_of
from vog.sweep.request import Request

# Elements of one batch of inputs: enough to keep the processor busy, little memory.
_AUTO_ELEMENTS = 2**18
_AUTO_LEAST, _AUTO_MOST = 16, 1024
_MOST_UNREADABLE = 100


@dataclass(frozen=True)
class Job:
    """What a sweep needs to know.

    Attributes:
        input_shape: of one example, as the model takes it.
        aim_at_prediction: the target is that of the class the last checkpoint predicts.
        left_out: scores of the default that this model cannot give.
        question: everything that determines the numbers.
    """

    model: Model
    weights: tuple[Weights, ...]
    files: tuple[CheckpointFile, ...]
    stages: tuple[Stage, ...]
    scores: tuple[Score, ...]
    examples: Examples
    classes: int
    input_shape: tuple[int, ...]
    aim_at_prediction: bool
    batch_size: int
    workers: int
    left_out: tuple[str, ...]
    question: dict[str, Any]
    request: Request

    @property
    def needs(self) -> frozenset[Signal]:
        """The signals that the scores need together."""
        return scores.needs_of(self.scores)


def prepare(request: Request) -> Job:
    """Everything a sweep needs, checked before the expensive part.

    Raises:
        VogError: whatever is wrong with the request; see the guards of `vog.sweep.guards`.
    """
    _refuse_bad_numbers(request)
    target = targets.choose(request.target)
    asked = _asked_scores(request)
    device = _device(request.device)
    files = tuple(checkpoints.find(_as_list(request.checkpoints)))
    least = max(score.min_checkpoints for score in asked)
    stages = checkpoints.cut(request.stages, len(files), least)
    examples = data.open_source(request.data, request.root, request.transform)
    if request.limit is not None:
        examples = examples.first(request.limit)
    size, first = _first_batch(examples, request.batch_size)
    module = _module(request)
    model = TorchModel(module, target, device)
    weights, digests = _read_weights(files, model)
    with model.borrowed():
        model = with_head(model, weights[-1], guards.try_out(model, weights[-1], first))
        chosen = _possible(asked, model, request.scores is None or request.scores == "all")
        needs = scores.needs_of(chosen)
        classes = guards.check(model, weights[-1], needs, examples, first)
    question = question_of(request, module, files, digests, stages, examples, chosen) | {
        "target": target.code or target.name,
        "batch_size": size,
        "device": device.type,
        "precision": "float32",
    }
    workers = data.default_workers(examples) if request.workers is None else request.workers
    return Job(
        model=model,
        weights=weights,
        files=files,
        stages=stages,
        scores=chosen,
        examples=examples,
        classes=classes,
        input_shape=tuple(first.inputs.shape[1:]),
        aim_at_prediction=target.at_prediction,
        batch_size=size,
        workers=workers,
        left_out=tuple(score.name for score in asked if score not in chosen),
        question=question,
        request=request,
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


def _first_batch(examples: Examples, batch_size: int | str) -> tuple[int, Batch]:
    """The size of all batches, and the first of them in which an example can be read."""
    row, probe = _first_readable(examples)
    if batch_size == "auto":
        fitting = 2 ** max(0, (_AUTO_ELEMENTS // max(1, probe.inputs.numel())).bit_length() - 1)
        batch_size = min(_AUTO_MOST, max(_AUTO_LEAST, fitting))
    size = min(len(examples), int(batch_size))
    start = row - row % size
    return size, data.read(examples, range(start, min(start + size, len(examples))))


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


def _read_weights(
    files: Sequence[CheckpointFile], model: TorchModel
) -> tuple[tuple[Weights, ...], list[str]]:
    """The weights of all checkpoints as the model takes them, and their digests.

    Raises:
        CheckpointError: one cannot be read, does not fit, or equals another.
    """
    fitted: list[Weights] = []
    found: dict[str, Path] = {}
    for file in files:
        weights = checkpoints.read(file.path)
        fits = model.fit(weights, str(file.path))
        digest = checkpoints.digest(
            {k: v.cpu() for k, v in fits.items() if not k.endswith("num_batches_tracked")}
        )
        if digest in found:
            raise CheckpointError(
                f"{found[digest]} and {file.path} hold equal weights, so nothing was learned "
                f"between them and every spread would be too small. Leave one of them out."
            )
        found[digest] = file.path
        fitted.append(fits)
    return tuple(fitted), list(found)
