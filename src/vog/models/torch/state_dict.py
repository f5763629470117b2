"""Load a checkpoint into a module, as `load_state_dict` does, and return its tensors.

The module's own `load_state_dict(strict=True)`, with its hooks, versions and extra state, decides
whether a checkpoint fits. This module also accepts prefixes that wrappers put before names, shared
tensors under one of their names, and missing batch counters, which evaluation mode ignores.
"""

import inspect
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vog.errors import CheckpointError, ModelError, first_few
from vog.models.torch.weights_in_place import TorchWeights, tensors_of
from vog.wording import option

# The prefixes that wrappers write; they win if a file has the module under several prefixes.
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.", "backbone.")


@dataclass(frozen=True)
class RenamedWeights:
    """The weights of a file under the names of a module.

    Attributes:
        weights: for `load_state_dict`, with the versions of layers that the file has.
        prefix: the prefix that was removed from the names in the file; may be empty.
        ignored_names: names in the file that do not begin with the prefix.
    """

    weights: dict[str, Any]
    prefix: str = ""
    ignored_names: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """Return a sentence about the ignored names; None if there are none."""
        if not self.ignored_names:
            return None
        return f"those under {self.prefix!r}; left aside: {first_few(self.ignored_names)}"


def load(weights: Mapping[str, Any], module: nn.Module, name: str) -> dict[str, Tensor]:
    """Load the weights of a file as `load_state_dict` does, and return the tensors of the module.

    Afterwards the module is in evaluation mode. The tensors are its own, not copies.

    Args:
        weights: by the names in the file.
        module: takes the weights.
        name: of the file, for errors.

    Raises:
        CheckpointError: names, shapes or types differ, and the message lists each; or trained
            values are NaN or infinite.
    """
    by_design = _not_finite(module)
    _load_in_either_mode(weights, module, name)
    tensors = tensors_of(module)
    trained = {key for key, value in module.named_parameters() if value.requires_grad}
    broken = sorted(key for key in _not_finite(module) if key in trained or key not in by_design)
    if broken:
        raise CheckpointError(
            f"checkpoint {name}: NaN or infinite values in {first_few(broken)}. "
            f"Training diverged there; leave this checkpoint out."
        )
    return tensors


def _load_in_either_mode(weights: Mapping[str, Any], module: nn.Module, name: str) -> None:
    """Load weights that were saved in training or evaluation mode, and set evaluation mode.

    A layer may have tensors that exist in evaluation mode alone, and save them there alone.
    """
    try:
        _load_in_mode(weights, module, name, training=True)
    except CheckpointError as error:
        try:
            _load_in_mode(weights, module, name, training=False)
        except CheckpointError:
            raise error from error.__cause__
    set_mode(module, training=False)


def _load_in_mode(weights: Mapping[str, Any], module: nn.Module, name: str, training: bool) -> None:
    set_mode(module, training)
    renamed = rename(weights, module, name).weights
    try:
        with torch.no_grad():  # a hook may compute a tensor from the weights, and keep it
            _load_strictly(_with_missing_names(renamed, module), module)
    except Exception as error:  # hooks of the user's classes run here, and may fail in any way
        raise CheckpointError(_mismatch_message(name, renamed, module, error)) from error


def set_mode(module: nn.Module, training: bool) -> None:
    """Call `train` or `eval` of a module, which may be the user's own methods.

    Raises:
        ModelError: the method fails.
    """
    change, word = (module.train, "train") if training else (module.eval, "eval")
    try:
        with torch.no_grad():  # a layer may compute a tensor from its weights here
            change()
    except Exception as error:
        raise ModelError(
            f"{word}() of the model failed with {type(error).__name__}: {error}. A model that "
            f"defines {word}() itself has to do in it what nn.Module.{word}() does."
        ) from error


def _load_strictly(weights: dict[str, Any], module: nn.Module) -> None:
    """Load by `load_state_dict`, with the names in the state dict or those in the module.

    They differ if a hook changes the names when the module saves, and none changes them back.
    """
    parameters = inspect.signature(module.load_state_dict).parameters
    strict = {"strict": True} if "strict" in parameters or "kwargs" in parameters else {}
    try:
        module.load_state_dict(weights, **strict)
    except RuntimeError:
        names = {id(tensor): key for key, tensor in tensors_of(module).items()}
        new_names = {key: names.get(id(tensor), key) for key, tensor in live_state(module).items()}
        if all(key == new_name for key, new_name in new_names.items()):
            raise
        renamed = {new_names.get(key, key): value for key, value in weights.items()}
        module.load_state_dict(renamed, **strict)


def live_state(module: nn.Module) -> Mapping[str, Any]:
    """Return the state dict with the tensors themselves, if the model's own method allows it."""
    try:
        return module.state_dict(keep_vars=True)
    except TypeError:
        return module.state_dict()


def rename(
    weights: Mapping[str, Any], module: nn.Module, name: str, may_lack: Collection[str] = ()
) -> RenamedWeights:
    """Return the weights under the names of the module, without the prefixes of wrappers.

    DistributedDataParallel, torch.compile and Lightning put `module.`, `_orig_mod.` or `model.`
    before every name in the file. A prefix is removed if the file has all names of the module under
    it, whatever else it has. If the module is such a wrapper itself, its prefix is added instead.

    Args:
        weights: by the names in the file.
        module: takes the weights.
        name: of the file, for errors.
        may_lack: names of tensors that the file need not have.

    Raises:
        CheckpointError: the file has all names under several prefixes.
    """
    needed = _required_names(module)
    needed = [names for names in needed if not set(names) & set(may_lack)] or needed
    if _has_all(weights, needed, ""):
        return RenamedWeights(_with_versions(weights, dict(weights), ""))
    complete = _complete_prefixes(weights, needed)
    if len(complete) > 1 and not set(_PREFIXES) & set(complete):
        raise CheckpointError(
            f"checkpoint {name} holds the model several times, under {first_few(complete)}. Give a "
            f"function that returns the right names: {option('read', 'file.py:function')}."
        )
    if complete:
        return _without_prefix(weights, next((p for p in _PREFIXES if p in complete), complete[0]))
    # Hooks of a layer may accept older names than those that the module has now.
    inner = RenamedWeights(dict(weights))
    while not _has_any(inner.weights, needed) and (prefix := _shared_prefix(inner.weights)):
        inner = _without_prefix(inner.weights, prefix)
    if _has_any(inner.weights, needed):
        return RenamedWeights(_with_versions(weights, inner.weights, inner.prefix), inner.prefix)
    outer = _shared_prefix(key for names in needed for key in names)
    prefixed = {outer + key: value for key, value in weights.items()}
    return RenamedWeights(prefixed if outer and _has_any(prefixed, needed) else dict(weights))


def _required_names(module: nn.Module) -> list[list[str]]:
    """Return the names of each tensor that a file has to hold; a shared tensor has several."""
    names: dict[int, list[str]] = {}
    for key, value in live_state(module).items():
        if not _is_counter(key) and not key.endswith("_extra_state"):
            names.setdefault(id(value), []).append(key)
    return list(names.values())


def _has_all(weights: Mapping[str, Any], needed: list[list[str]], prefix: str) -> bool:
    return all(any(prefix + key in weights for key in names) for names in needed)


def _complete_prefixes(weights: Mapping[str, Any], needed: list[list[str]]) -> list[str]:
    """Return the prefixes under which the file has every tensor of the module, shortest first."""
    candidates = {
        key.removesuffix(name) for name in needed[0] for key in weights if key.endswith(f".{name}")
    }
    return sorted(
        (prefix for prefix in candidates if _has_all(weights, needed, prefix)),
        key=lambda prefix: (prefix.count("."), prefix),
    )


def _without_prefix(weights: Mapping[str, Any], prefix: str) -> RenamedWeights:
    inside = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    outside = tuple(key for key in weights if not key.startswith(prefix))
    return RenamedWeights(_with_versions(weights, inside, prefix), prefix, outside)


class _StateDict(dict[str, Any]):
    """A state dict with the attribute in which `load_state_dict` looks for versions of layers."""

    _metadata: dict[str, Any]


def _with_versions(
    source: Mapping[str, Any], weights: dict[str, Any], prefix: str
) -> dict[str, Any]:
    """Return the weights with the versions of layers in the file, without the prefix."""
    versions = getattr(source, "_metadata", None)
    if not isinstance(versions, Mapping):
        return weights
    state = _StateDict(weights)
    state._metadata = {
        f"{key}.".removeprefix(prefix).removesuffix("."): value
        for key, value in versions.items()
        if f"{key}.".startswith(prefix)
    }
    return state


def _with_missing_names(weights: dict[str, Any], module: nn.Module) -> dict[str, Any]:
    """Add batch counters, and the further names of shared tensors, and return the weights."""
    state = live_state(module)
    by_tensor = {id(value): weights[key] for key, value in state.items() if key in weights}
    added = {
        key: by_tensor.get(id(value), value)
        for key, value in state.items()
        if key not in weights and (id(value) in by_tensor or _is_counter(key))
    }
    weights.update(added)  # in place, so that the weights keep the versions of their layers
    return weights


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _has_any(weights: Mapping[str, Any], needed: list[list[str]]) -> bool:
    return any(key in weights for names in needed for key in names)


def _shared_prefix(names: Iterable[str]) -> str:
    """Return the first part of all names, such as `module.`; empty if they differ in it."""
    first = {name.partition(".")[0] if "." in name else "" for name in names}
    return f"{first.pop()}." if len(first) == 1 and "" not in first else ""


def _not_finite(module: nn.Module) -> set[str]:
    """Return the names of parameters and buffers that hold NaN or infinity.

    Some buffers do so by design, such as a mask of minus infinity, before any weights are loaded.
    """
    return {name for name, value in tensors_of(module).items() if not _is_finite(value)}


def _is_lazy(value: Tensor) -> bool:
    return isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer)


def _is_finite(value: Tensor) -> bool:
    if _is_lazy(value) or not (value.is_floating_point() or value.is_complex()):
        return True
    if value.layout is torch.sparse_coo:
        value = value.detach().coalesce().values()
    elif value.layout is not torch.strided:
        value = value.detach().values()
    return bool(value.isfinite().all())


def _mismatch_message(name: str, weights: TorchWeights, module: nn.Module, error: Exception) -> str:
    """Return the names and shapes that differ, or else the message of `load_state_dict`."""
    state = {k: v for k, v in live_state(module).items() if not _is_counter(k)}
    surplus = {key: value for key, value in weights.items() if key not in state}
    surplus = {key: value for key, value in surplus.items() if not _is_counter(key)}
    missing = {key: value for key, value in state.items() if key not in weights}
    differing = {
        key: (_shape(weights[key]), _shape(value))
        for key, value in state.items()
        if key in weights and _shape(weights[key]) != _shape(value)
    }
    lines = [f"checkpoint {name} does not fit the model"]
    if surplus:
        lines.append(f"  only in the file:  {_names_and_shapes(surplus)}")
    if missing:
        lines.append(f"  only in the model: {_names_and_shapes(missing)}")
    for key, (file_shape, model_shape) in list(differing.items())[:10]:
        lines.append(f"  {key}: {file_shape} in the file, {model_shape} in the model")
    if len(differing) > 10:
        lines.append(f"  ... and {len(differing) - 10} more with different shapes")
    if len(lines) == 1:
        lines.append("  " + " ".join(str(error).split())[:500])
    trained = {key for key, value in module.named_parameters() if value.requires_grad}
    if missing and missing.keys().isdisjoint(trained) and not surplus and not differing:
        lines.append(
            f"The model does not train what the file lacks. {option('rest_from_model', True)} "
            f"takes it from the model as it was built."
        )
        return "\n".join(lines)
    lines.append(
        f"The model has to be the one that was trained: pass its settings as "
        f"{option('model_args')}, or correct {option('model')}."
    )
    return "\n".join(lines)


def _shape(value: Any) -> object:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return "not known yet" if _is_lazy(value) else tuple(value.shape)


def _names_and_shapes(tensors: Mapping[str, Any]) -> str:
    texts = [f"{key} {_shape(value)}" for key, value in list(tensors.items())[:6]]
    rest = len(tensors) - len(texts)
    return ", ".join(texts) + (f" and {rest} more" if rest > 0 else "")
