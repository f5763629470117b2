"""From a checkpoint file to named tensors, without executing what the file holds."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vog.checkpoints.contents import is_tensor
from vog.checkpoints.digest import refuse_without_numbers, why_without_numbers
from vog.checkpoints.formats import Format, detect_format
from vog.checkpoints.readers.legacy_torch import read_legacy
from vog.checkpoints.readers.shards import read_shards
from vog.checkpoints.readers.torch_zip import read_zip
from vog.checkpoints.safe_pickle import Budget, TensorRecord, Unreadable, array_of
from vog.checkpoints.safe_pickle.tensor_records import NoValues
from vog.checkpoints.select_weights import choose_weights
from vog.errors import CheckpointError


class _UnknownTypeError(Exception):
    """An array is whole, and of numbers that no tensor has."""


@dataclass(frozen=True)
class Contents:
    """The weights in a file.

    Attributes:
        weights: tensors on the CPU under the names the file gives them, and extra states; with
            the `_metadata` of a state dict where the file has it.
        key: where they were in the file; empty where it holds nothing else.
        note: what was taken of several, and what was left aside, in words; or None.
    """

    weights: "OrderedDict[str, Any]"
    key: str
    note: str | None


def read_contents(
    path: Path, key: str | None = None, function: Callable[[Path], Any] | None = None
) -> Contents:
    """Return the weights in a file.

    Args:
        path: a file, an index of shards, or whatever the function takes.
        key: where the weights are in it, as `--weights` names it.
        function: reads the file in place of our readers.

    Raises:
        CheckpointError: no checkpoint, damaged, of a foreign format, may not be read, or without
            weights.
    """
    try:
        content = _file_content(path) if function is None else function(path)
        selected = choose_weights(content, key, path)
        return Contents(_make_tensors(selected.weights, path), selected.key, selected.note)
    except _UnknownTypeError as error:
        raise CheckpointError(f"checkpoint {path}: {error}.") from error
    except Unreadable as error:
        size = f" ({path.stat().st_size:,} bytes)" if path.is_file() else ""
        raise CheckpointError(
            f"checkpoint {path} is damaged or no checkpoint: {error}{size}. "
            f"Expected a file written by torch.save."
        ) from error
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {_reason(error)}.") from error


def read_weights(path: Path) -> "OrderedDict[str, Any]":
    """Return the weights in a file, as `read_contents` finds them without being told more."""
    return read_contents(path).weights


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied. Run as a user who may read it, or change its permissions"
    return error.strerror or str(error)


def _file_content(path: Path) -> Any:
    """Return what a file holds; tensors may be descriptions."""
    if path.name.endswith(".index.json"):
        return read_shards(path, lambda shard: _shard_weights(shard))
    file_format: Format = detect_format(path)
    if file_format == "safetensors":
        return _read_safetensors(path)
    pickled = read_zip(path) if file_format == "zip" else read_legacy(path)
    if pickled.is_plain:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on old formats, which are read all the same
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # it knows fewer opcodes; what is wrong with the file is told by ours
            pass
    return pickled.tree


def _shard_weights(path: Path) -> Mapping[str, Any]:
    return choose_weights(_file_content(path), None, path).weights


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"checkpoint {path} is no safetensors file, or is damaged: {error} "
            f"({path.stat().st_size:,} bytes)."
        ) from error


def _make_tensors(weights: Mapping[str, Any], path: Path) -> "OrderedDict[str, Any]":
    """Return the weights with every tensor made."""
    tensors: OrderedDict[str, Any] = OrderedDict()
    reasons: dict[str, str] = {}
    budget = Budget(0)
    for name, value in weights.items():
        if isinstance(value, NoValues):
            reasons[name] = value.reason
        elif is_tensor(value):
            tensors[name] = _tensor(name, value)
            reason = why_without_numbers(tensors[name])
            reasons |= {name: reason} if reason is not None else {}
        else:
            tensors[name] = _extra_state(name, value, budget)
    refuse_without_numbers(reasons, path)
    if hasattr(weights, "_metadata"):
        tensors._metadata = weights._metadata  # type: ignore[attr-defined]
    return tensors


def _tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, TensorRecord):
        return value.to_tensor()
    if isinstance(value, Tensor):
        value = value.detach()
        return value if value.is_meta else value.cpu()
    array = array_of(value)
    array = value if array is None else array
    try:
        # A copy: the bytes of a file may not be written to. In the order of this machine.
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
    except TypeError as error:
        raise _UnknownTypeError(
            f"{name!r} is an array of the type {array.dtype}, which torch does not have. Convert "
            f"it where it is saved, or in a --read file.py:function: array.astype('float64')"
        ) from error


def _extra_state(name: str, value: Any, budget: Budget) -> Any:
    """Return an extra state with the tensors and arrays in its dicts and lists made."""
    budget.step()
    if is_tensor(value):
        return _tensor(name, value) if isinstance(value, Tensor | TensorRecord) else array_of(value)
    if type(value) in (dict, OrderedDict):
        return type(value)((key, _extra_state(name, item, budget)) for key, item in value.items())
    if type(value) in (list, tuple):
        return type(value)(_extra_state(name, item, budget) for item in value)
    return value
