"""Check that the arguments of `vog.score` have the types and ranges that they take."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from types import NoneType
from typing import get_args

from torch import nn

from vog.errors import DataError, ModelError, first_few
from vog.result.question_schema import MOST_ROWS
from vog.sweep.request import PrecisionSpec, Request
from vog.tasks.targets import TARGETS
from vog.wording import option

_MOST_IN_MEMORY = 10**9  # rows of a batch or a part, which must fit in memory
_RANGES = {
    "batch_size": (1, _MOST_IN_MEMORY),
    "limit": (1, MOST_ROWS),
    "rows_per_part": (1, _MOST_IN_MEMORY),
    "workers": (0, _MOST_IN_MEMORY),
    "checkpoints_per_stage": (-MOST_ROWS, MOST_ROWS),  # the scores decide on the minimum
}
_KINDS = {
    "checkpoints": (str | Path | Iterable, "a folder, files or globs"),
    "weights": (str | None, "a key of the checkpoint, or keys joined by dots"),
    "read": ((str, Callable, NoneType), "a function, or 'file.py:function'"),
    "model_args": (Mapping, "names with values"),
    "scores": (str | Iterable | None, "names of scores"),
    "target": ((str, Callable), f"{', '.join(TARGETS)}, or a function"),
    "memory": (str | Integral | None, "a size such as 4GB, or a number of bytes"),
    "device": (str | None, "auto, cpu, cuda or cuda:i"),
}


def check_request(request: Request) -> Request:
    """Return the request with numbers as plain integers, after a check of its arguments.

    Raises:
        DataError: an argument has a wrong type or range.
        ModelError: `model` is not a model, or cannot take `model_args`; an unknown precision.
    """
    for name, (kinds, expected) in _KINDS.items():
        value = getattr(request, name)
        if not isinstance(value, kinds):
            raise DataError(f"{_setting(name, value)}: expected {expected}.")
    _refuse_no_model(request)
    if request.precision not in get_args(PrecisionSpec):
        precisions = ", ".join(get_args(PrecisionSpec))
        setting = option("precision", request.precision)
        raise ModelError(f"{setting}: expected one of {precisions}.")
    return replace(request, **{name: _whole_number(request, name) for name in _RANGES})


def _whole_number(request: Request, name: str) -> int | str | None:
    value, (least, most) = getattr(request, name), _RANGES[name]
    default = "auto" if name == "batch_size" else None
    if value is default or value == default:
        return default
    if not isinstance(value, Integral) or isinstance(value, bool):
        alternative = f" or {default!r}" if default else ""
        raise DataError(f"{_setting(name, value)}: expected a whole number{alternative}.")
    number = int(value)
    if number < least:
        raise DataError(f"{option(name, number)}: expected at least {least}.")
    if number > most:
        raise DataError(f"{option(name, number)}: expected at most {most}.")
    return number


def _refuse_no_model(request: Request) -> None:
    model = request.model
    if isinstance(model, nn.Module):
        if request.model_args:
            raise ModelError(
                f"{option('model_args')} {first_few(list(request.model_args))}: the model is a "
                f"module, which is built already. Pass a function that builds it, or leave "
                f"{option('model_args')} out."
            )
    elif isinstance(model, Mapping):
        raise ModelError(
            f"{_setting('model', model)}: weights alone do not say how to compute with them. "
            f"Expected a module, a function that builds one, or 'file.py:function'."
        )
    elif not isinstance(model, str) and not callable(model):
        raise ModelError(
            f"{_setting('model', model)}: expected a module, a function that builds one, or "
            f"'file.py:function'."
        )


def _setting(name: str, value: object) -> str:
    """Return a setting as the caller wrote it; a value that is long to print as its type."""
    if value is None or isinstance(value, str | int | float | Path):
        return option(name, value)
    kind = type(value).__name__
    return f"{option(name)} is {'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
