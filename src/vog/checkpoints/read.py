"""From a checkpoint file to named tensors, without executing what the file holds."""

import hashlib
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vog.errors import CheckpointError, first_few

# Where training loops put the weights beside the optimizer, the most telling names first.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")


def read(path: Path) -> dict[str, Tensor]:
    """The weights in a file, on the CPU, under the names the file gives them.

    Raises:
        CheckpointError: no checkpoint, damaged, would execute code when read, or NaN inside.
    """
    if path.name.endswith(".index.json"):
        weights = _read_shards(path)
    elif path.suffix.lower() == ".safetensors":
        weights = _read_safetensors(path)
    else:
        weights = _unwrapped(_read_pickle(path), path)
    return weights


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and bytes, whatever file format they came in."""
    sha = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().contiguous()
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {path} is no safetensors file: {error}") from error


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"checkpoint {index} is no index of shards: {error!r}") from error
    weights: dict[str, Tensor] = {}
    for name in names:
        shard = index.parent / Path(name).name
        if not shard.is_file():
            raise CheckpointError(f"checkpoint {index}: its shard {name} is missing.")
        weights |= read(shard)
    return weights


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd pickles, which are then read or refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, error)) from error
    except Exception as error:  # damaged bytes can make the reader fail in any way
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"checkpoint {path} is damaged or no checkpoint: {first} "
            f"({path.stat().st_size:,} bytes). Expected a file written by torch.save."
        ) from error


def _refusal(path: Path, error: pickle.UnpicklingError) -> str:
    try:
        found = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # only names what is already refused; files before torch 1.6 and damaged ones
        found = []
    if not found:
        first = (str(error).splitlines() or [""])[0]
        return f"checkpoint {path} is damaged or no checkpoint: {first}"
    return (
        f"checkpoint {path} holds more than weights: {first_few(found)}. Reading these would "
        f"execute code from the file, so it is refused. Save model.state_dict() alone, or, if "
        f"you trust the file, call torch.serialization.add_safe_globals for them in the file "
        f"of --model."
    )


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    """The one mapping of names to tensors in what a training loop saved."""
    if _is_weights(content):
        return _tensors(content)
    if isinstance(content, Mapping):
        inner = [key for key in _WRAPPERS if _is_weights(content.get(key))]
        others = [key for key, value in content.items() if _is_weights(value)]
        if inner or len(others) == 1:
            return _tensors(content[(inner or others)[0]])
        what = f"a dict with the keys {first_few(list(content))}"
    else:
        what = f"a {type(content).__name__}"
    raise CheckpointError(
        f"checkpoint {path} holds {what}; expected a state_dict, or a dict with one under "
        f"{', '.join(_WRAPPERS)}."
    )


def _is_weights(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(k, str) for k in value)
        and any(isinstance(v, Tensor) for v in value.values())
        and all(isinstance(v, Tensor) or k.endswith("_extra_state") for k, v in value.items())
    )


def _tensors(content: Mapping[str, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in content.items() if isinstance(value, Tensor)}
