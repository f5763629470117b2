"""Check that the arguments of `vog.score` have the types and ranges that they take."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from types import NoneType
from typing import get_args

from vog.errors import DataError, ModelError
from vog.models.load import check_model
from vog.result.question_schema import MOST_ROWS
from vog.sweep.request import PrecisionSpec, Request
from vog.tasks.targets import TARGETS
from vog.wording import described_option, option

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
    "head": (str | None, "the name of a linear layer of the model"),
    "wrt": (str | None, "the name of a module of the model, or 'embeddings'"),
    "input": (str | Sequence | None, "a key of the items, or several"),
    "label": (str | None, "a key of the items"),
    "names": (
        (str, Path, Mapping, Callable, NoneType),
        "names by name, a file of JSON, a function, or 'file.py:function'",
    ),
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
            raise DataError(f"{described_option(name, value)}: expected {expected}.")
    if request.precision not in get_args(PrecisionSpec):
        precisions = ", ".join(get_args(PrecisionSpec))
        setting = option("precision", request.precision)
        raise ModelError(f"{setting}: expected one of {precisions}.")
    request = replace(request, checkpoints=request.checkpoint_specs)  # an iterator is read once
    if request.input_keys == ():
        raise DataError(f"{option('input', request.input)}: expected a key of the items.")
    check_model(request.model, request.model_options)
    return replace(request, **{name: _whole_number(request, name) for name in _RANGES})


def _whole_number(request: Request, name: str) -> int | str | None:
    value, (least, most) = getattr(request, name), _RANGES[name]
    default = "auto" if name == "batch_size" else None
    if value is default or value == default:
        return default
    if not isinstance(value, Integral) or isinstance(value, bool):
        alternative = f" or {default!r}" if default else ""
        raise DataError(f"{described_option(name, value)}: expected a whole number{alternative}.")
    number = int(value)
    if number < least:
        raise DataError(f"{option(name, number)}: expected at least {least}.")
    if number > most:
        raise DataError(f"{option(name, number)}: expected at most {most}.")
    return number
