"""Read named tensors from a checkpoint file, without executing code of the file."""

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
from vog.checkpoints.readers.distributed import METADATA, read_distributed
from vog.checkpoints.readers.legacy_torch import read_legacy
from vog.checkpoints.readers.shards import read_shards
from vog.checkpoints.readers.tensorflow_bundle import open_bundle
from vog.checkpoints.readers.torch_zip import read_zip
from vog.checkpoints.safe_pickle import Budget, TensorRecord, Unreadable, array_of
from vog.checkpoints.safe_pickle.tensor_records import NoValues
from vog.checkpoints.select_weights import ChosenWeights, choose_weights
from vog.checkpoints.tensorflow_paths import index_of
from vog.checkpoints.tensorflow_variables import choose_variables
from vog.errors import CheckpointError
from vog.files import npz
from vog.wording import option


class _UnknownTypeError(Exception):
    """An array is intact, but torch has no tensor of its type."""


@dataclass(frozen=True)
class Contents:
    """The weights in a file.

    Attributes:
        weights: tensors on the CPU under the names the file gives them, and extra states; with
            the `_metadata` of a state dict if the file has it.
        key: their place in the file; empty for its top level.
        note: a sentence on the choice among several weights and on what was left aside; or None.
    """

    weights: "OrderedDict[str, Any]"
    key: str
    note: str | None


def read_contents(
    path: Path, key: str | None = None, function: Callable[[Path], Any] | None = None
) -> Contents:
    """Return the weights in a file.

    Args:
        path: a file, an index of shards, any file or the prefix of a TensorFlow checkpoint, or
            whatever the function takes.
        key: the place of the weights, as the option `weights` names it.
        function: reads the file in place of our readers.

    Raises:
        CheckpointError: the file is not a checkpoint, is damaged, has a format that is not read,
            may not be read, or has no weights.
    """
    try:
        index = index_of(path) if function is None else None
        if index is not None:
            selected = _choose_in_bundle(index, key)
        else:
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


def as_tensors(values: Mapping[str, Any], path: Path) -> "OrderedDict[str, Any]":
    """Return tensors and arrays by name as tensors; `path` is the file they are from.

    Raises:
        CheckpointError: torch does not have the type of an array, or a tensor has no numbers.
    """
    try:
        return _make_tensors(values, path)
    except _UnknownTypeError as error:
        raise CheckpointError(f"checkpoint {path}: {error}.") from error


def read_content(path: Path) -> Any:
    """Return all that is in a file, with stand-ins for objects and descriptions of tensors.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return _file_content(path)
    except (Unreadable, OSError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error}.") from error


def read_weights(path: Path) -> "OrderedDict[str, Any]":
    """Return the weights in a file, with the default settings of `read_contents`."""
    return read_contents(path).weights


def _reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied. Run as a user who may read it, or change its permissions"
    return error.strerror or str(error)


def _choose_in_bundle(index: Path, key: str | None) -> ChosenWeights:
    """Return the variables of a TensorFlow checkpoint that are weights; only these are read."""
    bundle = open_bundle(index)
    variables = choose_variables(bundle.entries, bundle.others, key, index)
    weights = OrderedDict((name, bundle.read(entry)) for name, entry in variables.names.items())
    return ChosenWeights(variables.key, weights, remarks=variables.notes)


def _file_content(path: Path) -> Any:
    """Return the content of a file; its tensors may be descriptions."""
    if path.name.endswith(".index.json"):
        return read_shards(path, lambda shard: _shard_weights(shard))
    if path.name == METADATA:
        return read_distributed(path)
    file_format: Format = detect_format(path)
    if file_format == "safetensors":
        return _read_safetensors(path)
    if file_format == "npz":
        return _read_npz(path)
    pickled = read_zip(path) if file_format == "zip" else read_legacy(path)
    if pickled.is_plain:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of old formats, but reads them
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # torch knows fewer opcodes, and our message on a damaged file is clearer
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


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        return npz.load_arrays(path)
    except npz.UNPACKABLE as error:
        raise CheckpointError(
            f"checkpoint {path} is a damaged archive of NumPy arrays, or holds objects: {error}. "
            f"Expected arrays of numbers by name, as numpy.savez writes them. Save it again, or "
            f"leave it out."
        ) from error


def _make_tensors(weights: Mapping[str, Any], path: Path) -> "OrderedDict[str, Any]":
    """Return the weights with every described tensor as a real tensor."""
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
        # Copies, since the bytes of a file are read-only, into the byte order of this machine.
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
    except TypeError as error:
        raise _UnknownTypeError(
            f"{name!r} is an array of the type {array.dtype}, which torch does not have. Convert "
            f"it before saving, or in {option('read', 'file.py:function')}: array.astype('float64')"
        ) from error


def _extra_state(name: str, value: Any, budget: Budget) -> Any:
    """Return an extra state in which described tensors and arrays, also in dicts, are real."""
    budget.step()
    if is_tensor(value):
        return _tensor(name, value) if isinstance(value, Tensor | TensorRecord) else array_of(value)
    if type(value) in (dict, OrderedDict):
        return type(value)((key, _extra_state(name, item, budget)) for key, item in value.items())
    if type(value) in (list, tuple):
        return type(value)(_extra_state(name, item, budget) for item in value)
    return value
