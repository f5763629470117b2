"""Matching the tensors of a checkpoint file to the names and shapes of a module."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vog.errors import CheckpointError
from vog.models.protocol import Weights


@dataclass(frozen=True)
class Wanted:
    """The tensors of a module by name, as it was before anything stood in for parts of it.

    Attributes:
        saved: what a `state_dict` holds; a tensor that two layers share is there twice.
        own: every parameter and buffer once, those that are not saved as well.
    """

    saved: dict[str, Tensor]
    own: dict[str, Tensor]


def wanted(module: nn.Module) -> Wanted:
    """What a checkpoint of this module has to give."""
    saved = module.state_dict(keep_vars=True)
    return Wanted(
        {key: value for key, value in saved.items() if not key.endswith("_extra_state")},
        {**dict(module.named_parameters()), **dict(module.named_buffers())},
    )


def fit(weights: Weights, wanted: Wanted, name: str) -> dict[str, Tensor]:
    """Every parameter and buffer of the module, with the values that the checkpoint gives.

    Names may carry the prefix of a wrapper. What the module does not save (non-persistent
    buffers) is taken from the module. Floating-point tensors become float32.

    Raises:
        CheckpointError: names or shapes differ; each of them is listed.
    """
    saved = wanted.saved
    bare = _renamed(weights, saved)
    # By tensor and not by name: a tensor that two layers share has two names, and a file may
    # have either or both.
    given: dict[int, Tensor] = {id(value): bare[key] for key, value in saved.items() if key in bare}
    missing = {
        key: value
        for key, value in saved.items()
        # The batch counter plays no part in evaluation mode, and old files lack it.
        if id(value) not in given and not key.endswith("num_batches_tracked")
    }
    surplus = {
        key: value
        for key, value in bare.items()
        if key not in saved and not key.endswith("_extra_state")
    }
    differing = {
        key: (bare[key].shape, value.shape)
        for key, value in saved.items()
        if key in bare and bare[key].shape != value.shape
    }
    if missing or surplus or differing:
        raise CheckpointError(_misfit(name, missing, surplus, differing))
    return {key: _float(given.get(id(value), value)) for key, value in wanted.own.items()}


def _float(value: Tensor) -> Tensor:
    """A copy that is no longer the user's, in float32 whatever it was saved in."""
    return (
        value.detach().to(torch.float32, copy=True)
        if value.is_floating_point()
        else value.detach().clone()
    )


def _renamed(weights: Weights, saved: dict[str, Tensor]) -> Weights:
    """The weights under the names of the module, where a wrapper around one of them explains it.

    DistributedDataParallel, torch.compile and Lightning put `module.`, `_orig_mod.`, `model.`
    before every name in the file; a wrapper that the user puts around a network to return
    its logits does so in the module.
    """
    bare = weights
    while bare.keys().isdisjoint(saved) and (prefix := _shared_prefix(bare)):
        bare = {key.removeprefix(prefix): value for key, value in bare.items()}
    if not bare.keys().isdisjoint(saved):
        return bare
    wrapped = {_shared_prefix(saved) + key: value for key, value in weights.items()}
    return weights if wrapped.keys().isdisjoint(saved) else wrapped


def _shared_prefix(names: Iterable[str]) -> str:
    """`module.` where every name begins with it; empty where they differ."""
    first = {name.partition(".")[0] if "." in name else "" for name in names}
    return f"{first.pop()}." if len(first) == 1 and "" not in first else ""


def _misfit(
    name: str,
    missing: Weights,
    surplus: Weights,
    differing: dict[str, tuple[torch.Size, torch.Size]],
) -> str:
    lines = [f"checkpoint {name} does not fit the model"]
    if surplus:
        lines.append(f"  only in the file:  {_named(surplus)}")
    if missing:
        lines.append(f"  only in the model: {_named(missing)}")
    for key, (there, here) in list(differing.items())[:10]:
        lines.append(f"  {key}: {tuple(there)} in the file, {tuple(here)} in the model")
    if len(differing) > 10:
        lines.append(f"  ... and {len(differing) - 10} more with other shapes")
    lines.append(
        "Build the model that was trained: pass its settings as --model-arg, or correct --model."
    )
    return "\n".join(lines)


def _named(tensors: Weights) -> str:
    shown = [f"{key} {tuple(value.shape)}" for key, value in list(tensors.items())[:6]]
    rest = len(tensors) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
