"""Loading a checkpoint into a module, as `load_state_dict` does, and taking its tensors out again.

What fits is decided by the module's own `load_state_dict(strict=True)`, with its hooks, versions
and extra state. Added to that are the prefixes that wrappers put before names, names of tensors
that two layers share, and batch counters, which play no part in evaluation mode.
"""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vog.errors import CheckpointError, ModelError, first_few
from vog.models.protocol import Weights
from vog.models.torch.weights_in_place import tensors_of

# Where several prefixes lead to all names of a module, these are the ones that wrappers write.
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.", "backbone.")


@dataclass(frozen=True)
class RenamedWeights:
    """The weights of a file under the names of a module.

    Attributes:
        weights: what `load_state_dict` is given; it keeps the versions of layers that a file has.
        prefix: was taken off; empty where none was.
        left_aside: names in the file that stand beside the prefix.
    """

    weights: dict[str, Any]
    prefix: str = ""
    ignored_names: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """Say what was left aside; None where nothing was."""
        if not self.ignored_names:
            return None
        return f"those under {self.prefix!r}; left aside: {first_few(self.ignored_names)}"


def load(weights: Mapping[str, Any], module: nn.Module, name: str) -> dict[str, Tensor]:
    """Load the weights of a file as `load_state_dict` does, and return the tensors of the module.

    The module is afterwards in evaluation mode, and the tensors are its own, not copies.

    Args:
        weights: by the names in the file.
        module: takes the weights.
        name: of the file, for errors.

    Raises:
        CheckpointError: names, shapes or types differ, and each is listed; or values that are
            trained are NaN or infinite.
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
    """Load weights that were saved in training mode, or else in evaluation mode, and evaluate.

    A layer may make tensors for evaluation, and save and take them in that mode alone.
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
        with torch.no_grad():  # a hook may compute something of the weights, and keep it
            _load_strictly(_with_missing_names(renamed, module), module)
    except Exception as error:  # hooks of the user's classes run here, and may fail in any way
        raise CheckpointError(_mismatch_message(name, renamed, module, error)) from error


def set_mode(module: nn.Module, training: bool) -> None:
    """Call `train` or `eval` of a module, which may be the user's own.

    Raises:
        ModelError: it fails.
    """
    change, word = (module.train, "train") if training else (module.eval, "eval")
    try:
        with torch.no_grad():  # what a layer makes of its weights belongs to no backward pass
            change()
    except Exception as error:
        raise ModelError(
            f"{word}() of the model failed with {type(error).__name__}: {error}. A method of that "
            f"name has to do what that of nn.Module does."
        ) from error


def _load_strictly(weights: dict[str, Any], module: nn.Module) -> None:
    """Load by `load_state_dict`, or else under the names that its tensors have in the module.

    A hook may change the names that a module saves, and none may change them back.
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
    """Return the state dict with the tensors themselves, if the user's own method gives them."""
    try:
        return module.state_dict(keep_vars=True)
    except TypeError:
        return module.state_dict()


def rename(weights: Mapping[str, Any], module: nn.Module, name: str) -> RenamedWeights:
    """Return the weights under the names of the module, where a wrapper explains the difference.

    DistributedDataParallel, torch.compile and Lightning put `module.`, `_orig_mod.`, `model.`
    before every name in the file. A prefix is taken off where all names of the module are under it,
    whatever stands beside it. A wrapper that the user puts around a network does so in the module.

    Raises:
        CheckpointError: several prefixes lead to all names.
    """
    needed = _required_names(module)
    if _has_all(weights, needed, ""):
        return RenamedWeights(_with_versions(weights, dict(weights), ""))
    complete = _complete_prefixes(weights, needed)
    if len(complete) > 1 and not set(_PREFIXES) & set(complete):
        raise CheckpointError(
            f"checkpoint {name} holds all names of the model several times, under "
            f"{first_few(complete)}. Say which is meant: --read file.py:function returns them."
        )
    if complete:
        return _without_prefix(weights, next((p for p in _PREFIXES if p in complete), complete[0]))
    # Old names of a layer may differ from those that the module has now; its hooks know them.
    inner = RenamedWeights(dict(weights))
    while not _has_any(inner.weights, needed) and (prefix := _shared_prefix(inner.weights)):
        inner = _without_prefix(inner.weights, prefix)
    if _has_any(inner.weights, needed):
        return RenamedWeights(_with_versions(weights, inner.weights, inner.prefix), inner.prefix)
    outer = _shared_prefix(key for names in needed for key in names)
    prefixed = {outer + key: value for key, value in weights.items()}
    return RenamedWeights(prefixed if outer and _has_any(prefixed, needed) else dict(weights))


def _required_names(module: nn.Module) -> list[list[str]]:
    """Return the names of each tensor that a file has to hold, several where layers share it."""
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
    """A state dict with the versions of its layers, which `load_state_dict` looks for here."""

    _metadata: dict[str, Any]


def _with_versions(
    source: Mapping[str, Any], weights: dict[str, Any], prefix: str
) -> dict[str, Any]:
    """Return the weights with the versions of layers that the file has, under the same names."""
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
    """Return the weights with batch counters, and with shared tensors under all of their names."""
    state = live_state(module)
    by_tensor = {id(value): weights[key] for key, value in state.items() if key in weights}
    added = {
        key: by_tensor.get(id(value), value)
        for key, value in state.items()
        if key not in weights and (id(value) in by_tensor or _is_counter(key))
    }
    weights.update(added)  # in place: the versions of layers stay with it
    return weights


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _has_any(weights: Mapping[str, Any], needed: list[list[str]]) -> bool:
    return any(key in weights for names in needed for key in names)


def _shared_prefix(names: Iterable[str]) -> str:
    """Return `module.` where every name begins with it; empty where they differ."""
    first = {name.partition(".")[0] if "." in name else "" for name in names}
    return f"{first.pop()}." if len(first) == 1 and "" not in first else ""


def _not_finite(module: nn.Module) -> set[str]:
    """Return the names of parameters and buffers that hold NaN or infinity.

    A buffer may do so by design, such as a mask of minus infinity; then it does so as built.
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


def _mismatch_message(name: str, weights: Weights, module: nn.Module, error: Exception) -> str:
    """Say which names and shapes differ, or else what `load_state_dict` said."""
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
        lines.append(f"  ... and {len(differing) - 10} more with other shapes")
    if len(lines) == 1:
        lines.append("  " + " ".join(str(error).split())[:500])
    lines.append(
        "The model has to be the one that was trained: pass its settings as --model-arg, or "
        "correct --model."
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
