"""The weights of a checkpoint file, matched to a module and not yet ready to run with it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vog import checkpoints
from vog.errors import CheckpointError, ModelError
from vog.models.torch import tied_tensors
from vog.models.torch.fresh_modules import ModuleSource
from vog.models.torch.state_dict import live_state, load
from vog.models.torch.weights_in_place import TorchWeights, restored_on_exit, tensors_of
from vog.wording import option


@dataclass(frozen=True)
class MatchedWeights:
    """The weights of a checkpoint by the names of the module.

    Attributes:
        tensors: parameters and buffers, floats in float32.
        extra_state: the values in the file that the module takes and that are not tensors of it.
        shared: names of tensors that are not in the file, but the module's as it was built.
    """

    tensors: TorchWeights
    extra_state: Mapping[str, Any] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()

    def digest(self) -> str:
        """Return a digest of all values in the file but counters of batches, which are ignored."""
        own = {k: v for k, v in self.tensors.items() if k not in self.shared}
        values = {**own, **self.extra_state}
        counted = {k: v for k, v in values.items() if not k.endswith("num_batches_tracked")}
        return checkpoints.weights_digest(counted)


class LoadedWeights(dict[str, Tensor]):
    """The weights of a checkpoint, with a module into which no other checkpoint was loaded."""

    def __init__(self, module: nn.Module) -> None:
        """Take a module that holds a checkpoint, and turn off gradients of its parameters."""
        module.float()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        super().__init__(tensors_of(module))
        self.module = module


def load_apart(weights: Mapping[str, Any], source: ModuleSource, name: str) -> LoadedWeights:
    """Return the weights of a file in a module of their own; `name` is the file.

    Raises:
        ModelError: no module can be made.
        CheckpointError: the weights do not fit.
    """
    module = source.copy_or_fresh()
    if module is None:
        raise ModelError(
            "the model cannot be copied after a checkpoint was loaded into it. "
            f"Give a function that builds it as {option('model')}."
        )
    load(weights, module, name)
    return LoadedWeights(module)


def load_copies(weights: Mapping[str, Any], source: ModuleSource, name: str) -> TorchWeights:
    """Return the weights of a file by the names of the module, floats in float32.

    Raises:
        CheckpointError: the weights do not fit.
    """
    if source.template is not None:
        return {k: _float32(v) for k, v in load(weights, source.template, name).items()}
    # `settings_of` reads the extra state of the file; `evaluation_mode` restores that of the user.
    with restored_on_exit(source.module, with_extra_state=False):
        return {k: _float32(v) for k, v in load(weights, source.module, name).items()}


def extra_state_of(weights: Mapping[str, Any], source: ModuleSource, path: Path) -> dict[str, Any]:
    """Return the values in a file that the module takes as extra state, not as tensors.

    Args:
        weights: by the names of the module; see `state_dict.rename`.
        source: of the module.
        path: of the file, for errors.

    Raises:
        CheckpointError: they hold an object that our readers do not create. Creating an object of a
            class that only the file names would execute code.
    """
    module = source.template or source.module
    tensors = {id(tensor) for tensor in tensors_of(module).values()}
    saved = live_state(module)
    extra_state = {k: v for k, v in weights.items() if k in saved and id(saved[k]) not in tensors}
    for key, value in extra_state.items():
        kind = checkpoints.stand_in_name(value)
        if kind is not None:
            raise CheckpointError(
                f"checkpoint {path}: {key} holds an object of {kind}, which reading would have to "
                f"execute. Pass {option('read', 'file.py:function')}, which creates it."
            )
    return extra_state


def settings_of(module: nn.Module) -> tuple[object, ...]:
    """Return the attributes of a module and its parts beside tensors.

    Loading may change them, by extra state or by a hook, and weights alone do not contain that.
    """
    addresses = {tied_tensors.address_of(tensor) for tensor in tensors_of(module).values()}
    return tuple(
        (name, key, comparable)
        for name, part in module.named_modules()
        for key, value in sorted(vars(part).items())
        if key not in _REGISTRIES and (comparable := _comparable(value, addresses)) is not None
    )


_REGISTRIES = frozenset(vars(nn.Module()))  # tensors, layers and hooks, not settings


def _comparable(value: object, addresses: Set[int | None]) -> object:
    """Return a setting in a form that can be compared; None if it has no such form.

    Tensors at one of these addresses are parameters and buffers of the module, not settings.
    """
    if isinstance(value, str | int | float | bytes):
        return value
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value) if value.dtype.kind in "biufc" else value.tolist()
    if isinstance(value, Tensor):
        if tied_tensors.address_of(value) in addresses:
            return None
        is_plain = value.layout is torch.strided and not value.is_meta and not value.is_quantized
        raw = value.detach().cpu().reshape(-1).contiguous().view(torch.uint8) if is_plain else None
        return tuple(value.shape), None if raw is None else hash(raw.numpy().tobytes())
    if isinstance(value, dict):
        return tuple((str(key), _comparable(inner, addresses)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(_comparable(inner, addresses) for inner in value)
    return None


def _float32(value: Tensor) -> Tensor:
    """Return a copy in float32 of a tensor of floats, and a plain copy of any other."""
    return (
        value.detach().to(torch.float32, copy=True)
        if value.is_floating_point()
        else value.detach().clone()
    )
