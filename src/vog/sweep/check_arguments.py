"""The arguments of a scoring, from Python as from the command line, of the kinds that they take."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from types import NoneType
from typing import get_args

from torch import nn

from vog.errors import DataError, ModelError, first_few
from vog.models.targets import TARGETS
from vog.result.question_schema import MOST_ROWS
from vog.sweep.request import PrecisionSpec, Request

_MOST_IN_MEMORY = 10**9  # rows of a batch or a part, which memory has to hold
_RANGES = {
    "batch_size": (1, _MOST_IN_MEMORY),
    "limit": (1, MOST_ROWS),
    "rows_per_part": (1, _MOST_IN_MEMORY),
    "workers": (0, _MOST_IN_MEMORY),
    "checkpoints_per_stage": (-MOST_ROWS, MOST_ROWS),  # how few there may be, scores tell
}
_KINDS = {
    "checkpoints": (str | Path | Iterable, "a folder, files or globs"),
    "weights": (str | None, "a key of the checkpoint, or keys joined by dots"),
    "read": ((str, Callable, NoneType), "a function, or 'file.py:function'"),
    "model_args": (Mapping, "names with values"),
    "scores": (str | Iterable | None, "names of scores"),
    "target": ((str, Callable), f"{', '.join(TARGETS)}, or a function"),
    "memory": (str | Integral | None, "a size as 4GB, or a number of bytes"),
    "device": (str | None, "auto, cpu, cuda or cuda:i"),
}


def check_request(request: Request) -> Request:
    """Return the request, its numbers as plain ones, if every argument is of its kind.

    Raises:
        DataError: an argument is not what its flag takes.
        ModelError: the model is none, or has no use for arguments; no such precision.
    """
    for name, (kinds, expected) in _KINDS.items():
        value = getattr(request, name)
        if not isinstance(value, kinds):
            raise DataError(f"{_flag(name)} is {_describe_value(value)}; expected {expected}.")
    _refuse_no_model(request)
    if request.precision not in get_args(PrecisionSpec):
        precisions = ", ".join(get_args(PrecisionSpec))
        raise ModelError(f"--precision is {request.precision!r}; expected one of {precisions}.")
    return replace(request, **{name: _whole_number(request, name) for name in _RANGES})


def _whole_number(request: Request, name: str) -> int | str | None:
    value, (least, most) = getattr(request, name), _RANGES[name]
    default = "auto" if name == "batch_size" else None
    if value is default or value == default:
        return default
    if not isinstance(value, Integral) or isinstance(value, bool):
        alternative = f" or {default!r}" if default else ""
        raise DataError(
            f"{_flag(name)} is {_describe_value(value)}; expected a whole number{alternative}."
        )
    number = int(value)
    if number < least:
        raise DataError(f"{_flag(name)} is {number}; expected at least {least}.")
    if number > most:
        raise DataError(f"{_flag(name)} is {number}; expected at most {most}.")
    return number


def _refuse_no_model(request: Request) -> None:
    model = request.model
    if isinstance(model, nn.Module):
        if request.model_args:
            raise ModelError(
                f"--model-arg {first_few(list(request.model_args))}: a module was given, which is "
                f"made already. Give the function that makes it, or leave the arguments out."
            )
    elif isinstance(model, Mapping):
        raise ModelError(
            f"--model is {_describe_value(model)}; weights alone do not tell what they compute. Expected a "
            f"module, a function that makes one, or 'file.py:function'."
        )
    elif not isinstance(model, str) and not callable(model):
        raise ModelError(
            f"--model is {_describe_value(model)}; expected a module, a function that makes one, or "
            f"'file.py:function'."
        )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _describe_value(value: object) -> str:
    """Return a plain value as it is written, else what kind of thing it is."""
    is_plain = value is None or isinstance(value, str | int | float | Path)
    kind = type(value).__name__
    return repr(value) if is_plain else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
